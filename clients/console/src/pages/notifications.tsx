/** The notifications of a tenant, with search and filters. */

import { NOTIFICATION_STATES, PRIORITIES } from "carillon-client/openapi";
import { useState } from "preact/hooks";
import { useConsole } from "../context.ts";
import { label, number } from "../format.ts";
import { usePages } from "../load.ts";
import { href, Link, scopeQuery, select, useRoute } from "../router.tsx";
import { Choice, TextField } from "../ui/fields.tsx";
import { Empty, ErrorNote, Loading, MoreButton, StateMark, Time } from "../ui/parts.tsx";

/** Filters that are hidden until they are asked for. */
const MORE_FILTERS = ["type", "category", "user", "reference", "since", "until"] as const;
const FILTERS = ["q", "state", "priority", ...MORE_FILTERS] as const;

type Filters = Record<(typeof FILTERS)[number], string>;

export function NotificationsPage() {
  const { api, scope } = useConsole();
  const { query } = useRoute();
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""])) as Filters;
  const hidden = MORE_FILTERS.filter((name) => chosen[name]).length;
  const [open, setOpen] = useState(hidden > 0);
  const filter = { ...chosen, since: instant(chosen.since), until: instant(chosen.until) };
  const filtered = FILTERS.some((name) => chosen[name]);
  const pages = usePages((after, signal) => api.notifications(scope, { ...filter, after }, signal), [scope, filter]);
  const { rows, hasMore } = pages;
  return (
    <>
      <header class="page-head">
        <h1>Notifications</h1>
        <button type="button" onClick={pages.reload} disabled={pages.loading}>
          Refresh
        </button>
      </header>
      <search class="filters">
        <TextField
          label="Search by title or ID"
          hideLabel
          class="wide"
          placeholder="Part of a title, or an ID"
          value={chosen.q}
          onText={(q) => select({ q })}
        />
        <Choice
          label="State"
          hideLabel
          none="All states"
          value={chosen.state}
          values={NOTIFICATION_STATES}
          onChoice={(state) => select({ state })}
        />
        <Choice
          label="Priority"
          hideLabel
          none="All priorities"
          value={chosen.priority}
          values={PRIORITIES}
          onChoice={(priority) => select({ priority })}
        />
        <button type="button" aria-expanded={open} aria-controls="more-filters" onClick={() => setOpen(!open)}>
          {hidden ? `More filters (${hidden})` : "More filters"}
        </button>
        {filtered && (
          <button
            type="button"
            class="plain"
            onClick={() => select(Object.fromEntries(FILTERS.map((name) => [name, null])))}
          >
            Clear
          </button>
        )}
        <div id="more-filters" class="filters-more" hidden={!open}>
          <TextField label="Type" value={chosen.type} onText={(type) => select({ type })} />
          <TextField label="Category" value={chosen.category} onText={(category) => select({ category })} />
          <TextField label="User" value={chosen.user} onText={(user) => select({ user })} />
          <TextField label="Reference" value={chosen.reference} onText={(reference) => select({ reference })} />
          <TextField label="From" type="datetime-local" value={chosen.since} onText={(since) => select({ since })} />
          <TextField label="Until" type="datetime-local" value={chosen.until} onText={(until) => select({ until })} />
        </div>
      </search>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!rows && !pages.error && <Loading />}
      {rows && rows.length > 0 && (
        <table class="list stacked">
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">State</th>
              <th scope="col" class="wide-only">
                Priority
              </th>
              <th scope="col" class="wide-only">
                Channels
              </th>
              <th scope="col" class="right">
                Recipients
              </th>
              <th scope="col" class="right">
                Accepted
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <td class="main">
                  <Link to={href(["notifications", row.id], scopeQuery(scope))}>{row.title}</Link>
                  <span class="sub">
                    {row.type}
                    {row.category && ` · ${row.category}`}
                    {row.reference && ` · ${row.reference}`}
                  </span>
                </td>
                <td>
                  <StateMark state={row.state} />
                </td>
                <td class="wide-only">{row.priority}</td>
                <td class="wide-only">{row.channels ? row.channels.map(label).join(", ") : "All"}</td>
                <td class="right numbers">
                  {number(row.recipients)}
                  <span class="narrow-only"> {row.recipients === 1 ? "recipient" : "recipients"}</span>
                </td>
                <td class="right numbers">
                  <Time at={row.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows?.length === 0 &&
        (hasMore ? (
          <Empty title="No matches among the newest 10,000">Continue the search with older notifications.</Empty>
        ) : filtered ? (
          <Empty title="Nothing found">No notification matches these filters.</Empty>
        ) : (
          <Empty title="No notifications yet">
            Notifications that {scope.tenant} sends with a {scope.mode} key appear here.
          </Empty>
        ))}
      <MoreButton show={hasMore} busy={pages.loading} onClick={pages.more}>
        {filtered ? "Search older notifications" : "Show older notifications"}
      </MoreButton>
    </>
  );
}

/** The value of a date and time field, which is in the time zone of the browser, in UTC. */
function instant(local: string): string | undefined {
  const then = local ? new Date(local) : null;
  return then && !Number.isNaN(then.getTime()) ? then.toISOString() : undefined;
}
