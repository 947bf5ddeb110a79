/** One notification: its content, its progress on each channel, and its deliveries. */

import { DELIVERY_STATES } from "carillon-client/openapi";
import { useState } from "preact/hooks";
import type { Delivery, NotificationStatus, Outcome } from "../api/types.ts";
import { channelColour, inOrder } from "../channels.ts";
import { useConsole } from "../context.ts";
import { label, leftOut, number, plural, redrivable, share, words } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { href, Link, scopeQuery, select, useRoute } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { Choice } from "../ui/fields.tsx";
import { redriveAll, useJob } from "../ui/job.tsx";
import {
  ChannelName,
  CopyButton,
  Empty,
  ErrorNote,
  Facts,
  Loading,
  MoreButton,
  StateMark,
  stateName,
  Time,
} from "../ui/parts.tsx";
import { Timeline } from "../ui/timeline.tsx";

/** Milliseconds between two updates. */
const REFRESH_INTERVAL = 3000;

/** How many deliveries there are, by channel and state. */
type StateCounts = Partial<Record<Delivery["state"], number>>;
type Counts = Record<string, StateCounts>;

export function NotificationPage({ id }: { id: string }) {
  const { api, scope } = useConsole();
  const job = useJob();
  const { data, error, reload } = useLoad(
    (signal) => api.notification(scope, id, signal),
    [scope, id],
    REFRESH_INTERVAL,
  );
  const [confirming, setConfirming] = useState<"recall" | "redrive" | null>(null);
  if (!data) return error ? <ErrorNote error={error} onRetry={reload} /> : <Loading rows={8} />;
  const counts: Counts = data.deliveries;
  const dead = Object.values(counts).reduce((total, states) => total + (states.dead ?? 0), 0);
  const again = redrivable(dead, data.not_redrivable);
  const recallable = data.state === "accepted" || data.state === "expanded";
  return (
    <>
      <nav class="trail" aria-label="Breadcrumb">
        <Link to={href(["notifications"], scopeQuery(scope))}>Notifications</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{data.title}</h1>
        <div class="buttons">
          {again > 0 && (
            <button type="button" disabled={job?.state === "running"} onClick={() => setConfirming("redrive")}>
              Send {plural(again, "dead letter")} again
            </button>
          )}
          {recallable && (
            <button type="button" class="danger" onClick={() => setConfirming("recall")}>
              Recall
            </button>
          )}
        </div>
      </header>
      {error && <ErrorNote error={error} onRetry={reload} />}
      <Progress counts={counts} withdrawals={data.withdrawals} state={data.state} />
      <Reasons reasons={data.reasons} />
      <div class="columns">
        <Content data={data} />
        <Details data={data} />
      </div>
      <Deliveries id={id} counts={counts} />
      {confirming === "recall" && (
        <Confirm
          title="Recall this notification?"
          action="Recall"
          danger
          onConfirm={async () => {
            await api.recall(scope, id);
            reload();
          }}
          onClose={() => setConfirming(null)}
        >
          <p>
            Pending deliveries of “{data.title}” are cancelled. Where a channel allows it, the notification is removed
            from devices that show it. Emails that were sent cannot be recalled. This cannot be undone.
          </p>
        </Confirm>
      )}
      {confirming === "redrive" && (
        <Confirm
          title={`Send ${plural(again, "dead letter")} again?`}
          action="Send again"
          onConfirm={() => void redriveAll(api, scope, { notification_id: id }, again).then(reload)}
          onClose={() => setConfirming(null)}
        >
          <p>Each delivery gets a full set of new attempts. {leftOut(data.not_redrivable)}</p>
        </Confirm>
      )}
    </>
  );
}

function Progress(props: { counts: Counts; withdrawals: Counts; state: NotificationStatus["state"] }) {
  const { counts, withdrawals, state } = props;
  const channels = inOrder(Object.keys(counts));
  if (channels.length === 0) {
    return state === "accepted" ? (
      <Empty title="In progress">The recipients are being looked up.</Empty>
    ) : (
      <Empty title="No recipients">The audience of this notification was empty.</Empty>
    );
  }
  return (
    <section class="funnels" aria-label="Progress by channel">
      {channels.map((channel) => (
        <ChannelProgress
          key={channel}
          channel={channel}
          states={counts[channel] ?? {}}
          withdrawals={withdrawals[channel] ?? {}}
          recalled={state === "recalling" || state === "recalled"}
        />
      ))}
    </section>
  );
}

function ChannelProgress(props: { channel: string; states: StateCounts; withdrawals: StateCounts; recalled: boolean }) {
  const { channel, states, withdrawals, recalled } = props;
  const { sent = 0, acked = 0, ...others } = states;
  const total = Object.values(states).reduce((sum, one) => sum + one, 0);
  const steps: [string, number][] = [
    ["Recipients", total],
    [recalled ? "Sent before the recall" : "Sent", sent + acked],
  ];
  // Not every channel reports acknowledgements.
  if (acked > 0) steps.push(["Acknowledged", acked]);
  if (recalled) steps.push(["Withdrawn", (withdrawals.sent ?? 0) + (withdrawals.acked ?? 0)]);
  const remaining = Object.entries(others).filter(([, count]) => count > 0);
  return (
    <div class="funnel">
      <h2>
        <ChannelName name={channel} />
      </h2>
      <dl>
        {steps.map(([name, value], place) => (
          <div key={name} class="step">
            <dt>{name}</dt>
            <dd class="numbers">
              {number(value)} <span class="muted">{place > 0 && share(value, total)}</span>
            </dd>
            <dd class="bar" aria-hidden="true">
              <i
                class={`colour-${channelColour(channel)}`}
                style={{ width: `${(100 * value) / Math.max(total, 1)}%` }}
              />
            </dd>
          </div>
        ))}
      </dl>
      <p class="others numbers">
        {remaining.length === 0 && "None pending or failed."}
        {remaining.map(([state, count]) => [<StateMark key={state} state={state} />, <b>{number(count)}</b>])}
      </p>
    </div>
  );
}

function Reasons({ reasons }: { reasons: Outcome[] }) {
  if (reasons.length === 0) return null;
  return (
    <section aria-labelledby="reasons">
      <h2 id="reasons">Not delivered, and why</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Reason</th>
            <th scope="col">Channel</th>
            <th scope="col">State</th>
            <th scope="col" class="right">
              Count
            </th>
          </tr>
        </thead>
        <tbody>
          {reasons.map((group) => (
            <tr key={JSON.stringify([group.channel, group.state, group.failure, group.reason])}>
              <td class="main">{group.reason ?? words(group.failure ?? group.state)}</td>
              <td>
                <ChannelName name={group.channel} />
              </td>
              <td>
                <StateMark state={group.state} />
              </td>
              <td class="right numbers">{number(group.number)}</td>
            </tr>
          ))}
        </tbody>
      </table>
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
          Links to <code>{data.url}</code>
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

function Details({ data }: { data: NotificationStatus }) {
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">Details</h2>
      <Facts
        facts={[
          ["State", <StateMark state={data.state} />],
          [
            "ID",
            <span class="ident">
              <code>{data.id}</code> <CopyButton text={data.id} what="the ID" />
            </span>,
          ],
          ["Priority", data.priority],
          ["Level", data.level],
          ["Type", data.type],
          ["Category", data.category ?? "–"],
          ["Recipients", <span class="numbers">{number(data.recipients)}</span>],
          ["Channels", data.channels ? data.channels.map(label).join(", ") : "All channels of each user"],
          ["Reference", data.reference ?? "–"],
          ["Accepted", <Time at={data.created_at} />],
          ["Expires", <Time at={data.expires_at} />],
        ]}
      />
    </section>
  );
}

function Deliveries({ id, counts }: { id: string; counts: Counts }) {
  const { api, scope } = useConsole();
  const { query } = useRoute();
  const filter = { channel: query.get("channel") ?? "", state: query.get("state") ?? "" };
  // The list is loaded again whenever the counts change.
  const pages = usePages(
    (after, signal) => api.deliveries(scope, id, { ...filter, after, limit: 25 }, signal),
    [scope, id, filter],
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
            none="All channels"
            value={filter.channel}
            values={inOrder(Object.keys(counts))}
            onChoice={(channel) => select({ channel })}
          />
          <Choice
            label="State"
            hideLabel
            none="All states"
            value={filter.state}
            values={DELIVERY_STATES.map((state): [string, string] => [state, label(stateName(state))])}
            onChoice={(state) => select({ state })}
          />
        </div>
      </div>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading />}
      {pages.rows?.length === 0 && <Empty title="No deliveries">No delivery matches these filters.</Empty>}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((delivery) => (
            <li key={delivery.id}>
              <details open={(pages.rows?.length ?? 0) <= 3}>
                <summary>
                  <span class="user">{delivery.user}</span>
                  <ChannelName name={delivery.channel} />
                  <StateMark state={delivery.state} />
                  <span class="cause">{delivery.action === "withdraw" ? "recalled" : delivery.reason}</span>
                </summary>
                <Timeline delivery={delivery} />
              </details>
            </li>
          ))}
        </ol>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </section>
  );
}
