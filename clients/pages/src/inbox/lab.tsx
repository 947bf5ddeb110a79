/** The lab's phone and mailbox of the user: what was sent on channels outside this page. */

import { useEffect, useState } from "preact/hooks";
import { Time } from "../shared/time.tsx";

interface Message {
  n: number;
  at: string;
  outcome: "accepted" | "refused";
  notification_id: string | null;
  title: string | null;
  body: string | null;
  collapse: string | null;
  action: "show" | "withdraw";
}

interface Arrivals {
  phones: Record<string, Message[]>;
  mailboxes: Record<string, Message[]>;
}

/** Milliseconds between two updates, while the page is visible. */
const REFRESH_INTERVAL = 1000;
const MAX_MESSAGES = 4;

export function Lab({ user }: { user: string }) {
  const [arrivals, setArrivals] = useState<Arrivals | null>(null);
  const [unavailable, setUnavailable] = useState(false);
  useEffect(() => {
    const load = async () => {
      if (document.visibilityState === "hidden") return;
      const answer = await fetch(`/demo/arrivals/${user}`).catch(() => null);
      setUnavailable(!answer?.ok);
      if (answer?.ok) setArrivals((await answer.json()) as Arrivals);
    };
    void load();
    const timer = setInterval(() => void load(), REFRESH_INTERVAL);
    return () => clearInterval(timer);
  }, [user]);
  const accepted = (messages: Record<string, Message[]> = {}) =>
    Object.values(messages)
      .flat()
      .filter(({ outcome }) => outcome === "accepted");
  return (
    <>
      <Phone messages={arrivals && onScreen(accepted(arrivals.phones))} unavailable={unavailable} />
      <Mailbox
        addresses={Object.keys(arrivals?.mailboxes ?? {})}
        messages={arrivals && newest(accepted(arrivals.mailboxes))}
      />
    </>
  );
}

function Phone({ messages, unavailable }: { messages: Message[] | null; unavailable: boolean }) {
  return (
    <section class="card" aria-labelledby="phone-title">
      <div class="head">
        <h2 id="phone-title">Phone</h2>
      </div>
      {unavailable && <p class="hint">The lab does not answer.</p>}
      <div class="phone">
        <div class="screen">
          {messages?.map((message) => (
            <div key={message.n} class="push">
              <p class="title">
                {message.title} <Time at={message.at} />
              </p>
              <p class="message">{message.body}</p>
            </div>
          ))}
          {messages?.length === 0 && <p class="empty">No push notifications yet.</p>}
        </div>
      </div>
    </section>
  );
}

function Mailbox({ addresses, messages }: { addresses: string[]; messages: Message[] | null }) {
  return (
    <section class="card" aria-labelledby="mail-title">
      <div class="head">
        <h2 id="mail-title">Mailbox</h2>
        <span class="hint">{addresses.join(", ")}</span>
      </div>
      {messages?.length === 0 && <p class="empty">No emails yet.</p>}
      <ul class="items">
        {messages?.map((message) => (
          <li key={message.n}>
            <details class="mail">
              <summary>
                {message.title} <Time at={message.at} />
              </summary>
              <pre tabIndex={0}>{message.body}</pre>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The pushes that the phone shows. One with the collapse ID of an earlier one replaces it; recalled ones disappear. */
function onScreen(pushes: Message[]): Message[] {
  const shown = new Map<string, Message>();
  for (const push of [...pushes].sort((a, b) => a.n - b.n)) {
    const key = push.collapse ?? push.notification_id ?? `${push.n}`;
    shown.delete(key);
    if (push.action === "show") {
      shown.set(key, push);
    } else {
      for (const [other, { notification_id }] of shown) {
        if (notification_id === push.notification_id) shown.delete(other);
      }
    }
  }
  return newest([...shown.values()]);
}

function newest(messages: Message[]): Message[] {
  return [...messages].sort((a, b) => b.n - a.n).slice(0, MAX_MESSAGES);
}
