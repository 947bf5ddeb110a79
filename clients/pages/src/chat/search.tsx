/** The messages that a search has found. */

import type { Message } from "carillon-client/chat";
import { chatOf } from "carillon-client/chat";
import { useCarillon, type useConversations } from "carillon-client/preact";
import { useEffect, useState } from "preact/hooks";
import { Time } from "../shared/time.tsx";
import { nameOf, titleOf } from "./names.ts";

/** Milliseconds after the last key until the search begins. */
const PAUSE = 250;

interface Props {
  query: string;
  list: ReturnType<typeof useConversations>;
  me: string;
  onFound: (message: Message) => void;
}

export function Found({ query, list, me, onFound }: Props) {
  const client = useCarillon();
  const [found, setFound] = useState<{ messages: Message[] } | { error: string } | null>(null);
  useEffect(() => {
    let isCurrent = true;
    const show = (result: typeof found) => isCurrent && setFound(result);
    const timer = setTimeout(() => {
      chatOf(client)
        .api.search(query)
        .then(
          ({ data }) => show({ messages: data }),
          ({ message }: Error) => show({ error: message }),
        );
    }, PAUSE);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [client, query]);
  if (!found) return <p class="hint">Searching…</p>;
  if ("error" in found)
    return (
      <p class="notice bad" role="alert">
        {found.error}
      </p>
    );
  return (
    <>
      <p class="hint" role="status">
        {found.messages.length === 0 ? "Nothing found." : `${found.messages.length} found`}
      </p>
      <ul class="conversations">
        {found.messages.map((message) => {
          const conversation = list.conversations.find(({ id }) => id === message.conversation_id);
          return (
            <li key={message.id}>
              <button type="button" class="found" onClick={() => onFound(message)}>
                <span class="summary">
                  <span class="title">
                    {nameOf(message.sender)}
                    {conversation && <span class="hint"> in {titleOf(conversation, me)}</span>}
                  </span>
                  <span class="preview">{message.content}</span>
                </span>
                <Time at={message.created_at} short />
              </button>
            </li>
          );
        })}
      </ul>
    </>
  );
}
