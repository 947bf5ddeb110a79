/** How long to wait: every number in milliseconds, with its reason. */

/** The first wait after a connection was lost, doubled from failure to failure up to the second number. */
const FIRST = 1_000;
const LONGEST = 30_000;

/**
 * The wait before the next attempt, after so many failures: exponential with full jitter, so that the clients of a server
 * that has ended do not all come back at once. What the server advised is the least.
 */
export function backoff(failures: number, advised = 0, random: () => number = Math.random): number {
  return Math.max(advised, random() * Math.min(LONGEST, FIRST * 2 ** failures));
}

/** Somewhere near: timers of many clients must not meet. */
export function around(wait: number, random: () => number = Math.random): number {
  return wait * (0.9 + 0.2 * random());
}

/** How long a client does without a socket before it polls. */
export const PATIENCE = 3_000;

/** Between two polls, unless the server says otherwise; after failures each wait is half as long again. */
export const POLL = 10_000;
export const LONGEST_POLL = 60_000;

/** How long a gap may close by itself before the server is asked. */
export const GAP = 2_000;

/** Between two looks at whether the last event was lost, which no gap shows. */
export const HEAD_CHECK = 45_000;

/** One acknowledgement in that time. */
export const ACKNOWLEDGE = 1_000;

/** How long an answer may take. */
export const ANSWER = 10_000;

/** How soon a connection answers that is alive. */
export const ALIVE = 5_000;

/** A token is replaced so long before it ends; the server reminds at 60 s. */
export const REFRESH = 75_000;
