/** What was sent: searched and filtered. */

import { useContext, useState } from "preact/hooks";
import { Console } from "../console.ts";
import { number, word } from "../format.ts";
import { usePages } from "../load.ts";
import { choose, href, Link, usePlace } from "../router.tsx";
import { Choice, Empty, Failed, Mark, More, Time, Typed, Waiting } from "../ui/parts.tsx";

const STATES = ["accepted", "expanded", "recalling", "recalled"] as const;
const PRIORITIES = ["critical", "high", "normal", "low", "bulk"] as const;
const RARE = ["type", "category", "user", "reference", "since", "until"] as const;
const FILTERS = ["q", "state", "priority", ...RARE] as const;

export function NotificationsPage() {
  const { api, scope } = useContext(Console);
  const { query } = usePlace();
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""])) as Record<string, string>;
  const rare = RARE.filter((name) => chosen[name]).length;
  const [open, setOpen] = useState(rare > 0);
  const asked = { ...chosen, since: instant(chosen.since), until: instant(chosen.until) };
  const filtered = FILTERS.some((name) => chosen[name]);
  const pages = usePages((after, signal) => api.notifications(scope, { ...asked, after }, signal), [scope, asked]);
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
        <Typed
          label="Search in titles, or by id"
          hideLabel
          class="wide"
          placeholder="A part of the title, or an id"
          value={chosen.q ?? ""}
          onTyped={(q) => choose({ q })}
        />
        <Choice
          label="State"
          hideLabel
          none="Any state"
          value={chosen.state ?? ""}
          values={STATES}
          onChoice={(state) => choose({ state })}
        />
        <Choice
          label="Priority"
          hideLabel
          none="Any priority"
          value={chosen.priority ?? ""}
          values={PRIORITIES}
          onChoice={(priority) => choose({ priority })}
        />
        <button type="button" aria-expanded={open} aria-controls="more-filters" onClick={() => setOpen(!open)}>
          {rare ? `More filters (${rare})` : "More filters"}
        </button>
        {filtered && (
          <button
            type="button"
            class="plain"
            onClick={() => choose(Object.fromEntries(FILTERS.map((name) => [name, null])))}
          >
            Clear
          </button>
        )}
        <div id="more-filters" class="filters-more" hidden={!open}>
          <Typed label="Type" value={chosen.type ?? ""} onTyped={(type) => choose({ type })} />
          <Typed label="Category" value={chosen.category ?? ""} onTyped={(category) => choose({ category })} />
          <Typed label="User" value={chosen.user ?? ""} onTyped={(user) => choose({ user })} />
          <Typed label="Reference" value={chosen.reference ?? ""} onTyped={(reference) => choose({ reference })} />
          <Typed label="From" type="datetime-local" value={chosen.since ?? ""} onTyped={(since) => choose({ since })} />
          <Typed
            label="Until"
            type="datetime-local"
            value={chosen.until ?? ""}
            onTyped={(until) => choose({ until })}
          />
        </div>
      </search>
      {pages.error && <Failed error={pages.error} again={pages.reload} />}
      {!rows && !pages.error && <Waiting />}
      {rows && rows.length > 0 && (
        <table class="list stacked">
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">State</th>
              <th scope="col" class="late">
                Priority
              </th>
              <th scope="col" class="late">
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
                  <Mark name={row.state} />
                </td>
                <td class="late">{row.priority}</td>
                <td class="late">{row.channels ? row.channels.map(word).join(", ") : "all"}</td>
                <td class="right numbers">{number(row.recipients)}</td>
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
          <Empty title="Not among the newest 10,000">Look further back.</Empty>
        ) : filtered ? (
          <Empty title="Nothing found">Nothing that is kept meets all of these filters.</Empty>
        ) : (
          <Empty title="Nothing was sent yet">
            What {scope.tenant} sends with a {scope.mode} key is listed here.
          </Empty>
        ))}
      <More show={hasMore} busy={pages.loading} onClick={pages.more}>
        {filtered ? "Look further back" : "Show older ones"}
      </More>
    </>
  );
}

/** What keeps the chosen tenant and mode in a link. */
export function scopeQuery(scope: { tenant: string; mode: string }): Record<string, string | null> {
  return { tenant: scope.tenant, mode: scope.mode === "test" ? "test" : null };
}

/** What a field for date and time holds is in the zone of the browser; the server wants to know which one. */
function instant(local: string | undefined): string | undefined {
  const then = local ? new Date(local) : null;
  return then && !Number.isNaN(then.getTime()) ? then.toISOString() : undefined;
}
