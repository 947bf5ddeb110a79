/** The state machines of chat: messages, conversations, unsent messages and typing. */

import { describe, expect, test } from "vitest";
import * as overview from "../src/chat/overview.ts";
import { isTemporary, newTempId, next, type Outgoing, put, type Queue, without } from "../src/chat/queue.ts";
import { apply, EMPTY_TIMELINE, merge, mergeReceipts, messageOf, react, receiptsOf } from "../src/chat/timeline.ts";
import type { Conversation, Message } from "../src/chat/types.ts";
import * as typing from "../src/chat/typing.ts";
import { CarillonError } from "../src/errors.ts";

const event = (no: number, more: object = {}) => ({
  messageId: `m${no}`,
  conversationId: "c",
  no,
  senderKey: "bob",
  content: `text ${no}`,
  type: "text",
  createdAt: `2026-11-27T12:00:0${no}Z`,
  ...more,
});
const message = (no: number, more: Partial<Message> = {}): Message => ({ ...messageOf(event(no)), ...more });
const numbers = ({ messages }: typeof EMPTY_TIMELINE) => messages.map(({ no }) => no);

describe("the messages of a conversation", () => {
  const three = merge(EMPTY_TIMELINE, [message(3), message(5), message(4)]);

  test("are ordered by number and there once, with holes for what is private to others", () => {
    expect(numbers(three)).toEqual([3, 4, 5]);
    const later = apply(apply(three, "chat:message", event(9)), "chat:message", event(7));
    expect(numbers(later)).toEqual([3, 4, 5, 7, 9]);
    expect(apply(later, "chat:message", event(7))).toBe(later);
  });

  test("do not get one that is on a page not fetched yet", () => {
    expect(apply({ ...three, hasMore: true }, "chat:message", event(1)).messages).toHaveLength(3);
    expect(numbers(apply(three, "chat:message", event(1)))).toEqual([1, 3, 4, 5]);
  });

  test("are edited, and an older edit that is replayed changes nothing", () => {
    const edit = (content: string, editedAt: string) => ({ messageId: "m4", content, editedAt });
    const once = apply(three, "chat:message:edited", edit("new", "2026-11-27T13:00:00Z"));
    expect(once.messages[1]).toMatchObject({ content: "new", edited_at: "2026-11-27T13:00:00Z" });
    expect(apply(once, "chat:message:edited", edit("old", "2026-11-27T12:30:00Z"))).toBe(once);
  });

  test("leave a tombstone when deleted for everyone, which no edit brings back", () => {
    const gone = { messageId: "m4", deletedAt: "2026-11-27T13:00:00Z", forEveryone: true };
    const after = apply(three, "chat:message:deleted", gone);
    expect(after.messages[1]).toMatchObject({ no: 4, content: "", deleted_at: gone.deletedAt });
    expect(apply(after, "chat:message:edited", { messageId: "m4", content: "x", editedAt: "2026-11-28" })).toBe(after);
    expect(numbers(apply(three, "chat:message:deleted", { ...gone, forEveryone: false }))).toEqual([3, 5]);
  });

  test("have reactions, and the user's own are kept when the others' change", () => {
    const mine = merge(three, [react(react(message(4), "👍", true), "👍", true)]);
    expect(mine.messages[1]?.reactions).toEqual([{ emoji: "👍", count: 1, me: true }]);
    const reactions = [
      { emoji: "👍", count: 2 },
      { emoji: "🎉", count: 1 },
    ];
    const all = apply(mine, "chat:message:reactions", { messageId: "m4", reactions });
    expect(all.messages[1]?.reactions).toEqual([
      { emoji: "👍", count: 2, me: true },
      { emoji: "🎉", count: 1, me: false },
    ]);
    expect(react(all.messages[1] as Message, "👍", false).reactions[0]).toEqual({ emoji: "👍", count: 1, me: false });
    expect(react(message(4, { reactions: [{ emoji: "👍", count: 1, me: true }] }), "👍", false).reactions).toEqual([]);
  });

  test("have readers, by positions that never move back", () => {
    const receipt = (status: "read" | "delivered") => ({ user: "alice", status });
    const read = (from: typeof three, no: number, readBy = "carol") => apply(from, "chat:message:read", { readBy, no });
    const some = mergeReceipts(mergeReceipts(three, 3, [receipt("read")]), 5, [receipt("delivered")]);
    const now = read(read(read(some, 4), 3), 5, "bob");
    const readers = (message: { no: number | null; sender: string }) => receiptsOf(now, message).read;
    expect(readers({ no: 3, sender: "bob" })).toEqual(["alice", "carol"]);
    expect(readers({ no: 4, sender: "bob" })).toEqual(["carol"]);
    expect(readers({ no: 5, sender: "bob" })).toEqual([]);
    expect(readers({ no: null, sender: "bob" })).toEqual([]);
    expect(read(now, 2)).toBe(now);
    expect([now.delivered.alice, now.delivered.carol]).toEqual([5, 4]);
    const large = apply(now, "chat:message:read", { no: 5, count: 4211 });
    expect([large.readCount, apply(large, "chat:message:read", { no: 4, count: 9 }).readCount?.count]).toEqual([
      { no: 5, count: 4211 },
      4211,
    ]);
  });
});

describe("the conversations", () => {
  const conversation = (id: string, more: Partial<Conversation> = {}) =>
    ({
      id,
      last_no: 5,
      read_no: 5,
      unread: 0,
      unread_mentions: 0,
      last_message_at: "2026-11-27T11",
      ...more,
    }) as Conversation;
  const two = overview.put(overview.put(overview.EMPTY_OVERVIEW, conversation("c")), conversation("d"));
  const following = (from: overview.Overview, name: string, payload: object) =>
    overview.apply(from, "alice", name, payload as Record<string, unknown>);
  const ids = (of: overview.Overview) => of.conversations.map(({ id }) => id);

  test("count what others write, once, and move to the top", () => {
    expect(ids(two)).toEqual(["d", "c"]);
    const first = following(two, "chat:message", event(6, { mentions: ["alice"] })).overview;
    expect(ids(first)).toEqual(["c", "d"]);
    expect(first.conversations[0]).toMatchObject({ unread: 1, unread_mentions: 1, last_no: 6 });
    expect(following(first, "chat:message", event(6)).overview.unread).toBe(1);
    const own = following(first, "chat:message", event(7, { senderKey: "alice" })).overview;
    expect([own.unread, own.conversations[0]?.last_message?.content]).toEqual([1, "text 7"]);
  });

  test("are read up to the end at once, and fetched if it is not the end", () => {
    const unread = following(following(two, "chat:message", event(6)).overview, "chat:message", event(7)).overview;
    expect(following(unread, "chat:message:read", { conversationId: "c", readBy: "bob", no: 7 }).overview).toBe(unread);
    const part = following(unread, "chat:message:read", { conversationId: "c", readBy: "alice", no: 6 });
    expect(part).toEqual({ overview: unread, fetch: "c" });
    const all = following(unread, "chat:message:read", { conversationId: "c", readBy: "alice", no: 7 }).overview;
    expect([all.unread, all.conversations[0]?.unread]).toEqual([0, 0]);
  });

  test("come, change and go", () => {
    expect(following(two, "chat:conversation:joined", { conversationId: "e" }).fetch).toBe("e");
    expect(following(two, "chat:message", event(1, { conversationId: "e" })).fetch).toBe("e");
    expect(following(two, "chat:member:added", { conversationId: "c" }).fetch).toBe("c");
    expect(ids(following(two, "chat:conversation:left", { conversationId: "c" }).overview)).toEqual(["d"]);
    const renamed = following(two, "chat:conversation:updated", { conversationId: "c", name: "New" }).overview;
    expect(renamed.conversations.find(({ id }) => id === "c")?.name).toBe("New");
  });

  test("show the last message as it is after an edit and a deletion", () => {
    const first = following(two, "chat:message", event(6)).overview;
    const edit = { conversationId: "c", messageId: "m6", content: "new", editedAt: "2026-11-27T13" };
    const changed = following(first, "chat:message:edited", edit).overview;
    expect(changed.conversations[0]?.last_message?.content).toBe("new");
    const gone = { conversationId: "c", messageId: "m6", deletedAt: "2026-11-27T14", forEveryone: true };
    const deleted = following(changed, "chat:message:deleted", gone).overview;
    expect(deleted.conversations[0]?.last_message).toMatchObject({ content: "", deleted_at: gone.deletedAt });
  });
});

describe("unsent messages", () => {
  const outgoing = (temp_id: string, refused = false): Outgoing => ({
    conversation_id: "c",
    content: temp_id,
    temp_id,
    created_at: "2026-11-27T12:00:00Z",
    failure: refused ? { code: "forbidden", message: "no" } : null,
  });

  test("go in the order in which they were written; a refused one holds up nobody and can be repeated", () => {
    let queue: Queue = ["b", "a", "c"].reduce((all, id) => put(all, outgoing(id)), [] as Queue);
    expect(queue.map(({ temp_id }) => temp_id)).toEqual(["a", "b", "c"]);
    queue = put(queue, outgoing("a", true));
    expect([queue.length, next(queue)?.temp_id]).toEqual([3, "b"]);
    expect(next(put(queue, outgoing("a")))?.temp_id).toBe("a");
    expect(next(without(without(queue, "b"), "c"))).toBeUndefined();
  });

  test("have ids that follow each other, also when the clock is set back", () => {
    const first = newTempId(undefined, 1_795_780_000_000);
    const second = newTempId(first, 1_795_700_000_000);
    const third = newTempId(second, 1_795_700_000_000);
    expect([first, second, third]).toEqual([third, first, second].sort());
  });

  test("wait for what can pass, and are refused by what cannot", () => {
    const of = (status?: number) => isTemporary(new CarillonError("code", "message", status));
    expect([undefined, 401, 408, 429, 500, 503].map(of)).toEqual([true, true, true, true, true, true]);
    expect([400, 403, 404, 409, 413, 422].map(of)).toEqual([false, false, false, false, false, false]);
  });
});

describe("typing", () => {
  test("is told at most once in three seconds, and its end always and once", () => {
    const signals: (boolean | null)[] = [];
    let told: typing.Told = null;
    for (const [isTyping, now] of [
      [true, 0],
      [true, 1_000],
      [true, 3_000],
      [false, 3_500],
      [false, 4_000],
      [true, 4_100],
    ] as const) {
      const step = typing.tell(told, isTyping, now);
      told = step.told;
      signals.push(step.signal);
    }
    expect(signals).toEqual([true, null, true, false, null, true]);
  });

  test("ends with its event, with a message, or by itself", () => {
    const start = { userKey: "bob" };
    const one = typing.apply({}, "chat:typing:start", start, 0);
    expect(Object.keys(one)).toEqual(["bob"]);
    expect(typing.apply(one, "chat:typing:stop", start, 1)).toEqual({});
    expect(typing.apply(one, "chat:message", event(1), 1)).toEqual({});
    expect(typing.apply(one, "chat:message", event(1, { senderKey: "carol" }), 1)).toBe(one);
    expect(typing.expire(one, 7_999)).toBe(one);
    expect(typing.expire(one, 8_000)).toEqual({});
  });
});
