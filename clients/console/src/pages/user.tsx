/** One user: how to reach them, their devices, and what was sent to them. */

import { useState } from "preact/hooks";
import type { UserDelivery, UserDetails } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { platform, plural, words } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { href, Link, scopeQuery } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { ChannelName, Empty, ErrorNote, Facts, Loading, MoreButton, StateMark, Time } from "../ui/parts.tsx";

/** Milliseconds between two updates. */
const REFRESH_INTERVAL = 10_000;

export function UserPage({ tenant, id }: { tenant: string; id: string }) {
  const { api, scope } = useConsole();
  const { data, error, reload } = useLoad((signal) => api.user(tenant, id, signal), [tenant, id], REFRESH_INTERVAL);
  if (!data) return error ? <ErrorNote error={error} onRetry={reload} /> : <Loading rows={8} />;
  return (
    <>
      <nav class="trail" aria-label="Breadcrumb">
        <Link to={href(["users"], scopeQuery({ ...scope, tenant }))}>Users of {tenant}</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{data.user.id}</h1>
        {data.presence && <StateMark state={data.presence} />}
      </header>
      {error && <ErrorNote error={error} onRetry={reload} />}
      <Reach data={data} />
      <div class="columns">
        <section aria-labelledby="devices">
          <h2 id="devices">Devices</h2>
          <Devices devices={data.devices} />
        </section>
        <section aria-labelledby="facts">
          <h2 id="facts">Details</h2>
          <Facts
            facts={[
              ["Email", <Email tenant={tenant} user={data.user} onEnabled={reload} />],
              ["Language", data.user.locale ?? "unknown"],
              ["Topics", data.topics.length ? data.topics.join(", ") : "none"],
              ["Added", <Time at={data.user.created_at} />],
              ["Changed", <Time at={data.user.updated_at} />],
            ]}
          />
        </section>
      </div>
      <Recent tenant={tenant} user={id} />
    </>
  );
}

/** The email address. One that is disabled says since when and why, and can be used again. */
function Email(props: { tenant: string; user: UserDetails["user"]; onEnabled: () => void }) {
  const { api } = useConsole();
  const [confirming, setConfirming] = useState(false);
  const { id, email, email_disabled_at: since, email_disabled_reason: reason } = props.user;
  if (email === null || since === null) return <>{email ?? "none"}</>;
  return (
    <>
      {email}
      <span class="sub">
        Disabled since <Time at={since} />: {reason}
      </span>
      <button type="button" class="small" onClick={() => setConfirming(true)}>
        Use again
      </button>
      {confirming && (
        <Confirm
          title="Use this address again?"
          action="Use again"
          onConfirm={async () => {
            await api.enableEmail({ tenant: props.tenant, mode: "live" }, id);
            props.onEnabled();
          }}
          onClose={() => setConfirming(false)}
        >
          <p>
            The mail server said that {email} does not exist. If it says so again, the address is disabled again. Emails
            that were not sent meanwhile are not sent now.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Reach({ data }: { data: UserDetails }) {
  return (
    <section aria-labelledby="reach">
      <h2 id="reach">Where a notification would be sent now</h2>
      <ul class="reach">
        {data.reach.map(({ channel, addresses, reason }) => (
          <li key={channel}>
            <ChannelName name={channel} />
            {addresses.length > 0 ? (
              <span class="reach-to">{addresses.map((address) => describe(address, data)).join(", ")}</span>
            ) : (
              <span class="reach-to muted">Not reachable: {reason}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** An address of any channel: the user's own room, one of their devices, or anything else as it is. */
function describe(address: string, { user, devices, presence }: UserDetails): string {
  if (address === `user:${user.id}`) return presence === "offline" ? "inbox (offline)" : "inbox and open pages";
  const device = devices.find((one) => one.id === address);
  return device ? `${platform(device.platform)} ${device.id.slice(0, 8)}` : address;
}

function Devices({ devices }: { devices: UserDetails["devices"] }) {
  if (devices.length === 0) return <Empty title="No devices">An app registers its device when it starts.</Empty>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Device</th>
          <th scope="col">State</th>
          <th scope="col" class="right">
            Last seen
          </th>
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => (
          <tr key={device.id}>
            <td class="main">
              {platform(device.platform)} <code class="muted">{device.id.slice(0, 8)}</code>
              {device.disabled_at && (
                <span class="sub">
                  Disabled since <Time at={device.disabled_at} />: {device.disabled_reason}
                </span>
              )}
            </td>
            <td>
              <StateMark state={device.state} />
            </td>
            <td class="right numbers">
              <Time at={device.last_seen_at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Recent({ tenant, user }: { tenant: string; user: string }) {
  const { api, scope } = useConsole();
  const userScope = { tenant, mode: scope.mode };
  const pages = usePages(
    (after, signal) => api.deliveriesOf(userScope, { user, after, limit: 25 }, signal),
    [tenant, user, scope.mode],
  );
  return (
    <section aria-labelledby="recent">
      <div class="section-head">
        <h2 id="recent">What became of recent notifications</h2>
        <Link to={href(["notifications"], { ...scopeQuery(userScope), user })}>Show all</Link>
      </div>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading rows={3} />}
      {pages.rows?.length === 0 && <Empty title="No notifications yet" />}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="recent">
          {byNotification(pages.rows).map((rows) => (
            <li key={rows[0]?.notification_id}>
              <p class="recent-title">
                <Link to={href(["notifications", rows[0]?.notification_id ?? ""], scopeQuery(userScope))}>
                  {rows[0]?.title}
                </Link>
                <span class="numbers muted">
                  <Time at={rows.at(-1)?.created_at ?? null} />
                </span>
              </p>
              <ul>
                {rows.map((row) => (
                  <Became key={row.id} row={row} />
                ))}
              </ul>
            </li>
          ))}
        </ol>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </section>
  );
}

/** The deliveries of each notification, in the order of the list. */
function byNotification(rows: UserDelivery[]): UserDelivery[][] {
  const groups = new Map<string, UserDelivery[]>();
  for (const row of rows) groups.set(row.notification_id, [...(groups.get(row.notification_id) ?? []), row]);
  return [...groups.values()];
}

function Became({ row }: { row: UserDelivery }) {
  const failed = row.failed_attempts.at(-1);
  const cause = row.action === "withdraw" ? "withdrawal" : (row.reason ?? (row.failure && words(row.failure)));
  return (
    <li class="became">
      <ChannelName name={row.channel} />
      <StateMark state={row.state} />
      {cause && <span class="cause">{cause}</span>}
      <span class="numbers muted">
        {row.attempts > 0 && `${plural(row.attempts, "attempt")} · `}
        <Time at={row.acked_at ?? row.sent_at ?? failed?.at ?? row.created_at} />
      </span>
    </li>
  );
}
