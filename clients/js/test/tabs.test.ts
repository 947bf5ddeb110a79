import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../src/client.ts";
import { claim } from "../src/tabs.ts";
import { FakeServer, token } from "./server.ts";

/** Web Locks and BroadcastChannel of one browser. */
class Browser {
  queue: { name: string; run: () => Promise<unknown> }[] = [];
  held = new Set<string>();
  channels = new Set<FakeChannel>();

  locks = {
    request: async (
      name: string,
      options: { ifAvailable?: boolean },
      work: (lock: object | null) => Promise<unknown>,
    ) => {
      if (options.ifAvailable && this.held.has(name)) return work(null);
      this.queue.push({ name, run: () => work({ name }) });
      this.grant();
    },
  };

  grant(): void {
    const index = this.queue.findIndex(({ name }) => !this.held.has(name));
    const next = index < 0 ? undefined : this.queue.splice(index, 1)[0];
    if (!next) return;
    this.held.add(next.name);
    void Promise.resolve(next.run()).finally(() => {
      this.held.delete(next.name);
      this.grant();
    });
  }
}

let browser: Browser;

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(readonly name: string) {
    browser.channels.add(this);
  }
  postMessage(data: unknown): void {
    const copy = structuredClone(data);
    for (const other of browser.channels) {
      if (other !== this && other.name === this.name)
        setTimeout(() => browser.channels.has(other) && other.onmessage?.({ data: copy }), 1);
    }
  }
  close(): void {
    browser.channels.delete(this);
  }
}

let server: FakeServer;
let clients: Client[];

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21, 4) });
  browser = new Browser();
  server = new FakeServer();
  clients = [];
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  vi.stubGlobal("navigator", { locks: browser.locks });
  vi.stubGlobal("document", { visibilityState: "visible" });
});

afterEach(() => {
  for (const client of clients) client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

function tab() {
  const client = new Client({ getToken: () => token(), storage: null }, server.openSocket);
  clients.push(client);
  const received: unknown[] = [];
  client.on("notification:new", (payload) => received.push(payload.n));
  return { client, received };
}

test("tabs share one connection, and all of them receive all events", async () => {
  const [one, two, three] = [tab(), tab(), tab()];
  await pass(200);
  for (let n = 1; n <= 3; n += 1) server.emit("notification:new", { n });
  await pass(50);
  expect([one.received, two.received, three.received]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ]);
  expect(server.connections.size).toBe(1);
  expect([one, two, three].map(({ client }) => client.state)).toEqual(["live", "live", "live"]);
});

test("a tab that opens later starts at the position of the others, and gets session:ready", async () => {
  tab();
  await pass(200);
  server.emit("notification:new", { n: 1 });
  await pass(50);
  const late = tab();
  const sessions: unknown[] = [];
  late.client.on("session:ready", ({ user }) => sessions.push(user));
  await pass(50);
  server.emit("notification:new", { n: 2 });
  await pass(50);
  expect([late.received, sessions, late.client.state]).toEqual([[2], ["alice"], "live"]);
});

test("when the leading tab closes, the next one continues without a loss", async () => {
  const [one, two, three] = [tab(), tab(), tab()];
  await pass(200);
  server.emit("notification:new", { n: 1 });
  await pass(50);
  one.client.close();
  server.emit("notification:new", { n: 2 });
  server.emit("notification:new", { n: 3 });
  await pass(5_000);
  server.emit("notification:new", { n: 4 });
  await pass(50);
  expect([one.received, two.received, three.received]).toEqual([[1], [1, 2, 3, 4], [1, 2, 3, 4]]);
  expect(server.connections.size).toBe(1);
  expect(three.client.state).toBe("live");
});

test("a following tab sends requests through the leader, and gets its errors", async () => {
  tab();
  const two = tab();
  await pass(200);
  const answer = two.client.request("test", "hello");
  await pass(100);
  await expect(answer).resolves.toEqual({ ok: true, received: "hello" });
  for (const connection of server.connections) connection.cut();
  const refused = two.client.request("test", "hello").catch((error: { code: string }) => error.code);
  await pass(100);
  expect(await refused).toBe("disconnected");
});

test("a tab requests what it missed, and the others receive nothing twice", async () => {
  const [one, two] = [tab(), tab()];
  await pass(200);
  const [, second] = [...browser.channels];
  const deliver = second?.onmessage ?? null;
  if (second) second.onmessage = null;
  server.emit("notification:new", { n: 1 });
  await pass(50);
  if (second) second.onmessage = deliver;
  server.emit("notification:new", { n: 2 });
  await pass(3_000);
  expect([one.received, two.received]).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test.each(["socket", "polling"])(
  "a position of the leader, reported by %s, is not taken for that of a follower",
  async (way) => {
    const [one, two] = [tab(), tab()];
    await pass(200);
    const [, second] = [...browser.channels];
    const deliver = second?.onmessage ?? null;
    if (second) second.onmessage = null;
    server.emit("notification:new", { n: 1 });
    await pass(50);
    if (second) second.onmessage = deliver;
    // Now the cursor of the leader includes the event.
    await pass(51_000);
    server.socketUp = way === "socket";
    for (const connection of server.connections) connection.cut();
    await pass(6_000);
    expect(two.received).toEqual([]);
    server.emit("notification:new", { n: 2 });
    await pass(way === "socket" ? 3_000 : 15_000);
    expect([one.received, two.received]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  },
);

test("only one tab gets a claim, and visible tabs come first", async () => {
  expect(await Promise.all([claim("bell"), claim("bell"), claim("bell")])).toEqual([true, false, false]);
  await pass(4_000);
  vi.stubGlobal("document", { visibilityState: "hidden" });
  const hidden = claim("bell");
  vi.stubGlobal("document", { visibilityState: "visible" });
  const visible = claim("bell");
  await pass(200);
  expect([await visible, await hidden]).toEqual([true, false]);
});
