/** The field for a new message, or for the new text of an old one. Enter sends, Shift+Enter begins a new line. */

import type { Conversation, Draft, ShownMessage } from "carillon-client/chat";
import { useEffect, useRef, useState } from "preact/hooks";
import { nameOf, othersOf } from "./names.ts";
import { mentionsIn } from "./text.tsx";

interface Props {
  me: string;
  conversation: Conversation | null;
  /** The message that the new one answers. */
  answers?: ShownMessage | null;
  /** The message that is changed. */
  edits?: ShownMessage;
  onTyping: (isTyping: boolean) => void;
  onSend: (draft: Draft) => void;
  onCancel: () => void;
}

export function Composer({ me, conversation, answers, edits, onTyping, onSend, onCancel }: Props) {
  const [content, setContent] = useState(edits?.content ?? "");
  const [privateTo, setPrivateTo] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (answers || edits) field.current?.focus();
  }, [answers, edits]);
  useEffect(() => () => onTyping(false), []);
  // As high as its text.
  useEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [content]);

  const others = conversation ? othersOf(conversation, me) : [];
  const send = () => {
    if (!content.trim()) return;
    onTyping(false);
    const mayMentionAll = !privateTo && (conversation?.role === "owner" || conversation?.role === "moderator");
    const mentions = mentionsIn(content, others, mayMentionAll && conversation.type === "group");
    onSend({
      content: content.trim(),
      ...(answers && { reply_to: answers.id }),
      ...(mentions.length && { mentions }),
      ...(privateTo && { private_to: privateTo }),
    });
    setContent("");
    field.current?.focus();
  };

  return (
    <form
      class={privateTo ? "composer is-private" : "composer"}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {(answers || edits) && (
        <p class="about">
          <span>{answers ? `Reply to ${nameOf(answers.sender)}: ${answers.content}` : "Change your message"}</span>
          <button type="button" class="quiet" onClick={onCancel}>
            Cancel
          </button>
        </p>
      )}
      {conversation?.type === "group" && !edits && (
        <label class="to">
          To
          <select value={privateTo} onChange={(event) => setPrivateTo(event.currentTarget.value)}>
            <option value="">Everyone</option>
            {others.map((user) => (
              <option key={user} value={user}>
                Only {nameOf(user)}
              </option>
            ))}
          </select>
        </label>
      )}
      <div class="row">
        <textarea
          ref={field}
          rows={1}
          aria-label={edits ? "New text" : "Message"}
          placeholder={privateTo ? `Only ${nameOf(privateTo)} will see it` : "Message"}
          value={content}
          onInput={(event) => {
            setContent(event.currentTarget.value);
            onTyping(event.currentTarget.value !== "");
          }}
          onBlur={() => onTyping(false)}
          onKeyDown={(event) => {
            if (event.key === "Escape" && (answers || edits)) onCancel();
            // Enter also ends the composition of a character, in Japanese for example.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="primary" disabled={!content.trim()}>
          {edits ? "Save" : "Send"}
        </button>
      </div>
    </form>
  );
}
