/**
 * Replaces `/js/websocket.js`: `window.ws` with four namespaces, on one connection. It connects automatically if
 * localStorage has an `auth_token`.
 */

import { type Client, connected, createClient } from "../client.ts";
import { isConnected } from "../connection.ts";
import { Handlers } from "../handlers.ts";
import type { Payload } from "../log.ts";
import { onEverything, storedToken } from "./events.ts";

type Namespace = "sns" | "orders" | "chat" | "notifications";
type Callback = (data: any) => void;
/** A namespace, the name of an event there, and additional members. */
type Rendering = [Namespace, string, object?];

const NAMESPACES: Namespace[] = ["sns", "orders", "chat", "notifications"];

/** The namespaces and names under which an event is emitted. */
function renderings(name: string, payload: Payload): Rendering[] {
  const [domain, rest = ""] = name.split(/:(.*)/s);
  const presence = rest === "offline" ? "user_offline" : "user_online";
  const escaped = { title_html: escapeHtml(payload.title), message_html: escapeHtml(payload.message) };
  const names: Record<string, Rendering[]> = {
    "notification:new": [["notifications", "notification", escaped]],
    "notification:read": [["notifications", "notification_read"]],
    "notification:read_all": [["notifications", "notification_read", { all: true }]],
    "notification:deleted": [["notifications", "notification_deleted"]],
    "notification:count": [["notifications", "notification:count"]],
  };
  if (domain === "chat") return chatRenderings(rest, payload);
  if (domain === "sns" || domain === "orders") return [[domain, rest]];
  if (domain === "presence") return (["sns", "chat"] as const).map((ns) => [ns, presence, { user_id: payload.user }]);
  if (!domain || !rest) return NAMESPACES.map((ns) => [ns, name]);
  return names[name] ?? [];
}

function chatRenderings(name: string, payload: Payload): Rendering[] {
  const typing = { user_id: payload.userKey, is_typing: name === "typing:start" };
  const ids = { id: payload.messageId, message_id: payload.messageId, conversation_id: payload.conversationId };
  const message = { ...ids, from_user_id: payload.senderKey, message: payload.content, timestamp: payload.createdAt };
  const names: Record<string, Rendering[]> = {
    message: [["chat", "message_received", message]],
    "message:read": [["chat", "message_read", { ...ids, user_id: payload.readBy }]],
    "typing:start": [["chat", "user_typing", typing]],
    "typing:stop": [["chat", "user_typing", typing]],
  };
  return names[name] ?? [];
}

export class WebSocketClient {
  #client: Client | null = null;
  #handlers = new Handlers();

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
    this.#client = createClient({ getToken: () => storedToken("auth_token") });
    this.#handlers.keepUntil(connected(this.#client));
    onEverything(this.#client, (name, payload) => {
      const members = asGiven(name, (payload ?? {}) as Payload);
      for (const [namespace, event, additional] of renderings(name, members)) {
        const data = { timestamp: members.created_at, ...members, ...additional };
        this.#handlers.emit(`${namespace}/${event}`, data);
      }
    });
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = null;
  }

  on(namespace: Namespace, event: string, callback: Callback): void {
    this.#handlers.on(`${namespace}/${event}`, callback);
  }

  /** Remove a callback; with null, all callbacks of the event. */
  off(namespace: Namespace, event: string, callback: Callback | null = null): void {
    this.#handlers.off(`${namespace}/${event}`, callback ?? undefined);
  }

  /** Send a message to a user. The conversation of the two begins with the first one. */
  sendMessage(recipientId: string | number, text: string): void {
    void this.#client?.request("chat:send", { recipientId, content: text }).catch(() => undefined);
  }

  /** Say that the user types to another user, or has stopped. */
  setTyping(recipientId: string | number, isTyping: boolean): void {
    void this.#client?.request("chat:typing", { recipientId, isTyping }).catch(() => undefined);
  }

  emit(namespace: Namespace, event: string, data?: unknown): void {
    // Canonical names, such as notification:read, are valid in every namespace.
    const name = event.includes(":") ? event : `${namespace}:${event}`;
    void this.#client?.request(name, data).catch(() => undefined);
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
