/** What the drop-ins have in common: the events of a connection by the names that Socket.IO's clients know. */

import type { Client } from "../client.ts";
import type { State } from "../connection.ts";

/** Events come, on the socket or by polling: the hand-over is the client's business and not the page's. */
export const isConnected = (state: State): boolean => state === "live" || state === "polling";

/** Everything that happens, and `connect`, `disconnect` and `reconnect`, which is told beside the former. */
export function everything(client: Client, tell: (name: string, payload: unknown) => void): () => void {
  let connected = false;
  let before = false;
  const changed = (state: State) => {
    if (isConnected(state) === connected) return;
    connected = isConnected(state);
    tell(connected ? "connect" : "disconnect", connected ? undefined : state);
    if (connected && before) tell("reconnect", undefined);
    before ||= connected;
  };
  // A socket that is lost is `connecting` for a moment, and then polled: only a page without either is disconnected.
  return client.onAny((name, payload) => {
    if (name !== "state") tell(name, payload);
    else if (payload !== "connecting") changed(payload as State);
  });
}

/** The token that a page has put where its kind of program looks for it. */
export function storedToken(...keys: string[]): string | null {
  try {
    return keys.map((key) => localStorage.getItem(key)).find((token) => token) ?? null;
  } catch {
    return null;
  }
}
