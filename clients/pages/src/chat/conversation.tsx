/** The open conversation: its messages, who types, and the field for a new message. */

import type { ShownMessage } from "carillon-client/chat";
import { useConnection, useMessages, useTyping } from "carillon-client/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Composer } from "./composer.tsx";
import { Details } from "./details.tsx";
import { Message, type Receipt } from "./message.tsx";
import { countOf, listOf, titleOf } from "./names.ts";
import { open } from "./opened.ts";

interface Props {
  id: string;
  me: string;
  /** The message to scroll to. */
  found: { id: string; no: number } | null;
}

/** A day is named above its first message, and a sender is named again after so many milliseconds. */
const PAUSE = 5 * 60_000;

export function Conversation({ id, me, found }: Props) {
  const talk = useMessages(id);
  const { typing, setTyping } = useTyping(id);
  const isConnected = useConnection() === "live";
  const [focused, setFocused] = useState<string | null>(null);
  const [answers, setAnswers] = useState<ShownMessage | null>(null);
  const [edits, setEdits] = useState<ShownMessage | null>(null);
  const [details, setDetails] = useState(false);
  const scroller = useRef<HTMLDivElement>(null);
  const { conversation, messages } = talk;

  useScrollTo(found, talk, scroller);

  const current = messages.some((one) => one.id === focused) ? focused : (messages.at(-1)?.id ?? null);
  const move = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (target.closest("button, a, textarea, input")) return;
    const place = messages.findIndex((one) => one.id === current);
    const places: Record<string, number> = {
      ArrowUp: place - 1,
      ArrowDown: place + 1,
      Home: 0,
      End: messages.length - 1,
    };
    const next = messages[places[event.key] ?? -1];
    if (!next) return;
    event.preventDefault();
    setFocused(next.id);
    scroller.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next.id)}"]`)?.focus();
  };
  const lastOwn = [...messages].reverse().find(({ sender, state }) => sender === me && state === "sent");
  const title = conversation ? titleOf(conversation, me) : talk.status === "loading" ? "Loading…" : "Conversation";

  return (
    <section class="conversation" aria-labelledby="conversation-title">
      <div class="conversation-head">
        <button type="button" class="back" aria-label="Back to the conversations" onClick={() => open(null)}>
          ‹
        </button>
        <div class="summary">
          <h2 id="conversation-title">{title}</h2>
          {conversation?.type === "group" && <p class="hint">{countOf(conversation.member_count)}</p>}
        </div>
        {conversation && (
          <button type="button" onClick={() => setDetails(true)}>
            Details
          </button>
        )}
      </div>
      {/* The scroller is laid out from its end, so it stays there when messages come. */}
      <div class="scroller" ref={scroller} role="log" aria-label="Messages" onKeyDown={move}>
        <div class="messages">
          {talk.hasMore && (
            <button type="button" class="older" onClick={() => void talk.more()}>
              Show older
            </button>
          )}
          {talk.status === "loading" && !messages.length && <p class="hint">Loading…</p>}
          {talk.status === "ready" && !messages.length && <p class="empty">No messages yet. Say hello.</p>}
          <ol>
            {messages.map((message, number) => (
              <Message
                key={message.temp_id ?? message.id}
                message={message}
                before={startsGroup(messages[number - 1], message)}
                me={me}
                talk={talk}
                isCurrent={message.id === current}
                receipt={message === lastOwn ? receiptOf(talk, message) : null}
                isConnected={isConnected}
                original={messages.find((one) => one.id === message.reply_to) ?? null}
                onFocus={() => setFocused(message.id)}
                onAnswer={() => {
                  setEdits(null);
                  setAnswers(message);
                }}
                onEdit={() => {
                  setAnswers(null);
                  setEdits(message);
                }}
              />
            ))}
          </ol>
        </div>
      </div>
      {talk.error && (
        <p class="notice bad" role="alert">
          {talk.error.message}{" "}
          <button type="button" class="quiet" onClick={() => void talk.reload()}>
            Try again
          </button>
        </p>
      )}
      <p class="typing" aria-live="polite">
        {typing.length > 0 && (
          <>
            <span class="dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {listOf(typing)} {typing.length === 1 ? "is" : "are"} typing
          </>
        )}
      </p>
      {edits && (
        <Composer
          key={edits.id}
          me={me}
          conversation={conversation}
          edits={edits}
          onTyping={setTyping}
          onSend={({ content, mentions = [] }) => {
            setEdits(null);
            void talk.edit(edits.id, content, mentions);
          }}
          onCancel={() => setEdits(null)}
        />
      )}
      {/* It keeps what was begun during an edit. */}
      <div hidden={edits !== null}>
        <Composer
          me={me}
          conversation={conversation}
          answers={answers}
          onTyping={setTyping}
          onSend={(draft) => {
            setAnswers(null);
            talk.send(draft);
            scroller.current?.scrollTo({ top: 0 });
          }}
          onCancel={() => setAnswers(null)}
        />
      </div>
      {details && conversation && <Details conversation={conversation} me={me} onClose={() => setDetails(false)} />}
    </section>
  );
}

/** What is above a message: the day, or the name of the sender, or nothing. */
function startsGroup(previous: ShownMessage | undefined, message: ShownMessage): "day" | "sender" | null {
  const [before, now] = [new Date(previous?.created_at ?? 0), new Date(message.created_at)];
  if (before.toDateString() !== now.toDateString()) return "day";
  const isLater = now.getTime() - before.getTime() > PAUSE;
  return previous?.sender !== message.sender || previous?.private_to !== message.private_to || isLater
    ? "sender"
    : null;
}

function receiptOf(talk: ReturnType<typeof useMessages>, message: ShownMessage): Receipt {
  const { readCount } = talk;
  const { read, delivered } = talk.receiptsOf(message);
  const others = talk.conversation ? talk.conversation.member_count - 1 : 0;
  if (readCount && message.no !== null && readCount.no >= message.no) return { text: `Read by ${readCount.count}` };
  if (read.length > 1 && read.length === others) return { text: "Read by everyone" };
  if (read.length) return { text: `Read by ${listOf(read)}` };
  return { text: delivered.length ? "Delivered" : "Sent" };
}

/** Scroll to a message that was found, and fetch older ones until it is there. */
function useScrollTo(
  found: Props["found"],
  talk: ReturnType<typeof useMessages>,
  scroller: { current: HTMLElement | null },
): void {
  const [shown, setShown] = useState<string | null>(null);
  const isHere = talk.messages.some(({ id }) => id === found?.id);
  const oldest = talk.messages[0]?.no ?? null;
  useEffect(() => {
    if (!found || shown === found.id || talk.status !== "ready") return;
    if (!isHere) {
      if (oldest !== null && oldest > found.no) void talk.more();
      return;
    }
    setShown(found.id);
    const element = scroller.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(found.id)}"]`);
    element?.scrollIntoView({ block: "center" });
    element?.focus();
  }, [found, shown, isHere, oldest, talk.status]);
}
