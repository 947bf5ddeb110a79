// @vitest-environment happy-dom
import { act, createElement } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chatOf } from "../src/chat/chat.ts";
import type { Conversation, Message } from "../src/chat/types.ts";
import { Client } from "../src/client.ts";
import { CarillonProvider, useConversations, useMessages, useTyping } from "../src/react.ts";
import { FakeServer, token } from "./server.ts";

/** A server with one conversation, c, of alice and bob. */
class ChatServer extends FakeServer {
  messages: Message[] = [];
  reads: number[] = [];
  /** The statuses of the next answers to a message, before it is stored. */
  refusals: number[] = [];
  asked: string[] = [];

  conversation(): Conversation {
    const last_message = this.messages.at(-1) ?? null;
    const common = { id: "c", type: "direct", name: null, participants: ["alice", "bob"], member_count: 2, read_no: 0 };
    return {
      ...common,
      last_message,
      last_no: this.messages.length,
      unread: 0,
      unread_mentions: 0,
    } as unknown as Conversation;
  }

  store(sender: string, content: string, temp_id: string | null = null): Message {
    const known = this.messages.find((one) => temp_id !== null && one.temp_id === temp_id);
    if (known) return known;
    const no = this.messages.length + 1;
    const at = new Date().toISOString();
    const stored = { id: `m${no}`, conversation_id: "c", no, sender, content, type: "text", created_at: at, temp_id };
    const message = {
      ...stored,
      reply_to: null,
      mentions: [],
      media_url: null,
      private_to: null,
      reactions: [],
      edited_at: null,
      deleted_at: null,
    } as Message;
    this.messages.push(message);
    const {
      id: messageId,
      conversation_id: conversationId,
      sender: senderKey,
      created_at: createdAt,
      temp_id: tempId,
    } = message;
    this.emit(
      "chat:message",
      { messageId, conversationId, no, senderKey, content, type: "text", createdAt, tempId },
      { room: "conversation:c" },
    );
    return message;
  }

  readonly answer = async (input: string, init: RequestInit = {}): Promise<Response> => {
    const { pathname } = new URL(input, "http://carillon.test");
    if (!pathname.startsWith("/v1/conversations")) return this.fetch(input, init);
    await new Promise((later) => setTimeout(later, 20));
    if (!this.httpUp) throw new TypeError("fetch failed");
    const body = init.body ? JSON.parse(String(init.body)) : null;
    const route = `${init.method} ${pathname.replace("/v1/conversations", "")}`;
    this.asked.push(route);
    if (route === "POST /c/messages") {
      const status = this.refusals.shift();
      if (status) return Response.json({ code: "refused", detail: "Not now." }, { status });
      return Response.json(this.store("alice", body.content, body.temp_id), { status: 201 });
    }
    if (route === "POST /c/read") this.reads.push(body.no);
    const page = (data: unknown[]) => ({ data, page: { next: null, has_more: false } });
    if (route === "GET ") return Response.json(page([this.conversation()]));
    if (route === "GET /unread") return Response.json({ unread: 0 });
    if (route === "GET /c/messages") return Response.json(page([...this.messages].reverse()));
    if (route.endsWith("/receipts"))
      return Response.json({ ...page([{ user: "bob", status: "delivered" }]), delivered: 1, read: 0 });
    return Response.json(route === "GET /c" ? this.conversation() : {});
  };
}

let server: ChatServer;
let root: Root;
let clients: Client[];
const pass = (milliseconds: number) => act(async () => void (await vi.advanceTimersByTimeAsync(milliseconds)));

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 27, 12) });
  localStorage.clear();
  server = new ChatServer();
  clients = [];
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("BroadcastChannel", undefined);
  vi.stubGlobal("fetch", server.answer);
  root = createRoot(document.createElement("div"));
});

afterEach(async () => {
  await act(async () => root.unmount());
  for (const client of clients) client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function start(): Client {
  const client = new Client({ getToken: () => token() }, server.openSocket);
  clients.push(client);
  return client;
}

/** Show the hooks with a client, and return what they say. */
async function show(client: Client) {
  let said!: {
    list: ReturnType<typeof useConversations>;
    talk: ReturnType<typeof useMessages>;
    who: ReturnType<typeof useTyping>;
  };
  function Page() {
    said = { list: useConversations(), talk: useMessages("c"), who: useTyping("c") };
    return null;
  }
  await act(async () => root.render(createElement(CarillonProvider, { client }, createElement(Page))));
  await pass(200);
  return () => said;
}

const contents = (talk: ReturnType<typeof useMessages>) =>
  talk.messages.map(({ content, state }) => `${content} ${state}`);

test("a message is shown at once, then as the server stored it, once", async () => {
  const said = await show(start());
  await act(async () => void said().talk.send("hello"));
  expect(contents(said().talk)).toEqual(["hello sending"]);
  await pass(200);
  expect(contents(said().talk)).toEqual(["hello sent"]);
  await act(async () => void server.store("bob", "hi"));
  expect(contents(said().talk)).toEqual(["hello sent", "hi sent"]);
  expect(said().list.conversations[0]?.last_message?.content).toBe("hi");
  expect(localStorage.length).toBeLessThanOrEqual(1);
});

test("what is written without a connection survives a reload and is sent in order, also if an answer was lost", async () => {
  const first = start();
  const said = await show(first);
  server.httpUp = false;
  server.socketUp = false;
  for (const connection of server.connections) connection.cut();
  await pass(5_000);
  await act(async () => ["one", "two", "three"].forEach((text) => void said().talk.send(text)));
  await pass(20_000);
  expect(contents(said().talk)).toEqual(["one sending", "two sending", "three sending"]);
  // The server has stored the first one, and its answer was lost.
  server.store("alice", "one", said().talk.messages[0]?.temp_id);
  await act(async () => root.render(null));
  first.close();
  server.httpUp = true;
  server.socketUp = true;
  const again = await show(start());
  await pass(3_000);
  expect(server.messages.map(({ content }) => content)).toEqual(["one", "two", "three"]);
  expect(contents(again().talk)).toEqual(["one sent", "two sent", "three sent"]);
});

test("a busy server is asked again; a refusal is shown, holds up nobody, and can be repeated or discarded", async () => {
  const said = await show(start());
  server.refusals = [503, 403];
  await act(async () => void said().talk.send("one"));
  await act(async () => void said().talk.send("two"));
  await pass(200);
  expect(contents(said().talk)).toEqual(["one sending", "two sending"]);
  await pass(6_000);
  expect(contents(said().talk)).toEqual(["two sent", "one failed"]);
  const refused = said().talk.messages[1];
  expect(refused?.failure).toEqual({ code: "refused", message: "Not now." });
  server.refusals = [403];
  await act(async () => said().talk.retry(refused?.id ?? ""));
  await pass(200);
  expect(contents(said().talk)).toEqual(["two sent", "one failed"]);
  await act(async () => said().talk.discard(refused?.id ?? ""));
  expect(contents(said().talk)).toEqual(["two sent"]);
  expect(Object.keys(localStorage).filter((key) => key.includes("#outbox/"))).toEqual([]);
});

test("another tab's unsent messages are shown until it has sent them", async () => {
  const said = await show(start());
  const key = "carillon::acme/alice#outbox/zzz";
  const value = {
    conversation_id: "c",
    content: "theirs",
    temp_id: "zzz",
    created_at: "",
    failure: { code: "no", message: "" },
  };
  localStorage.setItem(key, JSON.stringify(value));
  await act(async () => void window.dispatchEvent(new StorageEvent("storage", { key })));
  expect(contents(said().talk)).toEqual(["theirs failed"]);
  localStorage.removeItem(key);
  await act(async () => void window.dispatchEvent(new StorageEvent("storage", { key })));
  expect(contents(said().talk)).toEqual([]);
});

test("the receipts of the user's newest message are fetched, and change with events", async () => {
  server.store("alice", "hello");
  server.store("bob", "hi");
  const said = await show(start());
  const receipts = () => said().talk.receiptsOf(said().talk.messages[0] as never);
  expect(receipts()).toEqual({ delivered: ["bob"], read: [] });
  const read = { conversationId: "c", no: 2, readBy: "bob" };
  await act(async () => server.emit("chat:message:read", read, { room: "conversation:c" }));
  expect(receipts()).toEqual({ delivered: ["bob"], read: ["bob"] });
});

test("messages are read while the page is visible, with one receipt for many", async () => {
  let visibility = "hidden";
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility as DocumentVisibilityState);
  const said = await show(start());
  await act(async () => ["a", "b", "c"].forEach((text) => void server.store("bob", text)));
  await pass(2_000);
  expect([server.reads, said().list.unread]).toEqual([[], 3]);
  visibility = "visible";
  await act(async () => void document.dispatchEvent(new Event("visibilitychange")));
  await pass(2_000);
  expect([server.reads, said().list.unread]).toEqual([[3], 0]);
});

test("a reset fetches both lists again", async () => {
  const said = await show(start());
  server.epoch = "two";
  const restored = { id: "m2", no: 2, content: "restored" };
  await act(async () => void server.messages.push({ ...server.store("bob", "a"), ...restored }));
  await act(async () => {
    for (const connection of server.connections) connection.cut();
  });
  await pass(3_000);
  expect(contents(said().talk)).toEqual(["a sent", "restored sent"]);
});

test("who types is shown and told", async () => {
  const client = start();
  const said = await show(client);
  const request = vi.spyOn(client, "request");
  await act(async () => said().who.setTyping(true));
  await act(async () => said().who.setTyping(true));
  await act(async () => said().who.setTyping(false));
  expect(request.mock.calls.map(([name, payload]) => [name, (payload as { isTyping: boolean }).isTyping])).toEqual([
    ["chat:typing", true],
    ["chat:typing", false],
  ]);
  const typing = { conversationId: "c", userKey: "bob" };
  await act(async () => server.emit("chat:typing:start", typing, { room: "conversation:c" }));
  expect(said().who.typing).toEqual(["bob"]);
  await pass(8_100);
  expect(said().who.typing).toEqual([]);
});

test("the chat of a client is one object", () => {
  const client = start();
  expect(chatOf(client)).toBe(chatOf(client));
});
