/** The users of a tenant, and one user's page. */

import { useContext } from "preact/hooks";
import type { UserPage as Shown } from "../api.ts";
import { Console } from "../console.ts";
import { number } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { choose, href, Link, usePlace } from "../router.tsx";
import { ChannelName, Empty, Facts, Failed, Mark, More, Time, Typed, Waiting } from "../ui/parts.tsx";
import { scopeQuery } from "./notifications.tsx";

export function UsersPage() {
  const { api, scope } = useContext(Console);
  const q = usePlace().query.get("q") ?? "";
  const pages = usePages((after, signal) => api.users(scope.tenant, { q, after }, signal), [scope.tenant, q]);
  return (
    <>
      <header class="page-head">
        <h1>Users</h1>
      </header>
      <search class="filters">
        <Typed
          label="Search by id or mailbox"
          hideLabel
          class="wide"
          placeholder="A part of the id, or a whole mailbox"
          value={q}
          onTyped={(value) => choose({ q: value })}
        />
      </search>
      {pages.error && <Failed error={pages.error} again={pages.reload} />}
      {!pages.rows && !pages.error && <Waiting />}
      {pages.rows?.length === 0 &&
        (pages.hasMore ? (
          <Empty title="Not among the newest 20,000">Look further back.</Empty>
        ) : q ? (
          <Empty title="Nobody found">No user of {scope.tenant} has that id or mailbox.</Empty>
        ) : (
          <Empty title="Nobody yet">A user is known from the first notification to them on.</Empty>
        ))}
      {pages.rows && pages.rows.length > 0 && (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">User</th>
              <th scope="col">Mailbox</th>
              <th scope="col" class="right">
                Devices
              </th>
              <th scope="col" class="right late">
                Known since
              </th>
            </tr>
          </thead>
          <tbody>
            {pages.rows.map((user) => (
              <tr key={user.id}>
                <td class="main">
                  <Link to={href(["users", scope.tenant, user.id], scopeQuery(scope))}>{user.id}</Link>
                </td>
                <td>{user.email ?? <span class="muted">none</span>}</td>
                <td class="right numbers">{number(user.devices)}</td>
                <td class="right numbers late">
                  <Time at={user.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More show={pages.hasMore} busy={pages.loading} onClick={pages.more}>
        {q ? "Look further back" : "Show more"}
      </More>
    </>
  );
}

export function UserPage({ tenant, id }: { tenant: string; id: string }) {
  const { api, scope } = useContext(Console);
  const { data, error, reload } = useLoad((signal) => api.user(tenant, id, signal), [tenant, id], 10_000);
  if (!data) return error ? <Failed error={error} again={reload} /> : <Waiting rows={8} />;
  return (
    <>
      <nav class="trail" aria-label="Where this is">
        <Link to={href(["users"], scopeQuery({ ...scope, tenant }))}>Users of {tenant}</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{data.user.id}</h1>
        {data.presence && <Mark name={data.presence} />}
      </header>
      {error && <Failed error={error} again={reload} />}
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
              ["Mailbox", data.user.email ?? "none"],
              ["Language", data.user.locale ?? "not known"],
              ["Topics", data.topics.length ? data.topics.join(", ") : "none"],
              ["Known since", <Time at={data.user.created_at} />],
              ["Changed", <Time at={data.user.updated_at} />],
            ]}
          />
        </section>
      </div>
      <Recent tenant={tenant} user={id} />
    </>
  );
}

function Reach({ data }: { data: Shown }) {
  const devices = new Map(data.devices.map((device) => [device.id, device]));
  const named = (channel: string, address: string) =>
    channel === "push" ? `${devices.get(address)?.platform ?? "device"} ${address.slice(0, 8)}` : address;
  return (
    <section aria-labelledby="reach">
      <h2 id="reach">A notification sent now would go to</h2>
      <ul class="reach">
        {data.reach.map((one) => (
          <li key={one.channel}>
            <ChannelName name={one.channel} />
            {one.addresses.length > 0 ? (
              <span class="reach-to">
                {one.channel === "in_app"
                  ? data.presence === "offline"
                    ? "their inbox; they are not there"
                    : "their screens, and their inbox"
                  : one.addresses.map((address) => named(one.channel, address)).join(", ")}
              </span>
            ) : (
              <span class="reach-to muted">nowhere: {one.reason}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Devices({ devices }: { devices: Shown["devices"] }) {
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
              <Mark name={device.state} />
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
  const { api, scope } = useContext(Console);
  const of = { tenant, mode: scope.mode };
  const { data, error, reload } = useLoad(
    (signal) => api.notifications(of, { user, limit: 10 }, signal),
    [tenant, user, scope.mode],
  );
  return (
    <section aria-labelledby="recent">
      <div class="section-head">
        <h2 id="recent">Sent to them</h2>
        <Link to={href(["notifications"], { ...scopeQuery(of), user })}>All of them</Link>
      </div>
      {error && <Failed error={error} again={reload} />}
      {!data && !error && <Waiting rows={3} />}
      {data?.data.length === 0 && <Empty title="Nothing yet" />}
      {data && data.data.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">State</th>
              <th scope="col" class="right late">
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
                  <Link to={href(["notifications", row.id], scopeQuery(of))}>{row.title}</Link>
                </td>
                <td>
                  <Mark name={row.state} />
                </td>
                <td class="right numbers late">{number(row.recipients)}</td>
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
