/** Everything for one person: the bell above, and below it what reaches them, by channel. */

import type { ComponentChildren, FunctionComponent } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { CarillonBell } from "carillon-client/bell";
import { type Client, createClient, type State } from "carillon-client";
import { CarillonProvider, useConnection } from "carillon-client/react";
import { Alerts } from "./alerts.tsx";
import { Inbox } from "./inbox.tsx";
import { Outside } from "./outside.tsx";
import { People } from "./people.tsx";
import { Sender } from "./sender.tsx";
import { renewed, type Session } from "./session.ts";
import { Avatar, capital } from "./signin.tsx";
import { useWire, Wire } from "./wire.tsx";

/** A React component as Preact sees it. */
const Provider = CarillonProvider as unknown as FunctionComponent<{ client: Client; children?: ComponentChildren }>;

const STATES: Record<State, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
};

export function App({ session, onLeave }: { session: Session; onLeave: () => void }) {
  const current = useRef(session);
  const getToken = useCallback(async (fresh?: boolean) => {
    current.current = await renewed(current.current, fresh === true);
    return current.current.token;
  }, []);
  const getServiceToken = useCallback(async () => {
    current.current = await renewed(current.current);
    return current.current.serviceToken;
  }, []);
  const [cut, setCut] = useState(false);
  const [round, setRound] = useState(0);
  // A client that was closed stays closed: another one goes on from where it stood.
  const client = useMemo(() => createClient({ getToken }), [round]);
  useEffect(() => () => client.close(), [client]);
  const wire = useWire(client);

  const toggle = () => {
    if (cut) setRound(round + 1);
    else client.close();
    setCut(!cut);
    wire.mark(cut ? "connected again" : "cut off");
  };

  return (
    <Provider client={client}>
      <header class="top">
        <h1 class="brand">
          <img src="/static/carillon.svg" alt="" width="26" height="26" />
          Carillon
        </h1>
        <nav aria-label="Other pages">
          <a href="/docs">API</a>
          <a href="/docs/events">Events</a>
          <a href="/console">Console</a>
          {session.lab && <a href={session.lab}>Lab</a>}
        </nav>
        <Connection cut={cut} />
        <label class="switch">
          <input type="checkbox" role="switch" checked={!cut} onChange={toggle} />
          <span>Connected</span>
        </label>
        <Bell client={client} />
        <span class="me">
          <Avatar name={session.user} />
          <span class="name">{capital(session.user)}</span>
          <button type="button" class="quiet" onClick={onLeave}>
            Sign out
          </button>
        </span>
      </header>
      {cut && (
        <p class="notice" role="status">
          You cut the connection. Send something now: it waits in the log, and comes in order when you connect again.
        </p>
      )}
      <main class="board">
        <div class="column">
          {session.serviceToken && <Sender me={session.user} getServiceToken={getServiceToken} />}
          <People me={session.user} />
        </div>
        <div class="column">
          <Inbox key={round} />
          <Alerts />
        </div>
        <div class="column">
          {session.serviceToken && <Outside user={session.user} />}
          <Wire entries={wire.entries} />
        </div>
      </main>
    </Provider>
  );
}

function Connection({ cut }: { cut: boolean }) {
  const state = useConnection();
  const shown = cut ? "offline" : state;
  return (
    <span class={`state ${shown}`} role="status">
      {cut ? "Cut off" : STATES[state]}
    </span>
  );
}

function Bell({ client }: { client: Client }) {
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const bell = new CarillonBell();
    bell.client = client;
    place.current?.replaceChildren(bell);
    return () => bell.remove();
  }, [client]);
  return <span class="bell-place" ref={place} />;
}
