/**
 * Replaces `/js/websocket.js`: `window.ws` with four namespaces, on one connection. It connects automatically if
 * localStorage has an `auth_token`.
 */

import { chatApi } from "../chat/api.ts";
import { Outbox, outboxStore } from "../chat/outbox.ts";
import { type Told, tell } from "../chat/typing.ts";
import { type Client, connected, createClient } from "../client.ts";
import { isConnected } from "../connection.ts";
import { asError } from "../errors.ts";
import { Handlers } from "../handlers.ts";
import type { Payload } from "../log.ts";
import { onEverything, storedToken } from "./events.ts";

type Namespace = "sns" | "orders" | "chat" | "notifications";
type Callback = (data: any) => void;
/** A user. Systems of this kind number their users; Carillon's ids are strings. */
type UserId = string | number;
/** A namespace, the name of an event there, and additional members. */
type Rendering = [Namespace, string, object?];

const NAMESPACES: Namespace[] = ["sns", "orders", "chat", "notifications"];

/** The namespaces and names under which an event is emitted. `idOf` returns a user's id as the page knows it. */
function renderings(name: string, payload: Payload, idOf: (user: unknown) => UserId | null): Rendering[] {
  const [domain, rest = ""] = name.split(/:(.*)/s);
  const presence = rest === "offline" ? "user_offline" : "user_online";
  const escaped = { title_html: escapeHtml(payload.title), message_html: escapeHtml(payload.message) };
  const ids = { id: payload.messageId, message_id: payload.messageId, conversation_id: payload.conversationId };
  const names: Record<string, Rendering[]> = {
    "notification:new": [["notifications", "notification", escaped]],
    "notification:read": [["notifications", "notification_read"]],
    "notification:read_all": [["notifications", "notification_read", { all: true }]],
    "notification:deleted": [["notifications", "notification_deleted"]],
    "notification:count": [["notifications", "notification:count"]],
    "chat:message": [
      ["chat", "message_received", { ...ids, from_user_id: idOf(payload.senderKey), message: payload.content }],
    ],
    "chat:message:read": [["chat", "message_read", { ...ids, user_id: idOf(payload.readBy) }]],
    "chat:typing:start": [["chat", "user_typing", { user_id: idOf(payload.userKey), is_typing: true }]],
    "chat:typing:stop": [["chat", "user_typing", { user_id: idOf(payload.userKey), is_typing: false }]],
  };
  if (domain === "sns" || domain === "orders") return [[domain, rest]];
  if (domain === "presence") return (["sns", "chat"] as const).map((ns) => [ns, presence, { user_id: payload.user }]);
  if (!domain || !rest) return NAMESPACES.map((ns) => [ns, name]);
  return names[name] ?? [];
}

/** The conversations with single users, by the user's id. */
class Directs {
  readonly #api;
  readonly #outbox;
  readonly #conversations = new Map<string, Promise<string>>();
  readonly #told = new Map<string, Told>();

  constructor(private readonly client: Client) {
    this.#api = chatApi(client);
    this.#outbox = new Outbox(client, outboxStore(undefined), this.#api.send, () => undefined);
  }

  async send(user: string, text: string): Promise<void> {
    this.#outbox.add(await this.#conversationWith(user), { content: text });
    this.#told.delete(user);
  }

  async setTyping(user: string, isTyping: boolean): Promise<void> {
    const { told, signal } = tell(this.#told.get(user) ?? null, isTyping, Date.now());
    this.#told.set(user, told);
    if (signal === null) return;
    const conversationId = await this.#conversationWith(user);
    if (this.client.state === "live") await this.client.request("chat:typing", { conversationId, isTyping: signal });
  }

  #conversationWith(user: string): Promise<string> {
    const known = this.#conversations.get(user) ?? this.#begin(user);
    this.#conversations.set(user, known);
    return known;
  }

  /** There is one conversation for each pair of users, so beginning it again finds it. */
  async #begin(user: string): Promise<string> {
    try {
      if (!isConnected(this.client.state)) await connected(this.client);
      return (await this.#api.create({ type: "direct", participants: [user] })).id;
    } catch (error) {
      this.#conversations.delete(user);
      throw error;
    }
  }
}

export class WebSocketClient {
  #client: Client | null = null;
  #directs: Directs | null = null;
  #handlers = new Handlers();
  /** Users' ids as the page has given them. */
  readonly #ids = new Map<string, UserId>();

  get isConnected(): boolean {
    return this.#client !== null && isConnected(this.#client.state);
  }

  /** Whether each namespace is connected. They share one connection. */
  get sockets(): Record<Namespace, { connected: boolean }> {
    const connected = this.isConnected;
    return { sns: { connected }, orders: { connected }, chat: { connected }, notifications: { connected } };
  }

  /** Connect, unless there is a connection already. */
  connect(): void {
    if (this.#client) return;
    const client = createClient({ getToken: () => storedToken("auth_token") });
    this.#client = client;
    this.#directs = new Directs(client);
    this.#handlers.keepUntil(connected(client));
    onEverything(client, (name, payload) => {
      const members = asGiven(name, (payload ?? {}) as Payload);
      // What the user has sent, these pages show themselves.
      if (name === "chat:message" && members.senderKey === client.user) return;
      for (const [namespace, event, additional] of renderings(name, members, (user) => this.#idOf(user))) {
        const data = { timestamp: members.created_at ?? members.createdAt, ...members, ...additional };
        this.#handlers.emit(`${namespace}/${event}`, data);
      }
    });
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = null;
    this.#directs = null;
  }

  /** Send a message to a user. It is kept until the server has it. */
  sendMessage(recipientId: UserId, text: string): void {
    this.#toUser(recipientId, (directs, user) => directs.send(user, text));
  }

  /** Tell a user that the user of this page types, or has stopped. Call it at each input. */
  setTyping(recipientId: UserId, isTyping: boolean): void {
    this.#toUser(recipientId, (directs, user) => directs.setTyping(user, isTyping));
  }

  on(namespace: Namespace, event: string, callback: Callback): void {
    this.#handlers.on(`${namespace}/${event}`, callback);
  }

  /** Remove a callback; with null, all callbacks of the event. */
  off(namespace: Namespace, event: string, callback: Callback | null = null): void {
    this.#handlers.off(`${namespace}/${event}`, callback ?? undefined);
  }

  emit(namespace: Namespace, event: string, data?: unknown): void {
    // Canonical names, such as notification:read, are valid in every namespace.
    const name = event.includes(":") ? event : `${namespace}:${event}`;
    void this.#client?.request(name, data).catch(() => undefined);
  }

  #toUser(given: UserId, act: (directs: Directs, user: string) => Promise<void>): void {
    this.#ids.set(String(given), given);
    if (!this.#directs) return;
    act(this.#directs, String(given)).catch((thrown) => {
      const { code, message } = asError(thrown);
      this.#handlers.emit("chat/error", { code, message });
    });
  }

  /** A user's id as the page has given it. Whole numbers are numbers until then, as pages compare ids with ===. */
  #idOf(user: unknown): UserId | null {
    if (typeof user !== "string") return null;
    return this.#ids.get(user) ?? (/^[1-9]\d{0,14}$/.test(user) ? Number(user) : user);
  }
}

/** The payload with the service's own id of the notification, if it has one, in the members that these pages read. */
function asGiven(name: string, payload: Payload): Payload {
  const given = (payload.data as Payload | undefined)?.notification_id as string | number | undefined;
  const isOwn = name === "notification:new" && given !== undefined && String(given) === payload.reference;
  const [own] = isOwn ? [given] : ((payload.own_ids ?? []) as (string | number)[]);
  return own === undefined ? payload : { ...payload, id: own, notification_id: own, carillon_id: payload.id };
}

function escapeHtml(text: unknown): string {
  const signs: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
  return String(text ?? "").replace(/[&<>"']/g, (sign) => signs[sign] ?? sign);
}

declare global {
  interface Window {
    WebSocketClient: typeof WebSocketClient;
    ws: WebSocketClient;
  }
}

// Pages that are rendered on a server import this in Node too.
if (typeof window !== "undefined") {
  window.WebSocketClient = WebSocketClient;
  window.ws = new WebSocketClient();
  if (storedToken("auth_token")) window.ws.connect();
}
