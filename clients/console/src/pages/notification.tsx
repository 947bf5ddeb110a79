/** One notification: what it says, how far it came on each channel, and every delivery with what happened to it. */

import { useContext, useState } from "preact/hooks";
import type { Delivery, NotificationStatus } from "../api.ts";
import { Console } from "../console.ts";
import { clock, number, plural, share, word } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { choose, href, Link, usePlace } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { redriveAll, useJob } from "../ui/job.tsx";
import { ChannelName, Choice, Copy, Empty, Facts, Failed, Mark, More, Time, Waiting } from "../ui/parts.tsx";
import { scopeQuery } from "./notifications.tsx";

const EVERY = 3000;
const CHANNELS = ["in_app", "push", "email"] as const;
const STATES = ["pending", "sending", "sent", "acked", "dead", "expired", "suppressed", "cancelled"] as const;
const OPEN = ["pending", "sending"];

const count = (states: Record<string, number>, names: readonly string[]): number =>
  names.reduce((total, name) => total + (states[name] ?? 0), 0);

export function NotificationPage({ id }: { id: string }) {
  const { api, scope } = useContext(Console);
  const job = useJob();
  const { data, error, reload } = useLoad((signal) => api.notification(scope, id, signal), [scope, id], EVERY);
  const [asking, setAsking] = useState<"recall" | "redrive" | null>(null);
  if (!data) return error ? <Failed error={error} again={reload} /> : <Waiting rows={8} />;
  const dead = Object.values(data.deliveries).reduce((total, states) => total + (states.dead ?? 0), 0);
  const recallable = data.state === "accepted" || data.state === "expanded";
  return (
    <>
      <nav class="trail" aria-label="Where this is">
        <Link to={href(["notifications"], scopeQuery(scope))}>Notifications</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{data.title}</h1>
        <div class="buttons">
          {dead > 0 && (
            <button type="button" disabled={job?.state === "running"} onClick={() => setAsking("redrive")}>
              Send {number(dead)} dead again
            </button>
          )}
          {recallable && (
            <button type="button" class="danger" onClick={() => setAsking("recall")}>
              Recall
            </button>
          )}
        </div>
      </header>
      {error && <Failed error={error} again={reload} />}
      <Funnel deliveries={data.deliveries} state={data.state} />
      <div class="columns">
        <Content data={data} />
        <section aria-labelledby="facts">
          <h2 id="facts">Details</h2>
          <Facts
            facts={[
              ["State", <Mark name={data.state} />],
              ["Id", <Ident id={data.id} />],
              ["Priority", data.priority],
              ["Level", data.level],
              ["Type", data.type],
              ["Category", data.category ?? "–"],
              ["Recipients", <span class="numbers">{number(data.recipients)}</span>],
              ["Channels", data.channels ? data.channels.map(word).join(", ") : "all that a user has"],
              ["Reference", data.reference ?? "–"],
              ["Accepted", <Time at={data.created_at} />],
              ["Expires", <Time at={data.expires_at} />],
            ]}
          />
        </section>
      </div>
      <Deliveries id={id} counts={data.deliveries} />
      {asking === "recall" && (
        <Confirm
          title="Recall this notification?"
          action="Recall"
          danger
          onConfirm={async () => {
            await api.recall(scope, id);
            reload();
          }}
          onClose={() => setAsking(null)}
        >
          <p>
            “{data.title}” is cancelled where it is pending, and taken off screens and phones that show it. An e-mail
            that was sent stays sent. This cannot be undone.
          </p>
        </Confirm>
      )}
      {asking === "redrive" && (
        <Confirm
          title={`Send ${plural(dead, "dead letter")} again?`}
          action="Send again"
          onConfirm={() => void redriveAll(api, scope, { notification_id: id }, dead).then(reload)}
          onClose={() => setAsking(null)}
        >
          <p>They get all of their attempts once more. What has expired stays dead.</p>
        </Confirm>
      )}
    </>
  );
}

function Ident({ id }: { id: string }) {
  return (
    <span class="ident">
      <code>{id}</code> <Copy text={id} what="the id" />
    </span>
  );
}

function Funnel({ deliveries, state }: { deliveries: NotificationStatus["deliveries"]; state: string }) {
  const channels = CHANNELS.filter((channel) => deliveries[channel]);
  if (channels.length === 0) {
    return state === "accepted" ? (
      <Empty title="Being written">Its recipients are looked up this moment.</Empty>
    ) : (
      <Empty title="It went to nobody">There was no one to send it to.</Empty>
    );
  }
  return (
    <section class="funnels" aria-label="How far it came">
      {channels.map((channel) => {
        const states = deliveries[channel] ?? {};
        const all = count(states, STATES);
        const sent = count(states, ["sent", "acked"]);
        const steps: [string, number][] = [
          ["Addressed", all],
          ["Sent", sent],
        ];
        // Only a screen tells that something is on it.
        if (channel === "in_app") steps.push(["Acknowledged", states.acked ?? 0]);
        const others = [...OPEN, "dead", "expired", "suppressed", "cancelled"].filter((name) => states[name]);
        return (
          <div key={channel} class="funnel">
            <h2>
              <ChannelName name={channel} />
            </h2>
            <dl>
              {steps.map(([name, value]) => (
                <div key={name} class="step">
                  <dt>{name}</dt>
                  <dd class="numbers">
                    {number(value)} <span class="muted">{name === "Addressed" ? "" : share(value, all)}</span>
                  </dd>
                  <dd class="bar" aria-hidden="true">
                    <i class={`fill-${channel}`} style={{ width: `${(100 * value) / Math.max(all, 1)}%` }} />
                  </dd>
                </div>
              ))}
            </dl>
            <p class="others numbers">
              {others.length === 0
                ? "None wait, none are dead."
                : others
                    .map((name) => <Mark key={name} name={name} />)
                    .flatMap((mark, at) => [mark, <b key={`${at}n`}>{number(states[others[at] ?? ""] ?? 0)}</b>])}
            </p>
          </div>
        );
      })}
    </section>
  );
}

function Content({ data }: { data: NotificationStatus }) {
  const members = Object.keys(data.data).length;
  return (
    <section aria-labelledby="content">
      <h2 id="content">Content</h2>
      <p class="message">{data.message}</p>
      {data.url && (
        <p class="message-url">
          Leads to <code>{data.url}</code>
        </p>
      )}
      {members > 0 && (
        <details>
          <summary>Data, {plural(members, "member")}</summary>
          <pre tabIndex={0}>{JSON.stringify(data.data, null, 2)}</pre>
        </details>
      )}
    </section>
  );
}

function Deliveries({ id, counts }: { id: string; counts: NotificationStatus["deliveries"] }) {
  const { api, scope } = useContext(Console);
  const { query } = usePlace();
  const channel = query.get("channel") ?? "";
  const state = query.get("state") ?? "";
  const asked = { channel, state };
  // Anew whenever the counts have changed.
  const pages = usePages(
    (after, signal) => api.deliveries(scope, id, { ...asked, after, limit: 25 }, signal),
    [scope, id, asked],
    counts,
  );
  return (
    <section aria-labelledby="deliveries">
      <div class="section-head">
        <h2 id="deliveries">Deliveries</h2>
        <div class="filters">
          <Choice
            label="Channel"
            hideLabel
            none="Any channel"
            value={channel}
            values={CHANNELS}
            onChoice={(value) => choose({ channel: value })}
          />
          <Choice
            label="State"
            hideLabel
            none="Any state"
            value={state}
            values={STATES}
            onChoice={(value) => choose({ state: value })}
          />
        </div>
      </div>
      {pages.error && <Failed error={pages.error} again={pages.reload} />}
      {!pages.rows && !pages.error && <Waiting />}
      {pages.rows?.length === 0 && <Empty title="None">No delivery meets these filters.</Empty>}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((delivery) => (
            <li key={delivery.id}>
              <details open={(pages.rows?.length ?? 0) <= 3}>
                <summary>
                  <span class="who">{delivery.user}</span>
                  <ChannelName name={delivery.channel} />
                  <Mark name={delivery.state} />
                  <span class="why">{delivery.action === "withdraw" ? "taken back" : delivery.reason}</span>
                </summary>
                <Timeline delivery={delivery} />
              </details>
            </li>
          ))}
        </ol>
      )}
      <More show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </section>
  );
}

interface Happening {
  at: string;
  what: string;
  kind: string;
  more?: string | null;
}

/** Everything that happened to a delivery, and what will. */
export function Timeline({ delivery }: { delivery: Delivery }) {
  const { scope } = useContext(Console);
  const past: Happening[] = [
    { at: delivery.created_at, what: "Addressed", kind: "quiet" },
    ...delivery.failed_attempts.map((attempt) => ({
      at: attempt.at,
      what: `Attempt ${attempt.number} failed: ${word(attempt.failure)}`,
      kind: "bad",
      more: attempt.reason,
    })),
  ];
  if (delivery.sent_at) {
    past.push({ at: delivery.sent_at, what: "Sent", kind: "good", more: delivery.provider_id });
  }
  if (delivery.acked_at) past.push({ at: delivery.acked_at, what: "On the screen", kind: "good" });
  past.sort((a, b) => a.at.localeCompare(b.at));
  const ended = ["dead", "expired", "suppressed", "cancelled"].includes(delivery.state);
  // Why it is dead is what its last attempt failed of, most of the time: once is enough.
  const said = delivery.reason === delivery.failed_attempts.at(-1)?.reason;
  return (
    <div class="timeline-box">
      <ol class="timeline">
        {past.map((one, at) => (
          <li key={at} class={`mark-${one.kind}`}>
            <time class="numbers" dateTime={one.at} title={one.at}>
              {clock(one.at)}
            </time>
            <span>
              {one.what}
              {one.more && <span class="reason">{one.more}</span>}
            </span>
          </li>
        ))}
        {ended && (
          <li class={delivery.state === "dead" ? "mark-bad" : "mark-quiet"}>
            <time />
            <span>
              <span class="sentence">{word(delivery.state)}</span>
              {delivery.failure && !said && `, ${word(delivery.failure)}`}
              {delivery.reason && !said && <span class="reason">{delivery.reason}</span>}
            </span>
          </li>
        )}
        {delivery.next_attempt_at && (
          <li class="mark-open">
            <time class="numbers" dateTime={delivery.next_attempt_at} title={delivery.next_attempt_at}>
              {clock(delivery.next_attempt_at)}
            </time>
            <span>Next attempt</span>
          </li>
        )}
      </ol>
      <p class="sub">
        <Link to={href(["users", scope.tenant, delivery.user], scopeQuery(scope))}>{delivery.user}</Link>
        {delivery.seq !== null && ` · event ${delivery.seq} of their room`} · expires <Time at={delivery.expires_at} />
      </p>
    </div>
  );
}
