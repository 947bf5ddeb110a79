/** Replaces `hooks/useWebSocket.js` of tenant events. Polling is included. */

import { useEffect, useState } from "react";
import { type Client, createClient } from "../client.ts";
import type { Answer } from "../socket.ts";
import { isConnected, onEverything, storedToken } from "./events.ts";

type Callback = (data: any) => void;

/** The part of a Socket.IO socket that these pages use. */
export class TenantSocket {
  readonly #client: Client;
  readonly #callbacks = new Map<string, Set<Callback>>();

  constructor(tenantId: string, url: string) {
    this.#client = createClient({ url, getToken: () => storedToken("jwt_token"), dialect: "tenant" });
    onEverything(this.#client, (event, data) => {
      for (const callback of [...(this.#callbacks.get(event) ?? [])]) callback(data);
    });
    this.on("session:ready", () => this.emit("join-tenant", tenantId));
  }

  get connected(): boolean {
    return isConnected(this.#client.state);
  }

  on(event: string, callback: Callback): this {
    this.#callbacks.set(event, (this.#callbacks.get(event) ?? new Set()).add(callback));
    return this;
  }

  /** Remove a callback; without one, all callbacks of the event. */
  off(event: string, callback?: Callback): this {
    if (callback) this.#callbacks.get(event)?.delete(callback);
    else this.#callbacks.delete(event);
    return this;
  }

  emit(event: string, data?: unknown, acknowledge?: (answer: Answer) => void): this {
    this.#client.request(event, data).then(
      (answer) => acknowledge?.(answer),
      ({ code, message }) => acknowledge?.({ ok: false, success: false, error: { code, message } }),
    );
    return this;
  }

  close(): void {
    this.#client.close();
  }
}

export function useWebSocket(tenantId: string): { socket: TenantSocket | null; connected: boolean } {
  const [connected, setConnected] = useState(false);
  const [socket, setSocket] = useState<TenantSocket | null>(null);
  useEffect(() => {
    const opened = new TenantSocket(tenantId, apiUrl());
    opened.on("connect", () => setConnected(true)).on("disconnect", () => setConnected(false));
    setSocket(opened);
    return () => opened.close();
  }, [tenantId]);
  return { socket, connected };
}

declare const process: { env: { REACT_APP_API_URL?: string } };

function apiUrl(): string {
  try {
    // Bundlers replace this expression by its value. Without a bundler, pages have no `process`.
    return process.env.REACT_APP_API_URL ?? "";
  } catch {
    return "";
  }
}
