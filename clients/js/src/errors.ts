/** What went wrong: `code` is for programs (docs/realtime.md, the problems of the API), the message for people. */
export class CarillonError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Of an answer by HTTP. */
    readonly status?: number,
    /** Milliseconds that the server asks to wait. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = "CarillonError";
  }
}

/** Whatever was thrown, as one of ours. */
export function asError(thrown: unknown): CarillonError {
  if (thrown instanceof CarillonError) return thrown;
  return new CarillonError("unreachable", thrown instanceof Error ? thrown.message : String(thrown));
}
