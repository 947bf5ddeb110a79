/** Shared by the drop-in replacements: connection events with the names of Socket.IO clients. */

import type { Client } from "../client.ts";
import type { State } from "../connection.ts";

/** Whether events arrive, on the socket or by polling. The page does not need to know which. */
export const isConnected = (state: State): boolean => state === "live" || state === "polling";

/** Handle all events, and `connect`, `disconnect` and `reconnect`. A reconnection emits `connect` and `reconnect`. */
export function onEverything(client: Client, handle: (name: string, payload: unknown) => void): () => void {
  let connected = false;
  let wasConnected = false;
  const update = (state: State) => {
    if (isConnected(state) === connected) return;
    connected = isConnected(state);
    handle(connected ? "connect" : "disconnect", connected ? undefined : state);
    if (connected && wasConnected) handle("reconnect", undefined);
    wasConnected ||= connected;
  };
  // A client that loses its socket is `connecting` for a moment before it polls. That is not a disconnection.
  return client.onAny((name, payload) => {
    if (name !== "state") handle(name, payload);
    else if (payload !== "connecting") update(payload as State);
  });
}

/** The token that the page keeps in localStorage under one of these keys. */
export function storedToken(...keys: string[]): string | null {
  try {
    return keys.map((key) => localStorage.getItem(key)).find((token) => token) ?? null;
  } catch {
    return null;
  }
}
