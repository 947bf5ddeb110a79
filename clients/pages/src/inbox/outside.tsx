/** What reached the person outside of the page: the phone and the mailbox of the lab. */

import { useEffect, useState } from "preact/hooks";
import { Moment } from "./moment.tsx";

interface Arrival {
  n: number;
  at: string;
  outcome: "accepted" | "refused";
  status: number;
  notification_id: string | null;
  title: string | null;
  body: string | null;
  collapse: string | null;
  action: "show" | "withdraw";
}

interface Arrivals {
  phones: Record<string, Arrival[]>;
  mailboxes: Record<string, Arrival[]>;
}

/** Milliseconds between two looks, while somebody looks. */
const EVERY = 1000;
const SHOWN = 4;

export function Outside({ user }: { user: string }) {
  const [arrivals, setArrivals] = useState<Arrivals | null>(null);
  const [away, setAway] = useState(false);
  useEffect(() => {
    const look = async () => {
      if (document.visibilityState === "hidden") return;
      const answer = await fetch(`/demo/arrivals/${user}`).catch(() => null);
      setAway(!answer?.ok);
      if (answer?.ok) setArrivals((await answer.json()) as Arrivals);
    };
    void look();
    const timer = setInterval(() => void look(), EVERY);
    return () => clearInterval(timer);
  }, [user]);
  const phone = Object.values(arrivals?.phones ?? {}).flat();
  const mails = Object.values(arrivals?.mailboxes ?? {}).flat();
  return (
    <>
      <section class="card" aria-labelledby="phone-title">
        <div class="head">
          <h2 id="phone-title">Phone</h2>
        </div>
        {away && <p class="hint">The lab does not answer.</p>}
        <div class="phone">
          <div class="screen">
            {onScreen(phone).map((push) => (
              <div key={push.n} class="push">
                <p class="title">
                  {push.title} <Moment at={push.at} />
                </p>
                <p class="message">{push.body}</p>
              </div>
            ))}
            {arrivals && onScreen(phone).length === 0 && <p class="empty">No push yet.</p>}
          </div>
        </div>
      </section>
      <section class="card" aria-labelledby="mail-title">
        <div class="head">
          <h2 id="mail-title">Mailbox</h2>
          <span class="hint">{Object.keys(arrivals?.mailboxes ?? {}).join(", ")}</span>
        </div>
        {arrivals && mails.length === 0 && <p class="empty">No mail yet.</p>}
        <ul class="items">
          {newest(mails.filter(({ outcome }) => outcome === "accepted")).map((mail) => (
            <li key={mail.n}>
              <details class="mail">
                <summary>
                  {mail.title} <Moment at={mail.at} />
                </summary>
                <pre tabIndex={0}>{mail.body}</pre>
              </details>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

/** A push with the collapse id of an earlier one replaces it; one that was taken back is gone. */
function onScreen(pushes: Arrival[]): Arrival[] {
  const shown = new Map<string, Arrival>();
  for (const push of pushes.filter(({ outcome }) => outcome === "accepted").sort((a, b) => a.n - b.n)) {
    const key = push.collapse ?? push.notification_id ?? `${push.n}`;
    shown.delete(key);
    if (push.action === "show") shown.set(key, push);
    else
      for (const [other, { notification_id }] of shown)
        if (notification_id === push.notification_id) shown.delete(other);
  }
  return newest([...shown.values()]);
}

function newest(arrivals: Arrival[]): Arrival[] {
  return [...arrivals].sort((a, b) => b.n - a.n).slice(0, SHOWN);
}
