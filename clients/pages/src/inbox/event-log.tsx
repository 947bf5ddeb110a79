/** The events that the page receives. After a disconnection it shows that missed events are replayed without a gap. */

import type { Client } from "carillon-client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Time } from "../shared/time.tsx";

const MAX_ENTRIES = 40;

interface Entry {
  number: number;
  at: string;
  name: string;
  /** The room and number of an event, or a new state of the connection. */
  details: string;
  /** Whether the event is older than the connection. */
  replayed: boolean;
}

export function useEventLog(client: Client) {
  const [entries, setEntries] = useState<Entry[]>([]);
  const count = useRef(0);
  const add = useCallback((name: string, details = "", replayed = false) => {
    count.current += 1;
    const entry = { number: count.current, at: new Date().toISOString(), name, details, replayed };
    setEntries((old) => [entry, ...old].slice(0, MAX_ENTRIES));
  }, []);
  useEffect(() => {
    const connectedAt = Date.now();
    return client.onAny((name, payload) => {
      const { room, seq, created_at } = (payload ?? {}) as { room?: string; seq?: number; created_at?: string };
      const details = room && seq ? `${room} #${seq}` : typeof payload === "string" ? payload : "";
      add(name, details, Boolean(seq && created_at && Date.parse(created_at) < connectedAt));
    });
  }, [client]);
  return { entries, add };
}

export function EventLog({ entries }: { entries: Entry[] }) {
  return (
    <section class="card" aria-labelledby="log-title">
      <div class="head">
        <h2 id="log-title">Event log</h2>
      </div>
      <div class="log" tabIndex={0} role="log" aria-labelledby="log-title" aria-live="off">
        <ol>
          {entries.map((entry) => (
            <li key={entry.number}>
              <Time at={entry.at} /> <b>{entry.name}</b> {entry.details}{" "}
              {entry.replayed && <span class="tag">replayed</span>}
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
