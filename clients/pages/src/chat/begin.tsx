/** The dialog that begins a conversation: with one user, or a group. */

import type { Conversation, NewConversation } from "carillon-client/chat";
import { useEffect, useState } from "preact/hooks";
import { Avatar, capitalise } from "../shared/avatar.tsx";
import { findDemo } from "../shared/session.ts";
import { Dialog } from "./dialog.tsx";

interface Props {
  me: string;
  begin: (given: NewConversation) => Promise<Conversation>;
  onClose: (begun: Conversation | null) => void;
}

export function Begin({ me, begin, onClose }: Props) {
  const [people, setPeople] = useState<string[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [typed, setTyped] = useState("");
  const [name, setName] = useState("");
  const [error, setError] = useState<string | null>(null);
  useEffect(() => void findDemo().then((demo) => setPeople(demo?.people.filter((one) => one !== me) ?? [])), [me]);

  const participants = [...new Set([...chosen, ...typed.split(/[\s,]+/).filter(Boolean)])];
  const isGroup = participants.length > 1 || name.trim() !== "";
  const submit = async () => {
    setError(null);
    try {
      const group = { type: "group" as const, ...(name.trim() && { name: name.trim() }) };
      onClose(await begin({ ...(isGroup ? group : { type: "direct" as const }), participants }));
    } catch (problem) {
      setError((problem as Error).message);
    }
  };

  return (
    <Dialog title="New conversation" onClose={() => onClose(null)}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {people.length > 0 && (
          <fieldset class="choices">
            <legend>With</legend>
            {people.map((person) => (
              <label key={person}>
                <input
                  type="checkbox"
                  checked={chosen.has(person)}
                  onChange={({ currentTarget: { checked } }) =>
                    setChosen(new Set(checked ? [...chosen, person] : [...chosen].filter((one) => one !== person)))
                  }
                />
                <Avatar name={person} /> {capitalise(person)}
              </label>
            ))}
          </fieldset>
        )}
        <label class="wide">
          {people.length > 0 ? "Others, by their ids" : "With these users, by their ids"}
          <input value={typed} spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        <label class="wide">
          Name of the group (optional)
          <input value={name} maxLength={200} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        {error && (
          <p class="notice bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary" disabled={participants.length === 0}>
          {isGroup ? "Begin the group" : "Begin"}
        </button>
      </form>
    </Dialog>
  );
}
