/** Sends notifications the way a service does, and shows their state on each channel. */

import type { Level } from "carillon-client";
import { CHANNELS, type components, LEVELS } from "carillon-client/openapi";
import { useState } from "preact/hooks";
import { capitalise } from "../shared/avatar.tsx";

type Schemas = components["schemas"];
type Submission = Schemas["Notification"];
type Status = Schemas["NotificationStatus"];

const EVERYBODY = "everybody";
const RECIPIENTS = ["alice", "bob", "carol", EVERYBODY];
const SAMPLES: [string, string][] = [
  ["Your order has shipped", "It arrives tomorrow before noon."],
  ["Invoice for November", "The invoice is ready. It will be paid by direct debit."],
  ["New sign-in", "Somebody signed in from a new browser. Was it you?"],
  ["Dinner at eight?", "The table by the window is free."],
];
/** Milliseconds between two requests for the state of a notification. */
const POLL_INTERVAL = 300;
/** The state is final when it has not changed for this long, in milliseconds. */
const SETTLED_AFTER = 3_000;
const TIMEOUT = 15_000;

interface Receipt {
  id: string;
  title: string;
  deliveries: Status["deliveries"];
  recalled?: boolean;
}

/** A channel as a label, such as "In app". */
const label = (channel: string): string => capitalise(channel.replaceAll("_", " "));

/** A command for a shell in Carillon's directory, where `make -s key` prints the key of the demo. */
function curl(body: object): string {
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  return [
    `curl -sS ${location.origin}/v1/notifications`,
    '  -H "Authorization: Bearer $(make -s key)"',
    "  -H 'Content-Type: application/json'",
    `  -d '${quoted}'`,
  ].join(" \\\n");
}

export function SendForm({ user, getServiceToken }: { user: string; getServiceToken: () => Promise<string | null> }) {
  const [sample, setSample] = useState(0);
  const [recipient, setRecipient] = useState(user);
  const [level, setLevel] = useState<Level>("info");
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [typed, setTyped] = useState<{ title?: string; message?: string; url?: string }>({});
  const [sampleTitle, sampleMessage] = SAMPLES[sample % SAMPLES.length] ?? ["", ""];
  const title = typed.title ?? sampleTitle;
  const message = typed.message ?? sampleMessage;
  const url = typed.url?.trim() ?? "";

  const call = async <T,>(method: string, path: string, body?: object): Promise<T> => {
    const answer = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${await getServiceToken()}`, "Content-Type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
    const document = (await answer.json()) as T & { detail?: string };
    if (!answer.ok) throw new Error(document.detail ?? `The server answered with status ${answer.status}.`);
    return document;
  };

  const attempt = async (work: () => Promise<void>) => {
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError((problem as Error).message);
    }
  };

  /** Update the receipt until the deliveries do not change any more. */
  const follow = async (id: string) => {
    let last = "";
    let changedAt = Date.now();
    for (const end = Date.now() + TIMEOUT; Date.now() < end; ) {
      const { state, deliveries } = await call<Status>("GET", `/v1/notifications/${id}`);
      setReceipt((shown) => (shown?.id === id ? { ...shown, deliveries } : shown));
      const current = JSON.stringify(deliveries);
      if (current !== last) changedAt = Date.now();
      last = current;
      if (state === "expanded" && Date.now() - changedAt > SETTLED_AFTER) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    }
  };

  const submission = (channels: Submission["channels"] = null) => ({
    audience: recipient === EVERYBODY ? { tenant: true } : { users: [recipient] },
    title,
    message,
    level,
    category: "demo",
    ...(url && { url }),
    ...(channels && { channels }),
  });

  const send = (channels: Submission["channels"]) =>
    attempt(async () => {
      const { id } = await call<Schemas["AcceptedView"]>("POST", "/v1/notifications", submission(channels));
      setSample(sample + 1);
      setReceipt({ id, title, deliveries: {} });
      await follow(id);
    });

  const recall = (id: string) =>
    attempt(async () => {
      await call("DELETE", `/v1/notifications/${id}`);
      setReceipt((shown) => (shown?.id === id ? { ...shown, recalled: true } : shown));
      await follow(id);
    });

  const raiseAlert = () =>
    attempt(async () => {
      const alert = { title: "Disk almost full", message: "db-1 has 4 % left.", level: "critical" };
      await call("POST", "/v1/alerts", alert);
    });

  return (
    <section class="card" aria-labelledby="send-title">
      <div class="head">
        <h2 id="send-title">Send a notification</h2>
      </div>
      <p class="hint">Each button sends one request to POST /v1/notifications, as a service would.</p>
      <div class="fields">
        <label>
          To
          <select value={recipient} onChange={(event) => setRecipient(event.currentTarget.value)}>
            {RECIPIENTS.map((name) => (
              <option key={name} value={name}>
                {name === user ? `${capitalise(name)} (you)` : capitalise(name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Level
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value as Level)}>
            {LEVELS.map((name) => (
              <option key={name} value={name}>
                {capitalise(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <label class="wide">
        Title
        <input value={title} maxLength={200} onInput={(e) => setTyped({ ...typed, title: e.currentTarget.value })} />
      </label>
      <label class="wide">
        Text
        <textarea
          rows={2}
          value={message}
          maxLength={4096}
          onInput={(e) => setTyped({ ...typed, message: e.currentTarget.value })}
        />
      </label>
      <label class="wide">
        Link
        <input
          type="url"
          placeholder="https://… (optional)"
          value={typed.url ?? ""}
          onInput={(e) => setTyped({ ...typed, url: e.currentTarget.value })}
        />
      </label>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => void send(null)}>
          All channels
        </button>
        {CHANNELS.map((channel) => (
          <button key={channel} type="button" onClick={() => void send([channel])}>
            {label(channel)}
          </button>
        ))}
        <button type="button" onClick={() => void raiseAlert()}>
          Alert everybody
        </button>
      </div>
      <details>
        <summary>The same with curl</summary>
        <pre class="curl" tabIndex={0}>
          {curl(submission())}
        </pre>
      </details>
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      {receipt && (
        <dl class="receipt" aria-label="State of the notification">
          <div>
            <dt>{receipt.title}</dt>
            <dd>
              {receipt.recalled ? (
                "recalled"
              ) : (
                <button type="button" onClick={() => void recall(receipt.id)}>
                  Recall
                </button>
              )}
            </dd>
          </div>
          {CHANNELS.filter((channel) => receipt.deliveries[channel]).map((channel) => (
            <div key={channel}>
              <dt>{label(channel)}</dt>
              <dd>
                {Object.entries(receipt.deliveries[channel] ?? {})
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
