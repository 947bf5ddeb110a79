/** A conversation that the user is invited to: join, or decline. */

import { type Conversation, chatOf } from "carillon-client/chat";
import { useCarillon } from "carillon-client/preact";
import { useState } from "preact/hooks";
import { countOf, nameOf, titleOf } from "./names.ts";
import { open } from "./opened.ts";

export function Invitation({ conversation, me }: { conversation: Conversation; me: string }) {
  const { api, conversations } = chatOf(useCarillon());
  const [error, setError] = useState<string | null>(null);
  const attempt = async (answer: () => Promise<unknown>) => {
    try {
      await answer();
      await conversations.fetch(conversation.id);
    } catch (problem) {
      setError((problem as Error).message);
    }
  };
  return (
    <section class="invitation" aria-labelledby="invitation-title">
      <h2 id="invitation-title">{titleOf(conversation, me)}</h2>
      <p>
        {conversation.created_by ? `${nameOf(conversation.created_by)} invites you.` : "You are invited."}{" "}
        {countOf(conversation.member_count)}
      </p>
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      <p class="row">
        <button type="button" class="primary" onClick={() => void attempt(() => api.join(conversation.id))}>
          Join
        </button>
        <button
          type="button"
          onClick={() =>
            void attempt(async () => {
              await api.removeMember(conversation.id, me);
              open(null);
            })
          }
        >
          Decline
        </button>
      </p>
    </section>
  );
}
