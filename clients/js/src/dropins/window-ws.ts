/**
 * In place of `/js/websocket.js`: `window.ws` with its four names, on one connection that loses nothing. It connects by
 * itself where `localStorage` has an `auth_token`.
 */

import { type Client, createClient } from "../client.ts";
import type { Payload } from "../log.ts";
import { everything, isConnected, storedToken } from "./events.ts";

type Namespace = "sns" | "orders" | "chat" | "notifications";
type Callback = (data: any) => void;
type Told = [Namespace, string, object?];

const NAMESPACES: Namespace[] = ["sns", "orders", "chat", "notifications"];

/** Where an event is heard, under which name, and with what beside its members. */
function renderings(name: string, payload: Payload): Told[] {
  const [domain, rest = ""] = name.split(/:(.*)/s);
  const there = rest === "offline" ? "user_offline" : "user_online";
  const escaped = { title_html: escape(payload["title"]), message_html: escape(payload["message"]) };
  const as: Record<string, Told[]> = {
    "notification:new": [["notifications", "notification", escaped]],
    "notification:read": [["notifications", "notification_read"]],
    "notification:read_all": [["notifications", "notification_read", { all: true }]],
    "notification:deleted": [["notifications", "notification_deleted"]],
    "notification:count": [["notifications", "notification:count"]],
  };
  if (domain === "sns" || domain === "orders") return [[domain, rest]];
  if (domain === "presence") return (["sns", "chat"] as const).map((ns) => [ns, there, { user_id: payload["user"] }]);
  if (!domain || !rest) return NAMESPACES.map((ns) => [ns, name]);
  return as[name] ?? [];
}

export class WebSocketClient {
  #client: Client | null = null;
  #callbacks = new Map<string, Set<Callback>>();

  get isConnected(): boolean {
    return this.#client !== null && isConnected(this.#client.state);
  }

  /** By namespace, whether it is connected: all of them are, or none. */
  get sockets(): Record<Namespace, { connected: boolean }> {
    const connected = this.isConnected;
    return { sns: { connected }, orders: { connected }, chat: { connected }, notifications: { connected } };
  }

  /** Any number of times: a second call changes nothing. */
  connect(): void {
    if (this.#client) return;
    this.#client = createClient({ getToken: () => storedToken("auth_token") });
    everything(this.#client, (name, payload) => {
      const members = (payload ?? {}) as Payload;
      for (const [namespace, event, more] of renderings(name, members)) {
        const data = { timestamp: members["created_at"], ...members, ...more };
        for (const callback of [...(this.#callbacks.get(`${namespace}/${event}`) ?? [])]) callback(data);
      }
    });
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = null;
  }

  on(namespace: Namespace, event: string, callback: Callback): void {
    const key = `${namespace}/${event}`;
    this.#callbacks.set(key, (this.#callbacks.get(key) ?? new Set()).add(callback));
  }

  /** Null is all of them. */
  off(namespace: Namespace, event: string, callback: Callback | null = null): void {
    const key = `${namespace}/${event}`;
    if (callback) this.#callbacks.get(key)?.delete(callback);
    else this.#callbacks.delete(key);
  }

  emit(namespace: Namespace, event: string, data?: unknown): void {
    // Canonical names, such as notification:read, are understood everywhere.
    const name = event.includes(":") ? event : `${namespace}:${event}`;
    void this.#client?.request(name, data).catch(() => undefined);
  }
}

function escape(text: unknown): string {
  const signs: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
  return String(text ?? "").replace(/[&<>"']/g, (sign) => signs[sign] ?? sign);
}

declare global {
  interface Window {
    ws: WebSocketClient;
  }
}

window.ws = new WebSocketClient();
if (storedToken("auth_token")) window.ws.connect();
