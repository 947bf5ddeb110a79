/** Who is typing. All functions are pure; times are in milliseconds. */

import { TYPING_EXPIRY, TYPING_INTERVAL } from "../timing.ts";

/** When each user's typing expires. */
export type Typing = Readonly<Record<string, number>>;

/** When the user's own typing was last told, or null if they do not type. */
export type Told = number | null;

/** What to tell the server when the user types or stops: true, false, or null for nothing. */
export function tell(told: Told, isTyping: boolean, now: number): { told: Told; signal: boolean | null } {
  if (!isTyping) return { told: null, signal: told === null ? null : false };
  if (told !== null && now - told < TYPING_INTERVAL) return { told, signal: null };
  return { told: now, signal: true };
}

/** The state after an event of the conversation. A message ends its sender's typing. */
export function apply(typing: Typing, name: string, payload: Record<string, unknown>, now: number): Typing {
  if (name === "chat:typing:start") return { ...typing, [payload.userKey as string]: now + TYPING_EXPIRY };
  const stops = name === "chat:typing:stop" ? payload.userKey : name === "chat:message" ? payload.senderKey : undefined;
  return typeof stops === "string" && stops in typing ? without(typing, (user) => user === stops) : typing;
}

/** Without what has expired. */
export function expire(typing: Typing, now: number): Typing {
  return without(typing, (user) => (typing[user] ?? 0) <= now);
}

function without(typing: Typing, isGone: (user: string) => boolean): Typing {
  const left = Object.entries(typing).filter(([user]) => !isGone(user));
  return left.length < Object.keys(typing).length ? Object.fromEntries(left) : typing;
}
