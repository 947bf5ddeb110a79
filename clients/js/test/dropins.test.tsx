// @vitest-environment happy-dom
import { act, createElement, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client } from "../src/client.ts";
import { useRealtimeAlerts, useRealtimeNotifications, wsService } from "../src/dropins/hub.ts";
import { addSocketEventHandler, initializeSocket, markRead } from "../src/dropins/simple.ts";
import { TenantSocket, useWebSocket } from "../src/dropins/tenant.ts";
import { CarillonProvider, useAlerts, useConnection, useCounts, useNotifications, usePresence } from "../src/react.ts";
import { FakeServer, token } from "./server.ts";

let server: FakeServer;
let root: Root;
let requests: string[];

vi.mock("../src/socket.ts", () => ({ socketIo: (...args: [string, never]) => server.openSocket(...args) }));

/** The answers of the API by path. FakeServer answers for the log. */
const API: Record<string, object> = {
  "/v1/inbox/counts": { unread: 1, unseen: 0, total: 1 },
  "/v1/inbox": { data: [{ id: "1", title: "old", read: false }], page: { next: null, has_more: false } },
  "/v1/alerts/count": { unacknowledged: 2 },
  "/v1/alerts": { data: [{ id: "a", title: "alert" }], page: { next: null, has_more: false } },
  "/v1/presence": { data: [{ user: "bob", status: "online" }], more: false },
};

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21, 4) });
  server = new FakeServer();
  requests = [];
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("BroadcastChannel", undefined);
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const { pathname } = new URL(url, "http://carillon.test");
    requests.push(`${init.method} ${pathname}`);
    return API[pathname] ? Response.json(API[pathname]) : server.fetch(url, init);
  });
  localStorage.clear();
  document.body.replaceChildren();
  root = createRoot(document.body.appendChild(document.createElement("div")));
});

afterEach(async () => {
  await act(async () => root.unmount());
  wsService.disconnect();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (milliseconds: number) => act(async () => void (await vi.advanceTimersByTimeAsync(milliseconds)));
const emit = (name: string, payload: object) => act(async () => server.emit(name, payload));

/** Render a component that uses a hook. Returns a function that returns the last result of the hook. */
async function using<T>(hook: () => T, around: (child: ReactNode) => ReactNode = (child) => child): Promise<() => T> {
  let last!: T;
  const Probe = () => {
    last = hook();
    return null;
  };
  await act(async () => root.render(around(createElement(Probe))));
  return () => last;
}

test("S0: wsService calls its subscribers until they unsubscribe, and its hooks show the events", async () => {
  const toasts: object[] = [];
  const notifications = await using(() => ({
    ...useRealtimeNotifications(),
    ...useRealtimeAlerts((toast) => toasts.push(toast)),
  }));
  const received: unknown[] = [];
  const connections: string[] = [];
  const off = wsService.on("notification:new", ({ title }) => received.push(title));
  for (const name of ["connect", "disconnect", "reconnect"]) wsService.on(name, () => connections.push(name));
  wsService.connect(token());
  await pass(100);
  expect(server.handshakes[0]).toMatchObject({ dialect: "hub" });
  await emit("notification:new", { id: "1", title: "One", read: false });
  await emit("alert:new", { id: "a", alert_id: "a", title: "Fire", message: "Run", severity: "critical" });
  off();
  await emit("notification:new", { id: "2", title: "Two" });
  await emit("notification:read", { id: "1", notification_id: "1" });
  await emit("notification:count", { unread: 1 });
  expect(received).toEqual(["One"]);
  expect(notifications().notifications.map(({ id, read }) => [id, read])).toEqual([
    ["2", false],
    ["1", true],
  ]);
  expect([notifications().unreadCount, notifications().unacknowledgedCount]).toEqual([1, 1]);
  expect(toasts).toEqual([{ type: "critical", title: "Fire", message: "Run" }]);
  await emit("alert:acknowledged", { alert_id: "a" });
  expect(notifications().unacknowledgedCount).toBe(0);
  server.socketUp = server.httpUp = false;
  for (const connection of server.connections) connection.cut();
  await pass(8_000);
  server.socketUp = true;
  await pass(40_000);
  expect(connections).toEqual(["connect", "disconnect", "connect", "reconnect"]);
});

test("S0: notifications with ids of the service's own are in the order in which they came, and all are read", async () => {
  const notifications = await using(useRealtimeNotifications);
  wsService.connect(token());
  await pass(100);
  await emit("notification:new", { id: "z", notification_id: "z", carillon_id: "1", title: "First", read: false });
  await emit("notification:new", { id: 7, notification_id: 7, carillon_id: "2", title: "Second", read: false });
  await emit("notification:read", { id: 7, notification_id: 7, ids: [7], carillon_id: "2" });
  const shown = () => notifications().notifications.map(({ id, read }) => [id, read]);
  expect(shown()).toEqual([
    [7, true],
    ["z", false],
  ]);
  await emit("notification:read_all", { up_to: "2", count: 1 });
  expect(shown().every(([, read]) => read)).toBe(true);
});

test("S1: useWebSocket joins the tenant, and polls without code of the page", async () => {
  localStorage.setItem("jwt_token", token());
  const used = await using(() => useWebSocket("acme"));
  await pass(100);
  expect(used().connected).toBe(true);
  expect(server.handshakes[0]).toMatchObject({ dialect: "tenant" });
  const received: unknown[] = [];
  const handler = (expense: object) => received.push(expense);
  used().socket?.on("expense:created", handler);
  await emit("expense:created", { id: 1 });
  server.socketUp = false;
  for (const connection of server.connections) connection.cut();
  server.emit("expense:created", { id: 2 });
  await pass(5_000);
  expect(used().connected).toBe(true);
  expect(received).toMatchObject([{ id: 1 }, { id: 2 }]);
  used().socket?.off("expense:created");
  server.socketUp = true;
  await pass(40_000);
  await emit("expense:created", { id: 3 });
  expect(received).toHaveLength(2);
  let answer: object = {};
  used().socket?.emit("test", "hello", (given) => (answer = given));
  await pass(50);
  expect(answer).toMatchObject({ ok: true, received: "hello" });
});

test("S2: window.ws connects automatically with a token, and has its four namespaces", async () => {
  localStorage.setItem("auth_token", token());
  await import("../src/dropins/window-ws.ts");
  await pass(100);
  const { ws } = window;
  expect(ws.isConnected).toBe(true);
  expect(ws.sockets.sns.connected).toBe(true);
  const received: unknown[][] = [];
  const note = (name: string) => (data: Record<string, unknown>) => received.push([name, data]);
  ws.on("notifications", "notification", note("notification"));
  ws.on("notifications", "notification_read", note("read"));
  ws.on("sns", "publish_success", note("success"));
  ws.on("orders", "order_updated", note("order"));
  ws.on("chat", "user_online", note("chat online"));
  ws.on("sns", "user_offline", note("sns offline"));
  await emit("notification:new", { id: "1", title: "<b>Hi</b>", message: "m", created_at: "2026-11-21T04:00:00.000Z" });
  await emit("notification:read", { notification_id: "1" });
  await emit("sns:publish_success", { post_id: 5 });
  await emit("orders:order_updated", { order_id: 6 });
  await emit("presence:online", { user: "bob" });
  await emit("presence:offline", { user: "bob" });
  expect(received).toMatchObject([
    [
      "notification",
      { title: "<b>Hi</b>", title_html: "&lt;b&gt;Hi&lt;/b&gt;", timestamp: "2026-11-21T04:00:00.000Z" },
    ],
    ["read", { notification_id: "1" }],
    ["success", { post_id: 5 }],
    ["order", { order_id: 6 }],
    ["chat online", { user_id: "bob" }],
    ["sns offline", { user_id: "bob" }],
  ]);
  const own = { title: "t", message: "m", data: { notification_id: 7 }, reference: "7" };
  await emit("notification:new", { id: "2", notification_id: "2", ...own });
  await emit("notification:read", { id: "2", notification_id: "2", ids: ["2"], own_ids: [7] });
  expect(received.slice(6)).toMatchObject([
    ["notification", { id: 7, notification_id: 7, carillon_id: "2" }],
    ["read", { id: 7, notification_id: 7 }],
  ]);
  ws.off("sns", "publish_success", null);
  await emit("sns:publish_success", { post_id: 7 });
  expect(received).toHaveLength(8);
  ws.disconnect();
  expect(ws.isConnected).toBe(false);
});

test("S2: the chat component works as it is, also with users who are numbers", async () => {
  localStorage.setItem("auth_token", token());
  const sent: [string, unknown][] = [];
  const typing: unknown[] = [];
  API["/v1/conversations"] = { id: "c" };
  API["/v1/conversations/c/messages"] = {};
  const answer = globalThis.fetch;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    if (url.startsWith("/v1/conversations")) sent.push([url, JSON.parse(String(init.body))]);
    return answer(url, init);
  });
  await import("../src/dropins/window-ws.ts");
  // @ts-expect-error It has no types.
  const { ChatComponent } = await import("./chat-component.jsx");
  await act(async () => root.render(createElement(ChatComponent, { recipientId: 456 })));
  await pass(200);
  for (const connection of server.connections) {
    const { request } = connection;
    connection.request = (name, payload, timeout) => {
      if (name === "chat:typing") typing.push(payload);
      return request.call(connection, name, payload, timeout);
    };
  }
  const text = (senderKey: string, content: string) => ({
    messageId: content,
    conversationId: "c",
    senderKey,
    content,
  });
  await emit("chat:message", text("456", "Hello"));
  await emit("chat:message", text("789", "not for this window"));
  await emit("chat:message", text("alice", "mine, from another device"));
  expect([...document.querySelectorAll(".message")].map(({ textContent }) => textContent)).toEqual(["ThemHello"]);
  await emit("chat:typing:start", { conversationId: "c", userKey: "456" });
  expect(document.querySelector(".typing-indicator")?.textContent).toBe("Someone is typing...");
  await emit("chat:typing:stop", { conversationId: "c", userKey: "456" });
  expect(document.querySelector(".typing-indicator")).toBeNull();

  const input = document.querySelector("input") as HTMLInputElement;
  const happens = (event: Event) => act(async () => void input.dispatchEvent(event));
  input.value = "Hi";
  for (let times = 0; times < 5; times += 1) await happens(new Event("input", { bubbles: true }));
  await pass(100);
  await happens(new FocusEvent("focusout", { bubbles: true }));
  // Without a charCode, which happy-dom does not set, React takes it for no key.
  const enter = new KeyboardEvent("keypress", { key: "Enter", bubbles: true });
  await happens(Object.assign(enter, { charCode: 13 }));
  await pass(200);
  expect(typing).toEqual([
    { conversationId: "c", isTyping: true },
    { conversationId: "c", isTyping: false },
  ]);
  expect(sent).toMatchObject([
    ["/v1/conversations", { type: "direct", participants: ["456"] }],
    ["/v1/conversations/c/messages", { content: "Hi", temp_id: expect.any(String) }],
  ]);
  expect(input.value).toBe("");
  window.ws.disconnect();
});

test("S4: initializeSocket resolves when connected; handlers can be added before", async () => {
  const received: unknown[] = [];
  const off = addSocketEventHandler("notification", ({ message }) => received.push(message));
  let ready = false;
  void initializeSocket("alice", { getToken: () => token() }).then(() => (ready = true));
  expect(ready).toBe(false);
  await pass(200);
  expect(ready).toBe(true);
  expect(server.handshakes[0]).toMatchObject({ dialect: "simple" });
  await emit("notification", { message: "Your case was updated" });
  off();
  await emit("notification", { message: "again" });
  expect(received).toEqual(["Your case was updated"]);
  let answer: unknown;
  void markRead(["1"]).then((given) => (answer = given));
  await pass(100);
  expect(answer).toMatchObject({ ok: true });
});

describe("handlers that are added after the connection get what was replayed", () => {
  /** Connect, miss two events while away, connect again, and add the handler only then. */
  async function comeBack(connect: () => void, leave: () => void, event: string, how: object = {}) {
    connect();
    await pass(1_000);
    leave();
    server.emit(event, { n: 1 }, how);
    server.emit(event, { n: 2 }, how);
    connect();
  }
  const untilLive = async () => {
    for (let ms = 0; ms < 1_000 && !server.connections.size; ms += 1) await vi.advanceTimersByTimeAsync(1);
  };

  test("S0: wsService", async () => {
    const received: unknown[] = [];
    await comeBack(
      () => wsService.connect(token()),
      () => wsService.disconnect(),
      "notification:new",
    );
    wsService.on("connect", () => wsService.on("notification:new", ({ n }) => received.push(n)));
    await pass(100);
    expect(received).toEqual([1, 2]);
    const tooLate: unknown[] = [];
    wsService.on("notification:new", ({ n }) => tooLate.push(n));
    await emit("notification:new", { n: 3 });
    expect([received, tooLate]).toEqual([[1, 2, 3], [3]]);
  });

  test("S1: TenantSocket", async () => {
    localStorage.setItem("jwt_token", token());
    let socket!: TenantSocket;
    const received: unknown[] = [];
    await comeBack(
      () => {
        socket = new TenantSocket("acme", "");
      },
      () => socket.close(),
      "expense:created",
      { room: "tenant:acme" },
    );
    socket.on("connect", () => socket.on("expense:created", ({ n }) => received.push(n)));
    await pass(100);
    expect(received).toEqual([1, 2]);
  });

  test("S2: window.ws, in each namespace", async () => {
    localStorage.setItem("auth_token", token());
    const { WebSocketClient } = await import("../src/dropins/window-ws.ts");
    const ws = new WebSocketClient();
    await comeBack(
      () => ws.connect(),
      () => ws.disconnect(),
      "maintenance",
    );
    await untilLive();
    const received: unknown[] = [];
    for (const namespace of ["sns", "orders", "chat", "notifications"] as const)
      ws.on(namespace, "maintenance", ({ n }) => received.push([namespace, n]));
    await pass(100);
    ws.disconnect();
    expect(received).toEqual(
      ["sns", "orders", "chat", "notifications"].flatMap((namespace) => [1, 2].map((n) => [namespace, n])),
    );
  });

  test("S4: after `await initializeSocket`", async () => {
    const received: unknown[] = [];
    const getToken = () => token();
    let ready = Promise.resolve();
    await comeBack(
      () => {
        ready = initializeSocket("alice", { getToken });
      },
      () => {
        for (const connection of server.connections) connection.cut();
      },
      "notification",
    );
    const page = (async () => {
      await ready;
      return addSocketEventHandler("notification", ({ n }) => received.push(n));
    })();
    await pass(200);
    expect(received).toEqual([1, 2]);
    (await page)();
  });
});

test("a page that says goodbye and comes back is not told that it reconnected", async () => {
  const connections: string[] = [];
  const offs = ["connect", "disconnect", "reconnect"].map((name) => wsService.on(name, () => connections.push(name)));
  wsService.connect(token());
  await pass(100);
  wsService.disconnect();
  wsService.connect(token());
  await pass(100);
  // The server cannot tell the two cases apart, and says it in both.
  for (const connection of server.connections) connection.deliver({ name: "reconnect", payload: {} });
  expect(connections).toEqual(["connect", "connect"]);
  for (const off of offs) off();
});

test("hooks: inbox, counts, alerts and presence, now and after changes", async () => {
  const client = new Client({ getToken: () => token(), storage: null }, server.openSocket);
  const seen = await using(
    () => ({
      connection: useConnection(),
      inbox: useNotifications(),
      counts: useCounts(),
      alerts: useAlerts(),
      present: usePresence(["bob", "eve"]),
    }),
    (child) => createElement(CarillonProvider, { client }, child),
  );
  await pass(200);
  expect(seen().connection).toBe("live");
  expect(seen().inbox.items.map(({ title }) => title)).toEqual(["old"]);
  expect(seen().counts).toEqual({ unread: 1, unseen: 0, total: 1 });
  expect([seen().alerts.unacknowledged, seen().present]).toEqual([2, { bob: "online" }]);
  await emit("notification:new", { id: "2", title: "new" });
  await emit("notification:count", { unread: 2, unseen: 1, total: 2 });
  await emit("presence:away", { user: "eve" });
  await emit("presence:online", { user: "somebody else" });
  expect(seen().inbox.items.map(({ title }) => title)).toEqual(["new", "old"]);
  expect(seen().counts?.unread).toBe(2);
  expect(seen().present).toEqual({ bob: "online", eve: "away" });
  requests = [];
  await emit("alert:new", { id: "b" });
  await pass(50);
  expect(requests).toContain("GET /v1/alerts");
  await act(async () => root.render(null));
  requests = [];
  await emit("alert:new", { id: "c" });
  await pass(50);
  expect(requests).toEqual([]);
  client.close();
});

test("a hook without a provider names the missing provider", async () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => undefined);
  await expect(using(useCounts)).rejects.toThrow("CarillonProvider");
  quiet.mockRestore();
});
