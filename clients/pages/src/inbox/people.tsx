/** Who else is there, and how you are. */

import { useState } from "preact/hooks";
import { useCarillon, usePresence } from "carillon-client/react";
import { Avatar, capital } from "./signin.tsx";

const CHOICES = ["online", "away", "busy"] as const;

export function People({ me }: { me: string }) {
  const client = useCarillon();
  const present = usePresence();
  const [mine, setMine] = useState<(typeof CHOICES)[number]>("online");
  const others = Object.entries(present).filter(([user, status]) => user !== me && status !== "offline");
  const choose = (status: (typeof CHOICES)[number]) => {
    setMine(status);
    void client.setPresence(status).catch(() => undefined);
  };
  return (
    <section class="card" aria-labelledby="people-title">
      <div class="head">
        <h2 id="people-title">People</h2>
        <div class="tabs" role="group" aria-label="You are">
          {CHOICES.map((status) => (
            <button key={status} type="button" aria-pressed={mine === status} onClick={() => choose(status)}>
              {capital(status)}
            </button>
          ))}
        </div>
      </div>
      <ul class="present">
        <li>
          <Avatar name={me} status={present[me] ?? "offline"} /> {capital(me)} <span class="hint">you</span>
        </li>
        {others.map(([user, status]) => (
          <li key={user}>
            <Avatar name={user} status={status} /> {capital(user)} <span class="hint">{status}</span>
          </li>
        ))}
      </ul>
      {others.length === 0 && <p class="hint">Nobody else at the moment. Open this page in another browser.</p>}
    </section>
  );
}
