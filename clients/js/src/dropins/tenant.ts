/** Replaces `hooks/useWebSocket.js` of tenant events. Polling is included. */

import { useEffect, useState } from "react";
import { type Client, connected, createClient } from "../client.ts";
import { isConnected } from "../connection.ts";
import { Handlers } from "../handlers.ts";
import type { Answer } from "../socket.ts";
import { onEverything, storedToken } from "./events.ts";

type Callback = (data: any) => void;

/** The part of a Socket.IO socket that these pages use. */
export class TenantSocket {
  readonly #client: Client;
  readonly #handlers = new Handlers();

  constructor(tenantId: string, url: string) {
    this.#client = createClient({ url, getToken: () => storedToken("jwt_token"), dialect: "tenant" });
    this.#handlers.keepUntil(connected(this.#client));
    onEverything(this.#client, (event, data) => this.#handlers.emit(event, data));
    this.on("session:ready", () => this.emit("join-tenant", tenantId));
  }

  get connected(): boolean {
    return isConnected(this.#client.state);
  }

  on(event: string, callback: Callback): this {
    this.#handlers.on(event, callback);
    return this;
  }

  /** Remove a callback; without one, all callbacks of the event. */
  off(event: string, callback?: Callback): this {
    this.#handlers.off(event, callback);
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
