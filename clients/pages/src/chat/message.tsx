/** A message, with what can be done with it. */

import type { ShownMessage } from "carillon-client/chat";
import type { useMessages } from "carillon-client/preact";
import { useState } from "preact/hooks";
import { Avatar } from "../shared/avatar.tsx";
import { nameOf } from "./names.ts";
import { Text } from "./text.tsx";

export interface Receipt {
  text: string;
}

interface Props {
  message: ShownMessage;
  before: "day" | "sender" | null;
  me: string;
  talk: ReturnType<typeof useMessages>;
  /** The buttons of only one message are in the order of the Tab key. */
  isCurrent: boolean;
  receipt: Receipt | null;
  isConnected: boolean;
  /** The message that this one answers, if it is loaded. */
  original: ShownMessage | null;
  onFocus: () => void;
  onAnswer: () => void;
  onEdit: () => void;
}

const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢"];

export function Message(props: Props) {
  const { message, before, me, talk, isCurrent, receipt, original } = props;
  const isOwn = message.sender === me;
  const at = new Date(message.created_at);
  const kind = message.type === "system" ? "system" : isOwn ? "own" : "other";
  return (
    <>
      {before === "day" && (
        <li class="day">
          <time dateTime={message.created_at}>{dayOf(at)}</time>
        </li>
      )}
      <li
        class={`message ${kind} ${message.state} ${before ? "first" : ""}`}
        data-id={message.id}
        tabIndex={isCurrent ? 0 : -1}
        onFocus={props.onFocus}
      >
        {kind === "other" && before && <Avatar name={message.sender ?? "?"} />}
        <div class="body">
          {before && kind !== "system" && (
            <p class="meta">
              <span class={isOwn ? "hidden" : "sender"}>{isOwn ? "You" : nameOf(message.sender)}</span>{" "}
              <time dateTime={message.created_at} title={at.toLocaleString()}>
                {at.toLocaleTimeString([], { timeStyle: "short" })}
              </time>
            </p>
          )}
          {message.private_to && (
            <p class="private">Only {isOwn ? `${nameOf(message.private_to)} sees this` : "you see this"}</p>
          )}
          <div class="bubble">
            {message.reply_to && <Quote original={original} />}
            <Content message={message} me={me} />
          </div>
          <Reactions message={message} talk={talk} isCurrent={isCurrent} />
          <Status {...props} />
          {receipt && <p class="receipt">{receipt.text}</p>}
        </div>
        {message.state === "sent" && !message.deleted_at && kind !== "system" && <Actions {...props} isOwn={isOwn} />}
      </li>
    </>
  );
}

function Content({ message, me }: { message: ShownMessage; me: string }) {
  if (message.deleted_at) return <p class="deleted">This message was deleted.</p>;
  return (
    <p class="text">
      <Text content={message.content} mentions={message.mentions} me={me} />
      {message.media_url && (
        <a href={message.media_url} target="_blank" rel="noreferrer">
          {message.type === "image" ? "Picture" : "File"}
        </a>
      )}
      {message.edited_at && <span class="edited"> (edited)</span>}
    </p>
  );
}

function Quote({ original }: { original: ShownMessage | null }) {
  if (!original) return <p class="quote">An earlier message</p>;
  return (
    <p class="quote">
      <strong>{nameOf(original.sender)}</strong> {original.deleted_at ? "Message deleted" : original.content}
    </p>
  );
}

function Reactions({ message, talk, isCurrent }: Pick<Props, "message" | "talk" | "isCurrent">) {
  if (!message.reactions.length) return null;
  return (
    <div class="reactions" role="group" aria-label="Reactions">
      {message.reactions.map(({ emoji, count, me }) => (
        <button
          key={emoji}
          type="button"
          aria-pressed={me}
          tabIndex={isCurrent ? 0 : -1}
          onClick={() => void (me ? talk.unreact(message.id, emoji) : talk.react(message.id, emoji))}
        >
          {emoji} {count}
        </button>
      ))}
    </div>
  );
}

/** What has become of a message that the server does not have. */
function Status({ message, talk, isConnected }: Props) {
  if (message.state === "sending")
    return <p class="receipt waiting">{isConnected ? "Sending…" : "Waiting for a connection"}</p>;
  if (message.state !== "failed") return null;
  return (
    <p class="receipt bad" role="alert">
      Not sent: {message.failure?.message}{" "}
      <button type="button" class="quiet" onClick={() => talk.retry(message.id)}>
        Try again
      </button>
      <button type="button" class="quiet" onClick={() => talk.discard(message.id)}>
        Discard
      </button>
    </p>
  );
}

function Actions({ message, talk, isOwn, isCurrent, onAnswer, onEdit }: Props & { isOwn: boolean }) {
  const { conversation } = talk;
  const mayDeleteForAll =
    isOwn || (conversation?.type === "group" && ["owner", "moderator"].includes(conversation.role));
  const [menu, setMenu] = useState<"emoji" | "delete" | null>(null);
  const button = (name: string, act: () => void, label = name) => (
    <button
      key={name}
      type="button"
      class="quiet"
      aria-label={label === name ? undefined : label}
      tabIndex={isCurrent ? 0 : -1}
      onClick={() => {
        setMenu(null);
        act();
      }}
    >
      {name}
    </button>
  );
  const close = (event: KeyboardEvent) => event.key === "Escape" && setMenu(null);
  return (
    <div class="actions" role="group" aria-label="Actions" onKeyDown={close}>
      {menu === "emoji" &&
        EMOJI.map((emoji) => button(emoji, () => void talk.react(message.id, emoji), `React with ${emoji}`))}
      {menu === "delete" && [
        button("For me", () => void talk.remove(message.id), "Delete for me"),
        mayDeleteForAll && button("For everyone", () => void talk.remove(message.id, true), "Delete for everyone"),
        button("Cancel", () => undefined),
      ]}
      {menu === null && [
        button("React", () => setMenu("emoji")),
        button("Reply", onAnswer),
        isOwn && button("Edit", onEdit),
        button("Delete", () => setMenu("delete")),
      ]}
    </div>
  );
}

function dayOf(day: Date): string {
  const today = new Date();
  if (day.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  if (day.toDateString() === today.toDateString()) return "Yesterday";
  return day.toLocaleDateString([], { dateStyle: "long" });
}
