/** The dialog about a conversation: its members, its name, and what the user hears of it. */

import { type Conversation, chatOf, type Member, type Notify } from "carillon-client/chat";
import { useCarillon } from "carillon-client/preact";
import { useEffect, useState } from "preact/hooks";
import { Avatar } from "../shared/avatar.tsx";
import { Dialog } from "./dialog.tsx";
import { countOf, nameOf } from "./names.ts";
import { open } from "./opened.ts";

interface Props {
  conversation: Conversation;
  me: string;
  onClose: () => void;
}

const NOTIFY: Record<Notify, string> = { all: "All messages", mentions: "Only mentions", none: "Nothing" };

export function Details({ conversation, me, onClose }: Props) {
  const { id, type, role, member_count } = conversation;
  const { api, conversations } = chatOf(useCarillon());
  const [members, setMembers] = useState<Member[]>([]);
  const [added, setAdded] = useState("");
  const [name, setName] = useState(conversation.name ?? "");
  const [error, setError] = useState<string | null>(null);
  const manages = type === "group" && (role === "owner" || role === "moderator");

  const load = async () => setMembers((await api.members(id)).data);
  const attempt = async (change: () => Promise<unknown>) => {
    setError(null);
    try {
      await change();
    } catch (problem) {
      setError((problem as Error).message);
    }
  };
  useEffect(() => void attempt(load), [id, member_count]);

  const leave = () =>
    attempt(async () => {
      await api.removeMember(id, me);
      open(null);
    });

  return (
    <Dialog title={conversation.name ?? "Conversation"} onClose={onClose}>
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      <div class="form">
        <label class="wide">
          Notify me of
          <select
            value={conversation.notify}
            onChange={({ currentTarget: { value } }) =>
              void attempt(async () => {
                await api.settings(id, { notify: value as Notify });
                await conversations.fetch(id);
              })
            }
          >
            {Object.entries(NOTIFY).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {manages && (
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              void attempt(() => api.update(id, { name: name.trim() || null }));
            }}
          >
            <label class="wide">
              Name
              <input value={name} maxLength={200} onInput={(event) => setName(event.currentTarget.value)} />
            </label>
            <button type="submit">Rename</button>
          </form>
        )}
        <h3>{countOf(member_count)}</h3>
        <ul class="members">
          {members.map((member) => (
            <li key={member.user}>
              <Avatar name={member.user} />
              <span class="summary">
                {nameOf(member.user)} {type === "group" && <span class="hint">{member.role}</span>}
              </span>
              {manages && member.user !== me && (
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Remove ${nameOf(member.user)}`}
                  onClick={() => void attempt(() => api.removeMember(id, member.user))}
                >
                  Remove
                </button>
              )}
            </li>
          ))}
        </ul>
        {manages && (
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              void attempt(async () => {
                await api.addMembers(id, added.split(/[\s,]+/).filter(Boolean));
                setAdded("");
              });
            }}
          >
            <label class="wide">
              Add users, by their ids
              <input
                value={added}
                required
                spellcheck={false}
                onInput={(event) => setAdded(event.currentTarget.value)}
              />
            </label>
            <button type="submit">Add</button>
          </form>
        )}
        {type === "group" && (
          <button type="button" class="danger" onClick={() => void leave()}>
            Leave the group
          </button>
        )}
      </div>
    </Dialog>
  );
}
