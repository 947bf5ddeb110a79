/** The messages that the server does not have yet, in the order in which they were written. All functions are pure. */

import type { CarillonError } from "../errors.ts";
import type { Draft, Message } from "./types.ts";

/** A message on its way. */
export interface Outgoing extends Draft {
  conversation_id: string;
  /** Makes the repetition of a request the same message. Sorts by the time of writing. */
  temp_id: string;
  created_at: string;
  /** Why the server refused it. Null while it waits. */
  failure: { code: string; message: string } | null;
}

export type Queue = readonly Outgoing[];

/** With a message, at its place; it replaces an earlier version. */
export function put(queue: Queue, message: Outgoing): Queue {
  return [...without(queue, message.temp_id), message].sort((a, b) => (a.temp_id < b.temp_id ? -1 : 1));
}

export function without(queue: Queue, tempId: string): Queue {
  return queue.some(({ temp_id }) => temp_id === tempId) ? queue.filter(({ temp_id }) => temp_id !== tempId) : queue;
}

/** The message to send now: the oldest that was not refused. A refused one does not hold up those after it. */
export function next(queue: Queue): Outgoing | undefined {
  return queue.find(({ failure }) => !failure);
}

/** Whether the same request can succeed later. Anything else is a refusal, which the user has to know of. */
export function isTemporary({ status }: CarillonError): boolean {
  return status === undefined || status >= 500 || status === 401 || status === 408 || status === 425 || status === 429;
}

/** The id of the next message. `last`: the one before it, which it has to follow even if the clock was set back. */
export function newTempId(last: string | undefined, now: number, random: () => number = Math.random): string {
  const after = Number.parseInt(last?.split("-")[0] ?? "", 36);
  const time = Number.isNaN(after) ? now : Math.max(now, after + 1);
  return `${time.toString(36).padStart(9, "0")}-${Math.floor(random() * 36 ** 8).toString(36)}`;
}

/** As a message to show, after those that the server has. */
export function asMessage(outgoing: Outgoing, sender: string | null): Omit<Message, "no"> {
  return {
    id: outgoing.temp_id,
    conversation_id: outgoing.conversation_id,
    sender,
    type: outgoing.type ?? "text",
    content: outgoing.content,
    reply_to: outgoing.reply_to ?? null,
    mentions: outgoing.mentions ?? [],
    media_url: outgoing.media_url ?? null,
    private_to: outgoing.private_to ?? null,
    reactions: [],
    created_at: outgoing.created_at,
    edited_at: null,
    deleted_at: null,
    temp_id: outgoing.temp_id,
  };
}
