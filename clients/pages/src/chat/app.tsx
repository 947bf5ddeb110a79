/** The page of a signed-in user: the conversations, and the one that is open. */

import { createClient } from "carillon-client";
import { CarillonProvider, useConversations } from "carillon-client/preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Avatar, capitalise } from "../shared/avatar.tsx";
import { ConnectionState } from "../shared/connection-state.tsx";
import { type Session, tokensOf } from "../shared/session.ts";
import { Conversation } from "./conversation.tsx";
import { Invitation } from "./invitation.tsx";
import { open, useOpened } from "./opened.ts";
import { Sidebar } from "./sidebar.tsx";

export function App({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
  const client = useMemo(() => createClient({ getToken: tokensOf(session).user }), [session]);
  useEffect(() => () => client.close(), [client]);
  const opened = useOpened();
  /** The message that was found by a search, to scroll to. */
  const [found, setFound] = useState<{ id: string; no: number } | null>(null);
  return (
    <CarillonProvider client={client}>
      <header class="top">
        <h1 class="brand">
          <img src="/static/carillon.svg" alt="" width="26" height="26" />
          Chat
        </h1>
        <nav aria-label="Other pages">
          <a href="/">Inbox</a>
          {session.serviceToken && (
            <>
              <a href="/docs">API</a>
              <a href="/docs/events">Events</a>
              {session.lab && <a href={session.lab}>Lab</a>}
            </>
          )}
        </nav>
        <ConnectionState />
        <span class="account">
          <Avatar name={session.user} />
          <span class="name">{capitalise(session.user)}</span>
          <button type="button" class="quiet" onClick={onSignOut}>
            Sign out
          </button>
        </span>
      </header>
      <main class={opened ? "chat open" : "chat"}>
        <Sidebar
          me={session.user}
          opened={opened}
          onFound={(message) => {
            setFound(message);
            open(message.conversation_id);
          }}
        />
        {opened ? (
          <Opened key={opened} id={opened} me={session.user} found={found} />
        ) : (
          <p class="nothing">Choose a conversation, or begin a new one.</p>
        )}
      </main>
    </CarillonProvider>
  );
}

function Opened(props: { id: string; me: string; found: { id: string; no: number } | null }) {
  const known = useConversations().conversations.find(({ id }) => id === props.id);
  return known?.role === "invited" ? <Invitation conversation={known} me={props.me} /> : <Conversation {...props} />;
}
