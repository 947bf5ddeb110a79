import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client, type ClientOptions } from "../src/client.ts";
import { CarillonError } from "../src/errors.ts";
import { FakeServer, token } from "./server.ts";

let server: FakeServer;
let open: Client[];

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21, 4) });
  server = new FakeServer();
  open = [];
  vi.stubGlobal("fetch", server.fetch);
});

afterEach(() => {
  for (const client of open) client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

function start(options: Partial<ClientOptions> = {}) {
  const client = new Client({ getToken: () => token(), storage: null, ...options }, server.openSocket);
  open.push(client);
  const told: unknown[] = [];
  const resets: unknown[] = [];
  const states: string[] = [];
  client.onAny((name, payload) => {
    if (name === "notification:new") told.push((payload as { n: unknown }).n);
    if (name === "reset") resets.push(payload);
    if (name === "state") states.push(String(payload));
  });
  return { client, told, resets, states };
}

function say(from: number, to = from, how = {}) {
  for (let n = from; n <= to; n += 1) server.emit("notification:new", { n }, how);
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => i + first);

describe("on the socket", () => {
  test("events are told in order, and a handler that was taken away hears no more", async () => {
    const { client, told, states } = start();
    const heard: unknown[] = [];
    const off = client.on("notification:new", (payload) => heard.push(payload["n"]));
    await pass(100);
    say(1, 3);
    off();
    say(4);
    expect(told).toEqual([1, 2, 3, 4]);
    expect(heard).toEqual([1, 2, 3]);
    expect(states).toEqual(["live"]);
    expect([client.user, client.tenant]).toEqual(["alice", "acme"]);
  });

  test("an event that was lost is asked for, and the later ones wait for it", async () => {
    const { told } = start();
    await pass(100);
    say(1);
    say(2, 2, { lost: true });
    say(3, 4);
    expect(told).toEqual([1]);
    await pass(2_100);
    expect(told).toEqual([1, 2, 3, 4]);
  });

  test("a last event that was lost is found by the head check", async () => {
    const { told } = start();
    await pass(100);
    say(1, 1, { lost: true });
    await pass(50_000);
    expect(told).toEqual([1]);
  });

  test("an event that comes twice is told once", async () => {
    const { told } = start();
    await pass(100);
    say(1, 2);
    const [connection] = server.connections;
    for (const logged of server.rooms["user:alice"] ?? []) connection?.hear(logged);
    expect(told).toEqual([1, 2]);
  });

  test("what was missed meanwhile is replayed page by page", async () => {
    const { told, states } = start();
    await pass(100);
    say(1, 2);
    for (const connection of server.connections) connection.cut();
    say(3, 17);
    await pass(3_000);
    expect(told).toEqual(upTo(17));
    expect(states).toEqual(["live", "connecting", "live"]);
  });

  test("numbers that hold nothing are no gap", async () => {
    const { told } = start();
    await pass(100);
    say(1);
    for (const connection of server.connections) connection.cut();
    say(2, 3, { expired: true });
    say(4);
    await pass(3_000);
    say(5);
    expect(told).toEqual([1, 4, 5]);
  });

  test("what has no number is told at once, gap or not", async () => {
    const { client, told } = start();
    const seen: unknown[] = [];
    client.on("presence:online", (payload) => seen.push(payload));
    await pass(100);
    say(1, 1, { lost: true });
    say(2);
    for (const connection of server.connections) connection.hear({ name: "presence:online", payload: { user: "bob" } });
    expect(seen).toEqual([{ user: "bob" }]);
    expect(told).toEqual([]);
  });

  test("a connection that does not answer is replaced", async () => {
    const { told, states } = start();
    await pass(100);
    for (const connection of server.connections) connection.deaf = true;
    say(1);
    await pass(65_000);
    expect(told).toEqual([1]);
    expect(states.at(-1)).toBe("live");
    expect(server.handshakes.length).toBeGreaterThan(1);
  });

  test("one mistaken listener does not keep the others from hearing", async () => {
    const { client, told } = start();
    const reported = vi.fn();
    process.on("uncaughtException", reported);
    client.on("notification:new", () => {
      throw new Error("the page's own");
    });
    await pass(100);
    say(1, 2);
    expect(told).toEqual([1, 2]);
    await pass(10);
    process.off("uncaughtException", reported);
  });
});

describe("without a socket", () => {
  test("it polls, and comes back without losing or repeating anything", async () => {
    const { told, states } = start();
    await pass(100);
    say(1);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    say(2, 13);
    await pass(4_000);
    expect(told).toEqual(upTo(13));
    say(14);
    await pass(11_000);
    expect(told).toEqual(upTo(14));
    say(15);
    server.socketUp = true;
    await pass(40_000);
    say(16);
    expect(told).toEqual(upTo(16));
    expect(states).toEqual(["live", "connecting", "polling", "live"]);
    const polls = server.polls;
    await pass(60_000);
    expect(server.polls).toBe(polls);
  });

  test("a gap in what is polled is what has expired", async () => {
    const { told } = start();
    await pass(100);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    say(1, 2, { expired: true });
    say(3);
    say(4, 4, { expired: true });
    say(5);
    await pass(4_000);
    expect(told).toEqual([3, 5]);
  });

  test("it is offline while nothing answers, and goes on from where it was", async () => {
    const { told, states } = start();
    await pass(100);
    server.socketUp = server.httpUp = false;
    for (const connection of server.connections) connection.cut();
    await pass(10_000);
    expect(states).toEqual(["live", "connecting", "offline"]);
    say(1, 3);
    server.socketUp = server.httpUp = true;
    await pass(60_000);
    expect(told).toEqual([1, 2, 3]);
    expect(states.at(-1)).toBe("live");
  });

  test("the advice of the server and the jitter keep clients apart", async () => {
    start();
    await pass(100);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    await pass(499);
    expect(server.handshakes.length).toBe(1);
    await pass(600);
    expect(server.handshakes.length).toBeGreaterThan(1);
    const before = server.handshakes.length;
    await pass(120_000);
    expect(server.handshakes.length - before).toBeLessThan(25);
  });
});

describe("what cannot be given", () => {
  test("is what was before the first visit: a reset says from where on events are told", async () => {
    say(1, 3);
    const { resets, told } = start();
    await pass(100);
    say(4);
    expect(resets).toMatchObject([{ positions: { "user:alice": 3 } }]);
    expect(told).toEqual([4]);
  });

  test("is said by a reset, once, with the place to go on from", async () => {
    const { told, resets } = start();
    await pass(100);
    say(1);
    for (const connection of server.connections) connection.cut();
    say(2, 9);
    server.purged = { "user:alice": 6 };
    await pass(3_000);
    expect(resets).toHaveLength(2);
    expect(resets[1]).toMatchObject({ positions: { "user:alice": 9 } });
    say(10);
    expect(told).toEqual([1, 10]);
  });

  test("another incarnation of the log is a reset too, on the socket and by polling", async () => {
    const { resets, told } = start();
    await pass(100);
    say(1, 3);
    for (const connection of server.connections) connection.cut();
    server.epoch = "two";
    server.rooms = { "user:alice": [], "tenant:acme": [] };
    await pass(3_000);
    say(4);
    expect(resets).toHaveLength(2);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    server.epoch = "three";
    await pass(4_000);
    expect(resets).toHaveLength(3);
    say(5);
    await pass(11_000);
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });

  test("a stored position that is damaged is a reset and not the end", async () => {
    server.socketUp = false;
    const kept = JSON.stringify({ epoch: "one", positions: { "user:alice": 0 }, cursor: "{" });
    const { resets, states } = start({ storage: { getItem: () => kept, setItem: () => undefined } });
    await pass(4_000);
    expect(resets).toHaveLength(1);
    expect(states).toEqual(["polling"]);
  });
});

describe("what is kept", () => {
  test("a later visit goes on from where the last one ended, each user for themselves", async () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (k: string, v: string) => void kept.set(k, v),
    };
    const first = start({ storage });
    await pass(100);
    say(1, 2);
    first.client.close();
    say(3, 4);
    const second = start({ storage });
    const other = start({ storage, getToken: () => token(3600, "bob") });
    await pass(1_000);
    expect([first.told, second.told, other.told]).toEqual([[1, 2], [3, 4], []]);
  });

  test("acknowledgements go together, once a second, by whichever way there is", async () => {
    start();
    await pass(100);
    say(1, 20);
    await pass(1_100);
    expect(server.acknowledged).toEqual([20]);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    say(21, 22);
    await pass(6_000);
    expect(server.acknowledged).toEqual([20, 22]);
  });

  test("nothing is acknowledged that nobody can have seen", async () => {
    vi.stubGlobal("document", { visibilityState: "hidden" });
    start();
    await pass(100);
    say(1);
    await pass(5_000);
    expect(server.acknowledged).toEqual([]);
  });
});

describe("tokens", () => {
  test("a new one is shown before the old one ends", async () => {
    let number = 0;
    start({ getToken: () => `${token()}${(number += 1)}` });
    await pass(100);
    await pass(3_600_000 - 80_000);
    expect(server.refreshed).toHaveLength(0);
    await pass(10_000);
    expect(server.refreshed).toEqual([expect.stringMatching(/sig2$/)]);
  });

  test("one that was refused is replaced, and the error is told", async () => {
    server.refuse = new CarillonError("token_expired", "the token has expired");
    const asked: boolean[] = [];
    const { client, states } = start({
      getToken: (fresh) => {
        asked.push(fresh);
        if (fresh) server.refuse = null;
        return token();
      },
    });
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    await pass(2_500);
    expect(asked).toEqual([false, true]);
    expect(errors).toEqual(["token_expired"]);
    expect(states).toEqual(["live"]);
  });

  test("nobody signed in is offline, until somebody is", async () => {
    let signedIn = false;
    const { states } = start({ getToken: () => (signedIn ? token() : null) });
    await pass(1_000);
    expect(states).toEqual(["offline"]);
    signedIn = true;
    await pass(7_000);
    expect(states.at(-1)).toBe("live");
  });
});

test.each(upTo(60))("history %i: whatever happens, everything is told once and in order", async (seed) => {
  let random = seed * 7919;
  const below = (n: number) => ((random = (random * 1103515245 + 12345) % 2147483648) >> 8) % n;
  const { told, resets } = start();
  await pass(100);
  const expected: number[] = [];
  for (let n = 1; n <= 150; n += 1) {
    const what = below(14);
    if (what === 0) for (const connection of server.connections) connection.cut();
    else if (what === 1) server.socketUp = below(2) === 0;
    else if (what === 2) server.httpUp = below(3) > 0;
    else if (what === 3) for (const connection of server.connections) connection.deaf = below(3) === 0;
    else if (what < 6) await pass(below(8_000));
    else {
      const expired = below(12) === 0;
      server.emit(
        "notification:new",
        { n },
        { lost: below(4) === 0, expired, room: below(2) ? "user:alice" : "tenant:acme" },
      );
      if (!expired) expected.push(n);
    }
  }
  Object.assign(server, { socketUp: true, httpUp: true });
  await pass(120_000);
  const inRoom = (room: string) =>
    (server.rooms[room] ?? []).filter((one) => !one.expired).map((one) => one.payload["n"]);
  const mine = new Set(inRoom("user:alice"));
  expect(told.filter((n) => mine.has(n))).toEqual(inRoom("user:alice"));
  expect(told.filter((n) => !mine.has(n))).toEqual(inRoom("tenant:acme"));
  expect(told).toHaveLength(expected.length);
  // That of the first visit.
  expect(resets).toHaveLength(1);
});
