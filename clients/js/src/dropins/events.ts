/** Shared by the drop-in replacements: connection events with the names of Socket.IO clients. */

import type { Client } from "../client.ts";
import { isConnected, type State } from "../connection.ts";

/**
 * Handle all events, and `connect`, `disconnect` and `reconnect`. A reconnection emits `connect` and `reconnect`; a page
 * that disconnects and connects again itself gets `connect` only.
 */
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
    if (name === "reconnect") return; // The server cannot know whether the page has disconnected itself.
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
