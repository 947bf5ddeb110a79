/** What a service does, with a click: one call, and what became of it on each channel. */

import { useState } from "preact/hooks";
import { capital } from "./signin.tsx";

const WAYS: { name: string; channels: string[] | null }[] = [
  { name: "Every channel", channels: null },
  { name: "Screen", channels: ["in_app"] },
  { name: "Phone", channels: ["push"] },
  { name: "Mail", channels: ["email"] },
];
const CHANNELS: Record<string, string> = { in_app: "Screen", push: "Phone", email: "Mail" };
const LEVELS = ["info", "success", "warning", "error", "critical"];
const SAMPLES: [string, string][] = [
  ["Your order is on its way", "It arrives tomorrow before noon."],
  ["Invoice for November", "It is ready. Nothing to do, we take it from your account."],
  ["New sign-in", "From a browser that we have not seen before. Was it you?"],
  ["Dinner at eight?", "The table by the window is free."],
];
/** How long and how often (ms) the receipt is looked at. */
const WATCH = 15_000;
const LOOK = 300;

interface Receipt {
  id: string;
  title: string;
  deliveries: Record<string, Record<string, number>>;
}

export function Sender({ me, getServiceToken }: { me: string; getServiceToken: () => Promise<string | null> }) {
  const [sample, setSample] = useState(0);
  const [to, setTo] = useState(me);
  const [level, setLevel] = useState("info");
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [title, message] = SAMPLES[sample % SAMPLES.length] ?? ["", ""];

  const call = async <T,>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${await getServiceToken()}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said = (await answer.json()) as T & { detail?: string };
    if (!answer.ok) throw new Error(said.detail ?? `the server answered ${answer.status}`);
    return said;
  };

  const attempt = async (work: () => Promise<void>) => {
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError((problem as Error).message);
    }
  };

  const send = (channels: string[] | null) =>
    attempt(async () => {
      setSample(sample + 1);
      const audience = to === "everybody" ? { tenant: true } : { users: [to] };
      const asked = { audience, title, message, level, category: "demo", ...(channels ? { channels } : {}) };
      const { id } = await call<{ id: string }>("POST", "/v1/notifications", asked);
      setReceipt({ id, title, deliveries: {} });
      for (const end = Date.now() + WATCH; Date.now() < end; ) {
        const { state, deliveries } = await call<Receipt & { state: string }>("GET", `/v1/notifications/${id}`);
        setReceipt((shown) => (shown?.id === id ? { ...shown, deliveries } : shown));
        const open = Object.values(deliveries).some((states) => states.pending || states.sending);
        const unseen = deliveries.in_app?.sent;
        if (state === "expanded" && !open && !unseen) return;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    });

  const alert = () =>
    attempt(async () => {
      await call("POST", "/v1/alerts", { title: "Disk almost full", message: "db-1 has 4 % left.", level: "critical" });
    });

  return (
    <section class="card" aria-labelledby="send-title">
      <div class="head">
        <h2 id="send-title">Send one</h2>
      </div>
      <p class="hint">As a service would: one call to POST /v1/notifications.</p>
      <div class="fields">
        <label>
          To
          <select value={to} onChange={(event) => setTo(event.currentTarget.value)}>
            {["alice", "bob", "carol", "everybody"].map((person) => (
              <option key={person} value={person}>
                {person === me ? `${capital(person)} (you)` : capital(person)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Level
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value)}>
            {LEVELS.map((name) => (
              <option key={name} value={name}>
                {capital(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="ways">
        {WAYS.map(({ name, channels }) => (
          <button key={name} type="button" class={channels ? "" : "primary"} onClick={() => void send(channels)}>
            {name}
          </button>
        ))}
        <button type="button" onClick={() => void alert()}>
          Alert for all
        </button>
      </div>
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      {receipt && (
        <dl class="receipt" aria-label="What became of it">
          <div>
            <dt>{receipt.title}</dt>
            <dd>accepted</dd>
          </div>
          {Object.entries(receipt.deliveries).map(([channel, states]) => (
            <div key={channel}>
              <dt>{CHANNELS[channel] ?? channel}</dt>
              <dd>
                {Object.entries(states)
                  .map(([state, number]) => (number > 1 ? `${number} ${state}` : state))
                  .join(", ")}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
