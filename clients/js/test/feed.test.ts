import { beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../src/client.ts";
import { applied, Feed, type FeedState } from "../src/feed.ts";
import type { Filter, Item } from "../src/rest.ts";

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
  applied(from, filter, name, payload);
const shown = (from: FeedState | null) => from?.items.map(({ id, read }) => `${id}${read ? "" : "*"}`);

test("a new one stands on top, once, and counts", () => {
  const next = after(state(item("1")), "notification:new", item("3"));
  expect(shown(next)).toEqual(["3*", "1*"]);
  expect(next?.counts).toEqual({ unread: 2, unseen: 1, total: 2 });
  const [again, late] = [after(next!, "notification:new", item("3")), after(next!, "notification:new", item("2"))];
  expect([again, shown(late)]).toEqual([next, ["3*", "2*", "1*"]]);
});

test("a filter lets in what fits it", () => {
  const category = { category: "billing" };
  expect(shown(after(state(), "notification:new", item("1", category), category))).toEqual(["1*"]);
  expect(shown(after(state(), "notification:new", item("1"), category))).toEqual([]);
  expect(shown(after(state(), "notification:new", item("1"), { status: "unread" }))).toEqual(["1*"]);
  expect(shown(after(state(), "notification:new", item("1"), { status: "archived" }))).toEqual([]);
});

test("what is read elsewhere is read here: single ones, and all up to one", () => {
  const three = state(item("3"), item("2", { category: "a" }), item("1"));
  expect(shown(after(three, "notification:read", { ids: ["1", "3"] }))).toEqual(["3", "2*", "1"]);
  expect(shown(after(three, "notification:read_all", { up_to: "2" }))).toEqual(["3*", "2", "1"]);
  expect(shown(after(three, "notification:read_all", { up_to: "3", category: "a" }))).toEqual(["3*", "2", "1*"]);
  expect(shown(after(state(item("1", { read: true })), "notification:unread", { id: "1" }))).toEqual(["1*"]);
});

test("what is archived or deleted goes; what comes back only the server knows", () => {
  const two = state(item("2"), item("1"));
  expect(shown(after(two, "notification:archived", { ids: ["1"] }))).toEqual(["2*"]);
  expect(shown(after(two, "notification:deleted", { ids: ["2"] }))).toEqual(["1*"]);
  expect(after(two, "notification:unarchived", { ids: ["9"] })).toBeNull();
  expect(after(two, "notification:archived", { ids: ["9"] }, { status: "archived" })).toBeNull();
  expect(shown(after(two, "notification:unarchived", { ids: ["2"] }, { status: "archived" }))).toEqual(["1*"]);
});

test("the server's count holds, and other events change nothing", () => {
  const one = state(item("1"));
  expect(after(one, "notification:count", { unread: 7 })?.counts).toEqual({ unread: 7, unseen: 0, total: 1 });
  expect(after(one, "expense:created", { id: "1" })).toBe(one);
});

/** An inbox that answers when it is told to. */
class Inbox {
  tell: (name: string, payload: unknown) => void = () => undefined;
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
      this.tell = handler;
      return () => (this.tell = () => undefined);
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

test("what is told while the list is on its way is not lost with it", async () => {
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  inbox.tell("notification:new", item("2"));
  await inbox.answer();
  expect(shown(feed.state)).toEqual(["2*", "1*"]);
});

test("older ones are fetched once, however often they are asked for", async () => {
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  await inbox.answer();
  void feed.more();
  void feed.more();
  expect(inbox.answers).toHaveLength(1);
  await inbox.answer();
  expect([shown(feed.state), feed.state.hasMore]).toEqual([["1*", "0*"], false]);
});

test("what could not be done is undone, and said", async () => {
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

test("nothing is fetched before events are told, and what failed is fetched again when they are", async () => {
  Object.assign(inbox.client, { state: "connecting" });
  const feed = new Feed(inbox.client);
  feed.subscribe(() => undefined);
  expect(inbox.answers).toHaveLength(0);
  inbox.failing = true;
  inbox.tell("state", "offline");
  await inbox.answer();
  expect(feed.state.status).toBe("error");
  inbox.failing = false;
  inbox.tell("state", "live");
  await inbox.answer();
  expect([feed.state.status, shown(feed.state)]).toEqual(["ready", ["1*"]]);
});

test("a reset fetches the list anew, and nobody listening rests", async () => {
  const feed = new Feed(inbox.client);
  const heard = vi.fn();
  const stop = feed.subscribe(heard);
  await inbox.answer();
  inbox.items = [item("9")];
  inbox.tell("reset", {});
  await inbox.answer();
  expect(shown(feed.state)).toEqual(["9*"]);
  stop();
  heard.mockClear();
  inbox.tell("notification:new", item("10"));
  expect(heard).not.toHaveBeenCalled();
});
