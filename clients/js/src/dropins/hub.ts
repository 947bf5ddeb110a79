/** Replaces `services/websocketService.js` and the hooks of the unified hub, with the same names. */

import { useEffect, useState } from "react";
import { type Client, connected, createClient } from "../client.ts";
import { isConnected } from "../connection.ts";
import { apply, type FeedState } from "../feed.ts";
import { Handlers } from "../handlers.ts";
import type { Alert, Item } from "../rest.ts";
import { onEverything } from "./events.ts";

type Callback = (data: any) => void;

export class WebSocketService {
  /** The URL of the server; if empty, the origin of the page. Set it before `connect`. */
  url = "";
  #client: Client | null = null;
  #handlers = new Handlers();

  connect(token: string): void {
    this.disconnect();
    this.#client = createClient({ url: this.url, getToken: () => token, dialect: "hub" });
    this.#handlers.keepUntil(connected(this.#client));
    onEverything(this.#client, (event, data) => this.#handlers.emit(event, data));
  }

  /** Returns a function that unsubscribes. */
  on(event: string, callback: Callback): () => void {
    return this.#handlers.on(event, callback);
  }

  off(event: string, callback: Callback): void {
    this.#handlers.off(event, callback);
  }

  /** Send an event. Does nothing without a connection, and does not wait for an answer. */
  emit(event: string, data?: unknown): void {
    if (this.#client && isConnected(this.#client.state)) void this.#client.request(event, data).catch(() => undefined);
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = null;
  }
}

export const wsService = new WebSocketService();
export default wsService;

const EMPTY: FeedState = { items: [], counts: null, status: "ready", error: null, hasMore: false };

export function useRealtimeNotifications(): { notifications: readonly Item[]; unreadCount: number } {
  const [state, setState] = useState(EMPTY);
  useEffect(() => {
    const names = ["new", "read", "read_all", "unread", "archived", "deleted", "count"].map(
      (name) => `notification:${name}`,
    );
    const stops = names.map((name) =>
      wsService.on(name, (data) => setState((old) => apply(old, {}, name, data) ?? old)),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
  return { notifications: state.items, unreadCount: state.counts?.unread ?? 0 };
}

type ShowToast = (toast: { type: string; title: string; message: string }) => void;

/** New alerts are passed to `showToast`, or to the global function with that name. */
export function useRealtimeAlerts(showToast?: ShowToast): { alerts: Alert[]; unacknowledgedCount: number } {
  const [alerts, setAlerts] = useState<Alert[]>([]);
  useEffect(() => {
    const show = showToast ?? (globalThis as { showToast?: ShowToast }).showToast;
    const stops = [
      wsService.on("alert:new", (alert: Alert & { severity: string }) => {
        setAlerts((old) => [alert, ...old.filter(({ id }) => id !== alert.id)]);
        show?.({ type: alert.severity, title: alert.title, message: alert.message });
      }),
      wsService.on("alert:acknowledged", ({ alert_id }: { alert_id: string }) =>
        setAlerts((old) => old.map((one) => (one.id === alert_id ? { ...one, acknowledged: true } : one))),
      ),
      wsService.on("alert:deleted", ({ alert_id }: { alert_id: string }) =>
        setAlerts((old) => old.filter(({ id }) => id !== alert_id)),
      ),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [showToast]);
  return { alerts, unacknowledgedCount: alerts.filter(({ acknowledged }) => !acknowledged).length };
}
