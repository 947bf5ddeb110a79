/** The users of a tenant. */

import { useConsole } from "../context.ts";
import { number } from "../format.ts";
import { usePages } from "../load.ts";
import { href, Link, scopeQuery, select, useRoute } from "../router.tsx";
import { TextField } from "../ui/fields.tsx";
import { Empty, ErrorNote, Loading, MoreButton, StateMark, Time } from "../ui/parts.tsx";

export function UsersPage() {
  const { api, scope } = useConsole();
  const q = useRoute().query.get("q") ?? "";
  const pages = usePages((after, signal) => api.users({ tenant: scope.tenant, q, after }, signal), [scope.tenant, q]);
  return (
    <>
      <header class="page-head">
        <h1>Users</h1>
      </header>
      <search class="filters">
        <TextField
          label="Search by ID or email address"
          hideLabel
          class="wide"
          placeholder="Part of an ID, or a whole email address"
          value={q}
          onText={(value) => select({ q: value })}
        />
      </search>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading />}
      {pages.rows?.length === 0 &&
        (pages.hasMore ? (
          <Empty title="No matches among the newest 20,000">Continue the search with older users.</Empty>
        ) : q ? (
          <Empty title="No users found">No user of {scope.tenant} has this ID or email address.</Empty>
        ) : (
          <Empty title="No users yet">A user is added with the first notification to them.</Empty>
        ))}
      {pages.rows && pages.rows.length > 0 && (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">User</th>
              <th scope="col">Email</th>
              <th scope="col" class="right">
                Devices
              </th>
              <th scope="col" class="right wide-only">
                Added
              </th>
            </tr>
          </thead>
          <tbody>
            {pages.rows.map((user) => (
              <tr key={user.id}>
                <td class="main">
                  <Link to={href(["users", scope.tenant, user.id], scopeQuery(scope))}>{user.id}</Link>
                </td>
                <td>
                  {user.email ?? <span class="muted">none</span>}{" "}
                  {user.email_disabled_at && <StateMark state="disabled" />}
                </td>
                <td class="right numbers">{number(user.devices)}</td>
                <td class="right numbers wide-only">
                  <Time at={user.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more}>
        {q ? "Search older users" : "Show more"}
      </MoreButton>
    </>
  );
}
