/** The messages of a conversation, and how events change them. All functions are pure; they return a new state. */

import type { Message, Reaction, Receipt } from "./types.ts";

export interface Timeline {
  /** By number, oldest first. The numbers can have holes. */
  readonly messages: readonly Message[];
  /** Whether there are older ones. */
  readonly hasMore: boolean;
  /** Up to which number each member has received and read. Unknown members are missing. */
  readonly delivered: Positions;
  readonly read: Positions;
  /** In large conversations: how many have read up to a number. */
  readonly readCount: { no: number; count: number } | null;
}

export type Positions = Readonly<Record<string, number>>;

export const EMPTY_TIMELINE: Timeline = { messages: [], hasMore: false, delivered: {}, read: {}, readCount: null };

/** With more messages. One that is there already is replaced. */
export function merge(timeline: Timeline, messages: readonly Message[]): Timeline {
  const byId = new Map(timeline.messages.map((message) => [message.id, message]));
  for (const message of messages) byId.set(message.id, message);
  return { ...timeline, messages: [...byId.values()].sort((a, b) => a.no - b.no) };
}

/** With the receipts of a message, which the members also have for all messages before it. */
export function mergeReceipts(timeline: Timeline, no: number, receipts: readonly Receipt[]): Timeline {
  let { delivered, read } = timeline;
  for (const { user, status } of receipts) {
    delivered = forward(delivered, user, no);
    if (status === "read") read = forward(read, user, no);
  }
  return { ...timeline, delivered, read };
}

/** The state after an event of the conversation; the same object if nothing changes. */
export function apply(timeline: Timeline, name: string, payload: Record<string, unknown>): Timeline {
  switch (name) {
    case "chat:message":
      return arrive(timeline, messageOf(payload));
    case "chat:message:edited":
      return change(timeline, payload, (message) => edited(message, payload));
    case "chat:message:deleted":
      if (payload.forEveryone === false) return remove(timeline, payload);
      return change(timeline, payload, (message) => tombstone(message, payload.deletedAt as string));
    case "chat:message:reactions":
      return change(timeline, payload, (message) => ({ ...message, reactions: reactionsOf(message, payload) }));
    case "chat:message:delivered":
      return received(timeline, payload);
    case "chat:message:read":
      return readUpTo(timeline, payload);
    default:
      return timeline;
  }
}

/** The message of an event `chat:message`. */
export function messageOf(payload: Record<string, unknown>): Message {
  return {
    id: (payload.messageId ?? payload.id) as string,
    conversation_id: payload.conversationId as string,
    no: payload.no as number,
    sender: (payload.senderKey as string | null) ?? null,
    type: payload.type as Message["type"],
    content: payload.content as string,
    reply_to: (payload.replyTo as string | null) ?? null,
    mentions: (payload.mentions as string[] | null) ?? [],
    media_url: (payload.mediaUrl as string | null) ?? null,
    private_to: (payload.targetUserId as string | null) ?? null,
    reactions: [],
    created_at: payload.createdAt as string,
    edited_at: (payload.editedAt as string | null) ?? null,
    deleted_at: (payload.deletedAt as string | null) ?? null,
    temp_id: (payload.tempId as string | null) ?? null,
  };
}

/** The members other than the sender, by their ids, who have read a message, and to whom it was delivered. */
export interface Receipts {
  read: string[];
  delivered: string[];
}

export function receiptsOf(timeline: Timeline, message: { no: number | null; sender: string | null }): Receipts {
  const { no, sender } = message;
  const upTo = (positions: Positions) =>
    Object.keys(positions)
      .filter((user) => no !== null && user !== sender && (positions[user] ?? 0) >= no)
      .sort();
  return { read: upTo(timeline.read), delivered: upTo(timeline.delivered) };
}

/** With the user's own reaction added or taken away, before the server has answered. */
export function react(message: Message, emoji: string, add: boolean): Message {
  const before = message.reactions.find((one) => one.emoji === emoji);
  if ((before?.me ?? false) === add) return message;
  const after: Reaction = { emoji, count: (before?.count ?? 0) + (add ? 1 : -1), me: add };
  const reactions = before
    ? message.reactions.map((one) => (one === before ? after : one)).filter(({ count }) => count > 0)
    : [...message.reactions, after];
  return { ...message, reactions };
}

export function edited(message: Message, payload: Record<string, unknown>): Message {
  // A deletion is final, and an older edit can be replayed after a newer one was fetched.
  const editedAt = payload.editedAt as string;
  if (message.deleted_at || (message.edited_at !== null && editedAt < message.edited_at)) return message;
  return {
    ...message,
    content: payload.content as string,
    mentions: (payload.mentions as string[] | undefined) ?? message.mentions,
    edited_at: editedAt,
  };
}

export function tombstone(message: Message, deletedAt: string): Message {
  return { ...message, content: "", media_url: null, mentions: [], reactions: [], deleted_at: deletedAt };
}

function arrive(timeline: Timeline, message: Message): Timeline {
  if (timeline.messages.some(({ id }) => id === message.id)) return timeline;
  // An older message than all that are here comes with its page.
  const [oldest] = timeline.messages;
  if (oldest && message.no < oldest.no && timeline.hasMore) return timeline;
  return merge(timeline, [message]);
}

function change(timeline: Timeline, payload: Record<string, unknown>, update: (message: Message) => Message): Timeline {
  let hasChanged = false;
  const messages = timeline.messages.map((message) => {
    if (message.id !== payload.messageId) return message;
    const updated = update(message);
    hasChanged ||= updated !== message;
    return updated;
  });
  return hasChanged ? { ...timeline, messages } : timeline;
}

function remove(timeline: Timeline, payload: Record<string, unknown>): Timeline {
  const messages = timeline.messages.filter(({ id }) => id !== payload.messageId);
  return messages.length < timeline.messages.length ? { ...timeline, messages } : timeline;
}

function reactionsOf(message: Message, payload: Record<string, unknown>): Reaction[] {
  // The event is for all members, so it does not say whose the reactions are.
  const mine = new Set(message.reactions.filter(({ me }) => me).map(({ emoji }) => emoji));
  return (payload.reactions as { emoji: string; count: number }[]).map(({ emoji, count }) => ({
    emoji,
    count,
    me: mine.has(emoji),
  }));
}

function received(timeline: Timeline, { deliveredTo, no }: Record<string, unknown>): Timeline {
  if (typeof deliveredTo !== "string" || typeof no !== "number") return timeline;
  const delivered = forward(timeline.delivered, deliveredTo, no);
  return delivered === timeline.delivered ? timeline : { ...timeline, delivered };
}

function readUpTo(timeline: Timeline, { readBy, no, count }: Record<string, unknown>): Timeline {
  if (typeof no !== "number") return timeline;
  if (typeof count === "number" && no >= (timeline.readCount?.no ?? 0))
    return { ...timeline, readCount: { no, count } };
  if (typeof readBy !== "string") return timeline;
  const [read, delivered] = [forward(timeline.read, readBy, no), forward(timeline.delivered, readBy, no)];
  return read === timeline.read && delivered === timeline.delivered ? timeline : { ...timeline, read, delivered };
}

function forward(positions: Positions, user: string, no: number): Positions {
  return (positions[user] ?? -1) >= no ? positions : { ...positions, [user]: no };
}
