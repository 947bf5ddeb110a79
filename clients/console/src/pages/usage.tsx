/** What a tenant used, by day: a section of the tenant's page. */

import { useState } from "preact/hooks";
import type { Mode, UsageDay } from "../api/types.ts";
import { inOrder } from "../channels.ts";
import { useConsole } from "../context.ts";
import { date, label, number } from "../format.ts";
import { useLoad } from "../load.ts";
import { Choice } from "../ui/fields.tsx";
import { Empty, ErrorNote, Loading } from "../ui/parts.tsx";

const DAY = 86_400_000;

export function Usage({ tenant }: { tenant: string }) {
  const { api } = useConsole();
  const [days, setDays] = useState("30");
  const [mode, setMode] = useState<Mode>("live");
  const { data, error, reload } = useLoad(
    (signal) => api.usage({ tenant, mode }, { since: firstDay(Number(days)) }, signal),
    [tenant, mode, days],
  );
  const used = data?.data ?? [];
  return (
    <section aria-labelledby="usage">
      <div class="section-head">
        <h2 id="usage">Usage by day (UTC)</h2>
        <div class="choices">
          <Choice
            label="Mode"
            hideLabel
            value={mode}
            values={["live", "test"]}
            onChoice={(value) => value && setMode(value)}
          />
          <Choice
            label="Period"
            hideLabel
            value={days}
            values={[
              ["7", "7 days"],
              ["30", "30 days"],
              ["366", "A year"],
            ]}
            onChoice={setDays}
          />
        </div>
      </div>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!data && !error && <Loading rows={3} />}
      {data && used.length === 0 && <Empty title="Nothing was used">No {mode} notification in this period.</Empty>}
      {used.length > 0 && <Days days={used} />}
    </section>
  );
}

function Days({ days }: { days: UsageDay[] }) {
  const channels = inOrder([...new Set(days.flatMap((day) => Object.keys(day.deliveries)))]);
  const total = (count: (day: UsageDay) => number) => days.reduce((sum, day) => sum + count(day), 0);
  const columns: [string, (day: UsageDay) => number, string?][] = [
    ["Notifications", (day) => day.notifications],
    ["Recipients", (day) => day.recipients],
    ...channels.map((channel): [string, (day: UsageDay) => number, string] => [
      `${label(channel)} sent`,
      (day) => day.deliveries[channel]?.sent ?? 0,
      "wide-only",
    ]),
    ["Not sent", notSent],
  ];
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Day</th>
          {columns.map(([name, , more]) => (
            <th key={name} scope="col" class={`right ${more ?? ""}`}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {days.map((day) => (
          <tr key={day.day}>
            <td class="numbers">{date(day.day)}</td>
            {columns.map(([name, count, more]) => (
              <td key={name} class={`right numbers ${more ?? ""}`}>
                {number(count(day))}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Total</th>
          {columns.map(([name, count, more]) => (
            <td key={name} class={`right numbers ${more ?? ""}`}>
              {number(total(count))}
            </td>
          ))}
        </tr>
      </tfoot>
    </table>
  );
}

/** Deliveries that ended without being sent: dead, expired, suppressed or cancelled. */
function notSent(day: UsageDay): number {
  const states = Object.values(day.deliveries).flatMap(Object.entries<number>);
  return states.reduce((sum, [state, count]) => (state === "sent" ? sum : sum + count), 0);
}

/** The first of so many days that end today (UTC), as the API takes it. */
const firstDay = (days: number): string => new Date(Date.now() - (days - 1) * DAY).toISOString().slice(0, 10);
