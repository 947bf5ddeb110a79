/** The conversations, the search, and the button for a new conversation. */

import type { Message } from "carillon-client/chat";
import { useConversations, usePresence } from "carillon-client/preact";
import { useEffect, useState } from "preact/hooks";
import { Avatar } from "../shared/avatar.tsx";
import { Time } from "../shared/time.tsx";
import { Begin } from "./begin.tsx";
import { nameOf, othersOf, titleOf } from "./names.ts";
import { open } from "./opened.ts";
import { Found } from "./search.tsx";

interface Props {
  me: string;
  opened: string | null;
  onFound: (message: Message) => void;
}

export function Sidebar({ me, opened, onFound }: Props) {
  const list = useConversations();
  const [query, setQuery] = useState("");
  const [begins, setBegins] = useState(false);
  useEffect(() => {
    document.title = list.unread ? `(${list.unread}) Chat` : "Chat";
  }, [list.unread]);
  return (
    <section class="sidebar" aria-labelledby="conversations-title">
      <div class="head">
        <h2 id="conversations-title">
          Conversations {list.unread > 0 && <span class="count">{list.unread} unread</span>}
        </h2>
        <button type="button" onClick={() => setBegins(true)}>
          New
        </button>
      </div>
      <input
        class="search"
        type="search"
        placeholder="Search messages"
        aria-label="Search messages"
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      {list.error && (
        <p class="notice bad" role="alert">
          {list.error.message}{" "}
          <button type="button" class="quiet" onClick={() => void list.reload()}>
            Try again
          </button>
        </p>
      )}
      {query.trim() ? (
        <Found query={query.trim()} list={list} me={me} onFound={onFound} />
      ) : (
        <Conversations list={list} me={me} opened={opened} />
      )}
      {begins && (
        <Begin
          me={me}
          begin={list.create}
          onClose={(begun) => {
            setBegins(false);
            if (begun) open(begun.id);
          }}
        />
      )}
    </section>
  );
}

interface ListProps {
  list: ReturnType<typeof useConversations>;
  me: string;
  opened: string | null;
}

function Conversations({ list, me, opened }: ListProps) {
  const present = usePresence();
  if (list.status === "loading") return <p class="hint">Loading…</p>;
  if (list.status === "ready" && !list.conversations.length)
    return <p class="empty">No conversations. Begin one with “New”.</p>;
  return (
    <>
      <ul class="conversations">
        {list.conversations.map((one) => {
          const [other] = othersOf(one, me);
          const title = titleOf(one, me);
          return (
            <li key={one.id}>
              <a href={`#${encodeURIComponent(one.id)}`} aria-current={one.id === opened ? "true" : undefined}>
                {one.type === "direct" && other ? (
                  <Avatar name={other} status={present[other] ?? "offline"} />
                ) : (
                  <Avatar name={title} />
                )}
                <span class="summary">
                  <span class="title">{title}</span>
                  <span class="preview">
                    {one.role === "invited" ? "You are invited" : previewOf(one.last_message, me)}
                  </span>
                </span>
                <span class="facts">
                  {one.last_message_at && <Time at={one.last_message_at} short />}
                  {one.unread > 0 && (
                    <span class={one.unread_mentions ? "badge mention" : "badge"}>
                      {one.unread_mentions ? "@" : ""}
                      {one.unread}
                      <span class="hidden"> unread</span>
                    </span>
                  )}
                </span>
              </a>
            </li>
          );
        })}
      </ul>
      {list.hasMore && (
        <button type="button" onClick={() => void list.more()}>
          Show older
        </button>
      )}
    </>
  );
}

function previewOf(message: Message | null, me: string): string {
  if (!message) return "No messages yet";
  if (message.deleted_at) return "Message deleted";
  const sender = message.sender === me ? "You: " : message.sender === null ? "" : `${nameOf(message.sender)}: `;
  return sender + (message.content || message.type);
}
