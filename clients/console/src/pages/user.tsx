/** One user: how to reach them, their devices, and what was sent to them. */

import type { UserDetails } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { number } from "../format.ts";
import { useLoad } from "../load.ts";
import { href, Link, scopeQuery } from "../router.tsx";
import { ChannelName, Empty, ErrorNote, Facts, Loading, StateMark, Time } from "../ui/parts.tsx";

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
              ["Email", data.user.email ?? "none"],
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
  return device ? `${device.platform ?? "device"} ${device.id.slice(0, 8)}` : address;
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
              {device.platform ?? "unknown"} <code class="muted">{device.id.slice(0, 8)}</code>
              {device.disabled_reason && <span class="sub">{device.disabled_reason}</span>}
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
  const { data, error, reload } = useLoad(
    (signal) => api.notifications(userScope, { user, limit: 10 }, signal),
    [tenant, user, scope.mode],
  );
  return (
    <section aria-labelledby="recent">
      <div class="section-head">
        <h2 id="recent">Recent notifications</h2>
        <Link to={href(["notifications"], { ...scopeQuery(userScope), user })}>Show all</Link>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!data && !error && <Loading rows={3} />}
      {data?.data.length === 0 && <Empty title="No notifications yet" />}
      {data && data.data.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">State</th>
              <th scope="col" class="right wide-only">
                Recipients
              </th>
              <th scope="col" class="right">
                Accepted
              </th>
            </tr>
          </thead>
          <tbody>
            {data.data.map((row) => (
              <tr key={row.id}>
                <td class="main">
                  <Link to={href(["notifications", row.id], scopeQuery(userScope))}>{row.title}</Link>
                </td>
                <td>
                  <StateMark state={row.state} />
                </td>
                <td class="right numbers wide-only">{number(row.recipients)}</td>
                <td class="right numbers">
                  <Time at={row.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
