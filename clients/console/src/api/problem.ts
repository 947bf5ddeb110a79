/** Failed requests. */

/** A failed request. The message is the server's explanation where it gave one. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** Seconds to wait before the next attempt. */
    readonly retryAfter = 0,
  ) {
    super(detail);
  }
}

/** The problem that an unsuccessful response describes. */
export async function readProblem(response: Response): Promise<Problem> {
  const document = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const retryAfter = Number(response.headers.get("Retry-After") ?? 0);
  const detail = document.detail ?? `The server answered with status ${response.status}.`;
  return new Problem(response.status, document.code ?? "unknown", detail, retryAfter);
}

/** Anything that was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, "console", String(error));
}

/** The text that explains anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
