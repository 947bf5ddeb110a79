/** All waiting times, in milliseconds. */

/** The wait before the first reconnection. It doubles with each failure. */
const MIN_BACKOFF = 1_000;
const MAX_BACKOFF = 30_000;

/**
 * The wait before the next attempt to connect, with full jitter: when a server restarts, its clients do not reconnect at
 * the same moment. The server can ask for a longer wait.
 */
export function backoff(failures: number, minimum = 0, random: () => number = Math.random): number {
  return Math.max(minimum, random() * Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** failures));
}

/** About as long, so that the timers of many clients do not synchronise. */
export function jitter(wait: number, random: () => number = Math.random): number {
  return wait * (0.9 + 0.2 * random());
}

/** A client without a socket starts to poll after this time. */
export const POLLING_DELAY = 3_000;

/** The time between two polls, unless the server asks for another one. It grows by half with each failure. */
export const POLL_INTERVAL = 10_000;
export const MAX_POLL_INTERVAL = 60_000;

/** A gap in the sequence numbers often closes by itself. After this time the client requests what is missing. */
export const GAP_TIMEOUT = 2_000;

/** The time between two checks for a lost last event, which leaves no gap. */
export const SYNC_INTERVAL = 45_000;

/** At most one acknowledgement is sent in this time. */
export const ACKNOWLEDGE_INTERVAL = 1_000;

/** At most one receipt for each conversation is sent in this time. */
export const RECEIPT_INTERVAL = 1_000;

/** That the user types is told at most once in this time. */
export const TYPING_INTERVAL = 3_000;

/** The server ends typing after 5 s. If that event is lost, the client ends it after this time. */
export const TYPING_EXPIRY = 8_000;

/** The wait before a failed request is repeated. */
export const RETRY_DELAY = 5_000;

/** The position is saved this long after it has changed. */
export const SAVE_DELAY = 250;

/** Requests that take longer have failed. */
export const REQUEST_TIMEOUT = 10_000;

/** A connection that does not answer a sync within this time is broken. */
export const SYNC_TIMEOUT = 5_000;

/** Tokens are replaced this long before they expire. The server reminds the client 60 seconds before. */
export const TOKEN_MARGIN = 75_000;
