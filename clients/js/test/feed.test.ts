import { beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../src/client.ts";
import { apply, Feed, type FeedState } from "../src/feed.ts";
import { type Filter, type Item, Rest } from "../src/rest.ts";
import type { Tokens } from "../src/tokens.ts";

const item = (id: string, more: Partial<Item> = {}): Item =>
  ({
    id,
    title: id,
    category: null,
    level: "info",
    type: "t",
    status: "unread",
    read: false,
    archived_at: null,
    ...more,
  }) as Item;

const state = (...items: Item[]): FeedState => ({
  items,
  counts: { unread: items.length, unseen: 0, total: items.length },
  status: "ready",
  error: null,
  hasMore: false,
});

const after = (from: FeedState, name: string, payload: object, filter: Filter = {}) =>
  apply(from, filter, name, payload);
const shown = (from: FeedState | null) => from?.items.map(({ id, read }) => `${id}${read ? "" : "*"}`);

test("a new notification is first in the list, once, and is counted", () => {
  const next = after(state(item("1")), "notification:new", item("3")) as FeedState;
  expect(shown(next)).toEqual(["3*", "1*"]);
  expect(next.counts).toEqual({ unread: 2, unseen: 1, total: 2 });
  const [again, late] = [after(next, "notification:new", item("3")), after(next, "notification:new", item("2"))];
  expect([again, shown(late)]).toEqual([next, ["3*", "2*", "1*"]]);
});

test("a new notification is added only if it matches the filter", () => {
  const category = { category: "billing" };
  expect(shown(after(state(), "notification:new", item("1", category), category))).toEqual(["1*"]);
  expect(shown(after(state(), "notification:new", item("1"), category))).toEqual([]);
  expect(shown(after(state(), "notification:new", item("1"), { status: "unread" }))).toEqual(["1*"]);
  expect(shown(after(state(), "notification:new", item("1"), { status: "archived" }))).toEqual([]);
});

test("null is none: a filter and an event with it mean the same as without", () => {
  const none = { category: null, type: null, level: null };
  expect(shown(after(state(), "notification:new", item("1"), none))).toEqual(["1*"]);
  const two = state(item("2", { category: "a" }), item("1"));
  expect(shown(after(two, "notification:read_all", { up_to: "2", category: null, type: null }))).toEqual(["2", "1"]);
  expect(shown(after(two, "notification:read_all", { up_to: null }))).toEqual(["2*", "1*"]);
});

test("a filter's null is not sent", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    return Response.json({ data: [], page: { next: null, has_more: false } });
  });
  const rest = new Rest("", { get: async () => "token" } as unknown as Tokens);
  await rest.inbox.list({ type: null, category: "billing" });
  vi.unstubAllGlobals();
  expect(asked).toEqual(["/v1/inbox?category=billing"]);
});

test("notifications read elsewhere are marked as read, single ones and all up to one", () => {
  const three = state(item("3"), item("2", { category: "a" }), item("1"));
  expect(shown(after(three, "notification:read", { ids: ["1", "3"] }))).toEqual(["3", "2*", "1"]);
  expect(shown(after(three, "notification:read_all", { up_to: "2" }))).toEqual(["3*", "2", "1"]);
  expect(shown(after(three, "notification:read_all", { up_to: "3", category: "a" }))).toEqual(["3*", "2", "1*"]);
  expect(shown(after(state(item("1", { read: true })), "notification:unread", { id: "1" }))).toEqual(["1*"]);
});

test("archived and deleted notifications are removed; restored ones need a reload", () => {
  const two = state(item("2"), item("1"));
  expect(shown(after(two, "notification:archived", { ids: ["1"] }))).toEqual(["2*"]);
  expect(shown(after(two, "notification:deleted", { ids: ["2"] }))).toEqual(["1*"]);
  expect(after(two, "notification:unarchived", { ids: ["9"] })).toBeNull();
  expect(after(two, "notification:archived", { ids: ["9"] }, { status: "archived" })).toBeNull();
  expect(shown(after(two, "notification:unarchived", { ids: ["2"] }, { status: "archived" }))).toEqual(["1*"]);
});

test("counts come from the server, and other events change nothing", () => {
  const one = state(item("1"));
  expect(after(one, "notification:count", { unread: 7 })?.counts).toEqual({ unread: 7, unseen: 0, total: 1 });
  expect(after(one, "expense:created", { id: "1" })).toBe(one);
});

/** An inbox whose answers wait for `answer()`. */
class Inbox {
  emit: (name: string, payload: unknown) => void = () => undefined;
  items = [item("1")];
  answers: (() => void)[] = [];
  failing = false;
  readonly #later = <T>(value: () => T) =>
    new Promise<T>((resolve, reject) =>
      this.answers.push(() => (this.failing ? reject(new Error("no")) : resolve(value()))),
    );
  readonly client = {
    state: "live",
    onAny: (handler: (name: string, payload: unknown) => void) => {
      this.emit = handler;
      return () => {
        this.emit = () => undefined;
      };
    },
    inbox: {
      list: (_filter: Filter, after?: string) => {
        const data = after ? [item("0")] : [...this.items];
        return this.#later(() => ({ data, page: { next: after ? null : "1", has_more: !after } }));
      },
      counts: () => this.#later(() => ({ unread: this.items.length, unseen: 0, total: this.items.length })),
      read: () => this.#later(() => this.items[0]),
    },
  } as unknown as Client;
  async answer() {
    for (const one of this.answers.splice(0)) one();
    await new Promise((later) => setTimeout(later));
  }
}

let inbox: Inbox;
beforeEach(() => {
  inbox = new Inbox();
});

test("events during a load are not lost", async () => {
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  inbox.emit("notification:new", item("2"));
  await inbox.answer();
  expect(shown(feed.state)).toEqual(["2*", "1*"]);
});

test("older notifications are fetched once at a time", async () => {
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  await inbox.answer();
  void feed.more();
  void feed.more();
  expect(inbox.answers).toHaveLength(1);
  await inbox.answer();
  expect([shown(feed.state), feed.state.hasMore]).toEqual([["1*", "0*"], false]);
});

test("a failed change is undone and reported", async () => {
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  await inbox.answer();
  const done = feed.read("1");
  expect(shown(feed.state)).toEqual(["1"]);
  inbox.failing = true;
  await inbox.answer();
  inbox.failing = false;
  await inbox.answer();
  await done;
  expect(shown(feed.state)).toEqual(["1*"]);
  expect(feed.state.error?.message).toBe("no");
});

test("nothing is loaded while connecting, and a failed load is repeated when connected", async () => {
  Object.assign(inbox.client, { state: "connecting" });
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  expect(inbox.answers).toHaveLength(0);
  inbox.failing = true;
  inbox.emit("state", "offline");
  await inbox.answer();
  expect(feed.state.status).toBe("error");
  inbox.failing = false;
  inbox.emit("state", "live");
  await inbox.answer();
  expect([feed.state.status, shown(feed.state)]).toEqual(["ready", ["1*"]]);
});

test("a reset reloads the list, and a feed without listeners is inactive", async () => {
  const feed = new Feed(inbox.client);
  const listener = vi.fn();
  const stop = feed.subscribe(listener);
  await inbox.answer();
  inbox.items = [item("9")];
  inbox.emit("reset", {});
  await inbox.answer();
  expect(shown(feed.state)).toEqual(["9*"]);
  stop();
  listener.mockClear();
  inbox.emit("notification:new", item("10"));
  expect(listener).not.toHaveBeenCalled();
});
