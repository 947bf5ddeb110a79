/** What comes over the wire, event by event: after a cut one sees what is replayed, and that no number is missing. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Client } from "carillon-client";
import { Moment } from "./moment.tsx";

const KEPT = 40;

interface Entry {
  number: number;
  at: string;
  name: string;
  place: string;
  /** It happened before this connection was there. */
  replayed: boolean;
}

export function useWire(client: Client) {
  const [entries, setEntries] = useState<Entry[]>([]);
  const number = useRef(0);
  const add = useMemo(
    () => (name: string, place: string, replayed: boolean) => {
      number.current += 1;
      const entry = { number: number.current, at: new Date().toISOString(), name, place, replayed };
      setEntries((old) => [entry, ...old].slice(0, KEPT));
    },
    [],
  );
  useEffect(() => {
    const since = Date.now();
    return client.onAny((name, payload) => {
      const { room, seq, created_at } = (payload ?? {}) as { room?: string; seq?: number; created_at?: string };
      const place = room && seq ? `${room} #${seq}` : typeof payload === "string" ? payload : "";
      add(name, place, Boolean(seq && created_at && Date.parse(created_at) < since));
    });
  }, [client]);
  return { entries, mark: (what: string) => add(what, "", false) };
}

export function Wire({ entries }: { entries: Entry[] }) {
  return (
    <section class="card" aria-labelledby="wire-title">
      <div class="head">
        <h2 id="wire-title">On the wire</h2>
      </div>
      <div class="wire" tabIndex={0} role="log" aria-labelledby="wire-title" aria-live="off">
        <ol>
          {entries.map((entry) => (
            <li key={entry.number}>
              <Moment at={entry.at} /> <b>{entry.name}</b> {entry.place}{" "}
              {entry.replayed && <span class="tag">replayed</span>}
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
