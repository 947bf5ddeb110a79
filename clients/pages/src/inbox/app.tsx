/** The page of a signed-in user: the bell above, the channels below. */

import { type Client, createClient } from "carillon-client";
import { CarillonBell } from "carillon-client/bell";
import { CarillonProvider } from "carillon-client/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Avatar, capitalise } from "../shared/avatar.tsx";
import { ConnectionState } from "../shared/connection-state.tsx";
import { type Session, tokensOf } from "../shared/session.ts";
import { Alerts } from "./alerts.tsx";
import { EventLog, useEventLog } from "./event-log.tsx";
import { Inbox } from "./inbox.tsx";
import { Lab } from "./lab.tsx";
import { Presence } from "./presence.tsx";
import { SendForm } from "./send.tsx";

export function App({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
  const tokens = useMemo(() => tokensOf(session), [session]);
  const [disconnected, setDisconnected] = useState(false);
  const [connections, setConnections] = useState(0);
  // A closed client cannot be opened again. A new one continues from the same position.
  const client = useMemo(() => createClient({ getToken: tokens.user }), [connections]);
  useEffect(() => () => client.close(), [client]);
  const log = useEventLog(client);

  // Elsewhere the page is for those who get notifications, and not for those who try Carillon.
  const isDemo = session.serviceToken !== null;

  const toggle = () => {
    if (disconnected) setConnections(connections + 1);
    else client.close();
    setDisconnected(!disconnected);
    log.add(disconnected ? "connected" : "disconnected");
  };

  return (
    <CarillonProvider client={client}>
      <header class="top">
        <h1 class="brand">
          <img src="/static/carillon.svg" alt="" width="26" height="26" />
          Carillon
        </h1>
        <nav aria-label="Other pages">
          <a href="/chat">Chat</a>
          {isDemo && (
            <>
              <a href="/docs">API</a>
              <a href="/docs/events">Events</a>
              <a href="/console">Console</a>
              {session.lab && <a href={session.lab}>Lab</a>}
            </>
          )}
        </nav>
        <ConnectionState disconnected={disconnected} />
        {isDemo && (
          <label class="switch">
            <input
              type="checkbox"
              role="switch"
              checked={!disconnected}
              aria-checked={!disconnected}
              onChange={toggle}
            />
            <span>Connected</span>
          </label>
        )}
        <Bell client={client} />
        <span class="account">
          <Avatar name={session.user} />
          <span class="name">{capitalise(session.user)}</span>
          <button type="button" class="quiet" onClick={onSignOut}>
            Sign out
          </button>
        </span>
      </header>
      {disconnected && (
        <p class="notice" role="status">
          This page is disconnected. Notifications that are sent now arrive in order when you connect again.
        </p>
      )}
      <main class={isDemo ? "board" : "board alone"}>
        {isDemo && (
          <div class="column">
            <SendForm user={session.user} getServiceToken={tokens.service} />
            <Presence user={session.user} />
          </div>
        )}
        <div class="column">
          <Inbox key={connections} />
          <Alerts />
        </div>
        {isDemo && (
          <div class="column">
            <Lab user={session.user} />
            <EventLog entries={log.entries} />
          </div>
        )}
      </main>
    </CarillonProvider>
  );
}

function Bell({ client }: { client: Client }) {
  const container = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const bell = new CarillonBell();
    bell.client = client;
    container.current?.replaceChildren(bell);
    return () => bell.remove();
  }, [client]);
  return <span class="bell-place" ref={container} />;
}
