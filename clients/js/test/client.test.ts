import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client, type ClientOptions } from "../src/client.ts";
import { CarillonError } from "../src/errors.ts";
import { MAX_KEPT } from "../src/handlers.ts";
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
  const received: unknown[] = [];
  const resets: unknown[] = [];
  const states: string[] = [];
  client.onAny((name, payload) => {
    if (name === "notification:new") received.push((payload as { n: unknown }).n);
    if (name === "reset") resets.push(payload);
    if (name === "state") states.push(String(payload));
  });
  return { client, received, resets, states };
}

function emit(from: number, to = from, how = {}) {
  for (let n = from; n <= to; n += 1) server.emit("notification:new", { n }, how);
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => i + first);

describe("on the socket", () => {
  test("events arrive in order, and a removed handler is not called", async () => {
    const { client, received, states } = start();
    const handled: unknown[] = [];
    const off = client.on("notification:new", (payload) => handled.push(payload.n));
    await pass(100);
    emit(1, 3);
    off();
    emit(4);
    expect(received).toEqual([1, 2, 3, 4]);
    expect(handled).toEqual([1, 2, 3]);
    expect(states).toEqual(["live"]);
    expect([client.user, client.tenant]).toEqual(["alice", "acme"]);
  });

  test("a lost event is requested, and later ones wait for it", async () => {
    const { received } = start();
    await pass(100);
    emit(1);
    emit(2, 2, { lost: true });
    emit(3, 4);
    expect(received).toEqual([1]);
    await pass(2_100);
    expect(received).toEqual([1, 2, 3, 4]);
  });

  test("the loss of the last event is found by the regular sync", async () => {
    const { received } = start();
    await pass(100);
    emit(1, 1, { lost: true });
    await pass(50_000);
    expect(received).toEqual([1]);
  });

  test("an event that arrives twice is delivered once", async () => {
    const { received } = start();
    await pass(100);
    emit(1, 2);
    const [connection] = server.connections;
    for (const logged of server.rooms["user:alice"] ?? []) connection?.deliver(logged);
    expect(received).toEqual([1, 2]);
  });

  test("missed events are replayed page by page", async () => {
    const { received, states } = start();
    await pass(100);
    emit(1, 2);
    for (const connection of server.connections) connection.cut();
    emit(3, 17);
    await pass(3_000);
    expect(received).toEqual(upTo(17));
    expect(states).toEqual(["live", "connecting", "live"]);
  });

  test("handlers that are added when it has connected get what was replayed before, once and in order", async () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (k: string, v: string) => kept.set(k, v),
    };
    const { client: before } = start({ storage });
    await pass(100);
    before.close();
    emit(1, 2);
    const client = new Client({ getToken: () => token(), storage }, server.openSocket);
    open.push(client);
    const connected = new Promise<void>((resolve) => client.on("state", () => resolve()));
    const received: unknown[] = [];
    const late: unknown[] = [];
    const add = (list: unknown[]) => client.on("notification:new", ({ n }) => list.push(n));
    const page = connected.then(() => void add(received));
    await pass(100);
    await page;
    emit(3);
    add(late);
    await pass(10);
    emit(4);
    expect(received).toEqual([1, 2, 3, 4]);
    expect(late).toEqual([4]);
  });

  test("a client that does not connect keeps a limited number of events", async () => {
    const { client } = start({ getToken: () => null });
    await pass(100);
    const errors: unknown[] = [];
    await pass(MAX_KEPT * 10_000);
    client.on("error", (error) => errors.push(error));
    await pass(0);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThanOrEqual(MAX_KEPT);
  });

  test("skipped numbers are not a gap", async () => {
    const { received } = start();
    await pass(100);
    emit(1);
    for (const connection of server.connections) connection.cut();
    emit(2, 3, { expired: true });
    emit(4);
    await pass(3_000);
    emit(5);
    expect(received).toEqual([1, 4, 5]);
  });

  test("events without a number are delivered at once, despite a gap", async () => {
    const { client, received } = start();
    const seen: unknown[] = [];
    client.on("presence:online", (payload) => seen.push(payload));
    await pass(100);
    emit(1, 1, { lost: true });
    emit(2);
    for (const connection of server.connections)
      connection.deliver({ name: "presence:online", payload: { user: "bob" } });
    expect(seen).toEqual([{ user: "bob" }]);
    expect(received).toEqual([]);
  });

  test("a connection that does not answer is replaced", async () => {
    const { received, states } = start();
    await pass(100);
    for (const connection of server.connections) connection.broken = true;
    emit(1);
    await pass(65_000);
    expect(received).toEqual([1]);
    expect(states.at(-1)).toBe("live");
    expect(server.handshakes.length).toBeGreaterThan(1);
  });

  test("an error in one handler does not affect the others", async () => {
    const { client, received } = start();
    const reported = vi.fn();
    process.on("uncaughtException", reported);
    client.on("notification:new", () => {
      throw new Error("an error of the page");
    });
    await pass(100);
    emit(1, 2);
    expect(received).toEqual([1, 2]);
    await pass(10);
    process.off("uncaughtException", reported);
  });
});

describe("without a socket", () => {
  test("it polls, and returns to the socket without losses or repetitions", async () => {
    const { received, states } = start();
    await pass(100);
    emit(1);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    emit(2, 13);
    await pass(4_000);
    expect(received).toEqual(upTo(13));
    emit(14);
    await pass(11_000);
    expect(received).toEqual(upTo(14));
    emit(15);
    server.socketUp = true;
    await pass(40_000);
    emit(16);
    expect(received).toEqual(upTo(16));
    expect(states).toEqual(["live", "connecting", "polling", "live"]);
    const polls = server.polls;
    await pass(60_000);
    expect(server.polls).toBe(polls);
  });

  test("a gap in polled events has expired events", async () => {
    const { received } = start();
    await pass(100);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    emit(1, 2, { expired: true });
    emit(3);
    emit(4, 4, { expired: true });
    emit(5);
    await pass(4_000);
    expect(received).toEqual([3, 5]);
  });

  test("it is offline while nothing answers, and continues from the same position", async () => {
    const { received, states } = start();
    await pass(100);
    server.socketUp = server.httpUp = false;
    for (const connection of server.connections) connection.cut();
    await pass(10_000);
    expect(states).toEqual(["live", "connecting", "offline"]);
    emit(1, 3);
    server.socketUp = server.httpUp = true;
    await pass(60_000);
    expect(received).toEqual([1, 2, 3]);
    expect(states.at(-1)).toBe("live");
  });

  test("reconnections are spread by the server's advice and by jitter", async () => {
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

describe("reset", () => {
  test("a first visit has one, with the position from which events follow", async () => {
    emit(1, 3);
    const { resets, received } = start();
    await pass(100);
    emit(4);
    expect(resets).toMatchObject([{ positions: { "user:alice": 3 } }]);
    expect(received).toEqual([4]);
  });

  test("missed events that no longer exist cause one, with the new position", async () => {
    const { received, resets } = start();
    await pass(100);
    emit(1);
    for (const connection of server.connections) connection.cut();
    emit(2, 9);
    server.purged = { "user:alice": 6 };
    await pass(3_000);
    expect(resets).toHaveLength(2);
    expect(resets[1]).toMatchObject({ positions: { "user:alice": 9 } });
    emit(10);
    expect(received).toEqual([1, 10]);
  });

  test("another epoch of the log causes one, on the socket and by polling", async () => {
    const { resets, received } = start();
    await pass(100);
    emit(1, 3);
    for (const connection of server.connections) connection.cut();
    server.epoch = "two";
    server.rooms = { "user:alice": [], "tenant:acme": [] };
    await pass(3_000);
    emit(4);
    expect(resets).toHaveLength(2);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    server.epoch = "three";
    await pass(4_000);
    expect(resets).toHaveLength(3);
    emit(5);
    await pass(11_000);
    expect(received).toEqual([1, 2, 3, 4, 5]);
  });

  test("a damaged stored position causes one", async () => {
    server.socketUp = false;
    const kept = JSON.stringify({ epoch: "one", positions: { "user:alice": 0 }, cursor: "{" });
    const { resets, states } = start({ storage: { getItem: () => kept, setItem: () => undefined } });
    await pass(4_000);
    expect(resets).toHaveLength(1);
    expect(states).toEqual(["polling"]);
  });
});

describe("storage and acknowledgements", () => {
  test("a later visit continues where the last one ended, separately for each user", async () => {
    const kept = new Map<string, string>();
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (k: string, v: string) => void kept.set(k, v),
    };
    const first = start({ storage });
    await pass(100);
    emit(1, 2);
    first.client.close();
    emit(3, 4);
    const second = start({ storage });
    const other = start({ storage, getToken: () => token(3600, "bob") });
    await pass(1_000);
    expect([first.received, second.received, other.received]).toEqual([[1, 2], [3, 4], []]);
  });

  test("acknowledgements are combined, once a second, on the socket or by HTTP", async () => {
    start();
    await pass(100);
    emit(1, 20);
    await pass(1_100);
    expect(server.acknowledged).toEqual([20]);
    server.socketUp = false;
    for (const connection of server.connections) connection.cut();
    emit(21, 22);
    await pass(6_000);
    expect(server.acknowledged).toEqual([20, 22]);
  });

  test("nothing is acknowledged in a hidden page", async () => {
    vi.stubGlobal("document", { visibilityState: "hidden" });
    start();
    await pass(100);
    emit(1);
    await pass(5_000);
    expect(server.acknowledged).toEqual([]);
  });
});

describe("tokens", () => {
  test("a new token is sent before the old one expires", async () => {
    let number = 0;
    start({
      getToken: () => {
        number += 1;
        return `${token()}${number}`;
      },
    });
    await pass(100);
    await pass(3_600_000 - 80_000);
    expect(server.refreshed).toHaveLength(0);
    await pass(10_000);
    expect(server.refreshed).toEqual([expect.stringMatching(/sig2$/)]);
  });

  test("a refused token is replaced, and the error is reported", async () => {
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

  test("without a token the client is offline until there is one", async () => {
    let signedIn = false;
    const { states } = start({ getToken: () => (signedIn ? token() : null) });
    await pass(1_000);
    expect(states).toEqual(["offline"]);
    signedIn = true;
    await pass(7_000);
    expect(states.at(-1)).toBe("live");
  });
});

test.each(upTo(60))("random history %i: every event is delivered once and in order", async (seed) => {
  let random = seed * 7919;
  const below = (n: number) => {
    random = (random * 1103515245 + 12345) % 2147483648;
    return (random >> 8) % n;
  };
  const { received, resets } = start();
  await pass(100);
  const expected: number[] = [];
  for (let n = 1; n <= 150; n += 1) {
    const what = below(14);
    if (what === 0) for (const connection of server.connections) connection.cut();
    else if (what === 1) server.socketUp = below(2) === 0;
    else if (what === 2) server.httpUp = below(3) > 0;
    else if (what === 3) for (const connection of server.connections) connection.broken = below(3) === 0;
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
  const inRoom = (room: string) => (server.rooms[room] ?? []).filter((one) => !one.expired).map((one) => one.payload.n);
  const mine = new Set(inRoom("user:alice"));
  expect(received.filter((n) => mine.has(n))).toEqual(inRoom("user:alice"));
  expect(received.filter((n) => !mine.has(n))).toEqual(inRoom("tenant:acme"));
  expect(received).toHaveLength(expected.length);
  // The reset of the first visit.
  expect(resets).toHaveLength(1);
});
