/** Whether events arrive, in the bar at the top. */

import type { State } from "carillon-client";
import { useConnection } from "carillon-client/preact";

const STATES: Record<State, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
};

export function ConnectionState({ disconnected = false }: { disconnected?: boolean }) {
  const state = useConnection();
  return (
    <span class={`state ${disconnected ? "offline" : state}`} role="status">
      {disconnected ? "Disconnected" : STATES[state]}
    </span>
  );
}
