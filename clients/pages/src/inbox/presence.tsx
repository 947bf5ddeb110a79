/** Who is online, and the user's own status. */

import { useCarillon, usePresence } from "carillon-client/preact";
import { useState } from "preact/hooks";
import { Avatar, capitalise } from "../shared/avatar.tsx";

const CHOICES = ["online", "away", "busy"] as const;
type Choice = (typeof CHOICES)[number];

export function Presence({ user }: { user: string }) {
  const client = useCarillon();
  const present = usePresence();
  const [chosen, setChosen] = useState<Choice>("online");
  const others = Object.entries(present).filter(([other, status]) => other !== user && status !== "offline");
  const choose = (status: Choice) => {
    setChosen(status);
    void client.setPresence(status).catch(() => undefined);
  };
  return (
    <section class="card" aria-labelledby="people-title">
      <div class="head">
        <h2 id="people-title">People</h2>
        <div class="tabs" role="group" aria-label="Your status">
          {CHOICES.map((status) => (
            <button key={status} type="button" aria-pressed={chosen === status} onClick={() => choose(status)}>
              {capitalise(status)}
            </button>
          ))}
        </div>
      </div>
      <ul class="present">
        <li>
          <Avatar name={user} status={present[user] ?? "offline"} /> {capitalise(user)} <span class="hint">you</span>
        </li>
        {others.map(([other, status]) => (
          <li key={other}>
            <Avatar name={other} status={status} /> {capitalise(other)} <span class="hint">{status}</span>
          </li>
        ))}
      </ul>
      {others.length === 0 && (
        <p class="hint">Nobody else is online. Open this page in another browser to see a second user.</p>
      )}
    </section>
  );
}
