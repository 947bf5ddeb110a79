/** A failure. `code` is for programs, the message for people. docs/realtime.md lists the codes. */
export class CarillonError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** The status of an HTTP response. */
    readonly status?: number,
    /** Milliseconds to wait before the next attempt, if the server asked for it. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = "CarillonError";
  }
}

/** Anything that was thrown, as a CarillonError. */
export function asError(thrown: unknown): CarillonError {
  if (thrown instanceof CarillonError) return thrown;
  return new CarillonError("unreachable", thrown instanceof Error ? thrown.message : String(thrown));
}
