/** The conversations of a user, and how events change them. All functions are pure; they return a new state. */

import { edited, messageOf, tombstone } from "./timeline.ts";
import type { Conversation, Message } from "./types.ts";

export interface Overview {
  /** By the time of the last message, newest first. */
  readonly conversations: readonly Conversation[];
  /** Unread messages in all conversations, also in those that are not loaded. */
  readonly unread: number;
}

export const EMPTY_OVERVIEW: Overview = { conversations: [], unread: 0 };

/** The state after an event, and the conversation that has to be fetched, if the event does not say enough. */
export interface Change {
  overview: Overview;
  fetch?: string;
}

type Payload = Record<string, unknown>;

/** The state after an event. `me`: the user's id. */
export function apply(overview: Overview, me: string | null, name: string, payload: Payload): Change {
  const id = payload.conversationId as string;
  const known = overview.conversations.find((one) => one.id === id);
  switch (name) {
    case "chat:message":
      return known && known.role !== "invited"
        ? { overview: put(overview, arrive(known, me, messageOf(payload))) }
        : unknown(overview, id);
    case "chat:message:edited":
      return onLast(overview, known, payload, (message) => edited(message, payload));
    case "chat:message:deleted":
      if (payload.forEveryone === false)
        return known?.last_message?.id === payload.messageId ? unknown(overview, id) : { overview };
      return onLast(overview, known, payload, (message) => tombstone(message, payload.deletedAt as string));
    case "chat:message:read":
      if (!known || payload.readBy !== me) return { overview };
      return readUpTo(overview, known, payload.no as number);
    case "chat:conversation:left":
      return { overview: remove(overview, id) };
    case "chat:conversation:updated":
      if (!known) return { overview };
      return { overview: put(overview, { ...known, name: payload.name as string | null }) };
    case "chat:conversation:created":
    case "chat:conversation:joined":
    case "chat:conversation:invited":
      return unknown(overview, id);
    case "chat:member:added":
    case "chat:member:removed":
    case "chat:member:changed":
      return known ? unknown(overview, id) : { overview };
    default:
      return { overview };
  }
}

/** With a conversation at its place; it replaces an earlier version. */
export function put(overview: Overview, conversation: Conversation): Overview {
  const { conversations, unread } = remove(overview, conversation.id);
  return {
    conversations: [...conversations, conversation].sort((a, b) => (activity(a) < activity(b) ? 1 : -1)),
    unread: unread + conversation.unread,
  };
}

/** With a page of older conversations, whose unread messages are counted already. */
export function append(overview: Overview, page: readonly Conversation[]): Overview {
  const known = new Set(overview.conversations.map(({ id }) => id));
  return { ...overview, conversations: [...overview.conversations, ...page.filter(({ id }) => !known.has(id))] };
}

export function remove(overview: Overview, id: string): Overview {
  const gone = overview.conversations.find((one) => one.id === id);
  if (!gone) return overview;
  const conversations = overview.conversations.filter((one) => one !== gone);
  return { conversations, unread: Math.max(0, overview.unread - gone.unread) };
}

/** With everything up to a number read by the user. */
export function readUpTo(overview: Overview, known: Conversation, no: number): Change {
  if (no <= (known.read_no ?? 0)) return { overview };
  // How many of the messages after it count, only the server knows.
  if (no < (known.last_no ?? 0)) return unknown(overview, known.id);
  return { overview: put(overview, { ...known, read_no: no, unread: 0, unread_mentions: 0 }) };
}

function arrive(known: Conversation, me: string | null, message: Message): Conversation {
  if (message.no <= (known.last_no ?? 0)) return known;
  const counts = message.sender !== me && message.no > (known.read_no ?? 0) && !message.deleted_at;
  const isMention = message.mentions.includes("@all") || (me !== null && message.mentions.includes(me));
  return {
    ...known,
    last_no: message.no,
    last_message: message,
    last_message_at: message.created_at,
    unread: known.unread + (counts ? 1 : 0),
    unread_mentions: known.unread_mentions + (counts && isMention ? 1 : 0),
  };
}

function onLast(
  overview: Overview,
  known: Conversation | undefined,
  payload: Payload,
  update: (message: Message) => Message,
): Change {
  if (!known) return { overview };
  const last = known.last_message;
  // The deletion of another message can be the deletion of an unread one.
  if (last?.id !== payload.messageId || !last) return known.unread ? unknown(overview, known.id) : { overview };
  return { overview: put(overview, { ...known, last_message: update(last) }) };
}

function unknown(overview: Overview, id: string): Change {
  return { overview, fetch: id };
}

function activity({ last_message_at, created_at, id }: Conversation): string {
  return `${last_message_at ?? created_at} ${id}`;
}
