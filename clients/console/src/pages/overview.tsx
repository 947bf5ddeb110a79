/** The state of the installation, now and over time. */

import type { Api } from "../api/client.ts";
import type { Overview } from "../api/types.ts";
import { channelColour } from "../channels.ts";
import { useConsole } from "../context.ts";
import { duration, label, number, plural, rate, words } from "../format.ts";
import { useLoad } from "../load.ts";
import { href, Link, select, useRoute } from "../router.tsx";
import { Chart, type Line } from "../ui/chart.tsx";
import { Choice } from "../ui/fields.tsx";
import { ChannelName, Empty, ErrorNote, Loading } from "../ui/parts.tsx";

/** Milliseconds between two updates. */
const REFRESH_INTERVAL = 5000;
const TIME_RANGES = [
  ["5", "5 minutes"],
  ["15", "15 minutes"],
  ["60", "1 hour"],
  ["119", "2 hours"],
] as [string, string][];
/** Seconds after which an overdue delivery needs attention. */
const LATE = 60;

export function OverviewPage() {
  const { api, session } = useConsole();
  if (session.tenant !== "*") {
    return (
      <Empty title="The overview covers all tenants">
        Your token is for one tenant. You can use its notifications, dead letters and users.
      </Empty>
    );
  }
  return <AllTenants api={api} />;
}

function AllTenants({ api }: { api: Api }) {
  const minutes = useRoute().query.get("minutes") ?? "15";
  const { data, error, reload } = useLoad(
    (signal) => api.overview(Number(minutes), signal),
    [minutes],
    REFRESH_INTERVAL,
  );
  return (
    <>
      <header class="page-head">
        <h1>Overview</h1>
        <Choice
          label="Time range"
          hideLabel
          value={minutes}
          values={TIME_RANGES}
          onChoice={(value) => select({ minutes: value === "15" ? null : value })}
        />
      </header>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!data && !error && <Loading rows={8} />}
      {data && <Figures data={data} />}
      {data && !data.counted && (
        <p class="note">Redis is unavailable, so there are no statistics. Deliveries continue, more slowly.</p>
      )}
      {data?.counted && <Charts data={data} />}
      {data && <Tables data={data} />}
    </>
  );
}

const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0);
/** The sum over all channels. */
const total = (byChannel: Record<string, number[]>): number => sum(Object.values(byChannel).map(sum));

function Figures({ data }: { data: Overview }) {
  const oldest = Math.max(...data.queues.map((queue) => queue.oldest_seconds));
  const due = sum(data.queues.map((queue) => queue.due));
  const dead = sum(Object.values(data.dead_letters));
  const { series, latency } = data;
  return (
    <ul class="figures">
      <Figure name="Accepted" value={number(sum(series.accepted))} more="notifications" />
      <Figure name="Sent" value={number(total(series.sent))} more={`${number(total(series.acked))} acknowledged`} />
      <Figure
        name="Time to screen, p95"
        value={duration(latency.p95)}
        more={`p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}`}
      />
      <Figure
        name="Pending"
        value={number(due)}
        more={due ? `oldest ${duration(oldest)}` : "no backlog"}
        bad={oldest > LATE}
      />
      <Figure
        name="Dead letters"
        value={number(dead)}
        more={`${number(total(series.dead))} new`}
        bad={total(series.dead) > 0}
      />
      <Figure
        name="Connections"
        value={number(data.connections)}
        more={plural(data.web_processes, "web process", "web processes")}
      />
    </ul>
  );
}

function Figure(props: { name: string; value: string; more: string; bad?: boolean }) {
  return (
    <li>
      <span class="figure-name">{props.name}</span>
      <span class={`figure-value numbers ${props.bad ? "bad" : ""}`}>{props.value}</span>
      <span class="figure-more numbers">{props.more}</span>
    </li>
  );
}

function Charts({ data }: { data: Overview }) {
  const { series, step_seconds } = data;
  const perSecond = (values: number[]) => values.map((value) => value / step_seconds);
  const byChannel = (values: Record<string, (number | null)[]>): Line[] =>
    Object.entries(values).map(([channel, line]) => ({
      name: label(channel),
      colour: channelColour(channel),
      values: line,
    }));
  const rates = (values: Record<string, number[]>) =>
    byChannel(Object.fromEntries(Object.entries(values).map(([channel, line]) => [channel, perSecond(line)])));
  const charts: { title: string; lines: Line[]; format: (value: number) => string }[] = [
    {
      title: "Accepted per second",
      lines: [{ name: "Notifications", colour: "ink", values: perSecond(series.accepted) }],
      format: rate,
    },
    { title: "Sent per second", lines: rates(series.sent), format: rate },
    {
      title: "Time to screen",
      lines: [
        { name: "p50", colour: "p50", values: series.p50 },
        { name: "p95", colour: "p95", values: series.p95 },
        { name: "p99", colour: "p99", values: series.p99 },
      ],
      format: duration,
    },
    { title: "Acknowledged per second", lines: rates(series.acked), format: rate },
    {
      title: "Oldest pending delivery",
      lines: byChannel(series.oldest).map((line) => ({ ...line, sampled: true })),
      format: duration,
    },
    { title: "Dead per second", lines: rates(series.dead), format: rate },
  ];
  return (
    <div class="charts">
      {charts.map((chart) => (
        <Chart key={chart.title} at={series.at} {...chart} />
      ))}
    </div>
  );
}

function Tables({ data }: { data: Overview }) {
  const dead = Object.entries(data.dead_letters).sort(([, a], [, b]) => b - a);
  return (
    <div class="columns">
      <section aria-labelledby="queues">
        <h2 id="queues">Queues</h2>
        <table>
          <thead>
            <tr>
              <th scope="col">Channel</th>
              <th scope="col" class="right">
                Pending
              </th>
              <th scope="col" class="right">
                Oldest
              </th>
            </tr>
          </thead>
          <tbody>
            {data.queues.map((queue) => (
              <tr key={queue.channel}>
                <td>
                  <ChannelName name={queue.channel} />
                  {queue.paused_for && <span class="sub bad">Paused: {words(queue.paused_for)}</span>}
                </td>
                <td class="right numbers">{queue.due >= 10_000 ? "10,000 or more" : number(queue.due)}</td>
                <td class={`right numbers ${queue.oldest_seconds > LATE ? "bad" : ""}`}>
                  {queue.due ? duration(queue.oldest_seconds) : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <section aria-labelledby="dead">
        <h2 id="dead">Dead letters</h2>
        {dead.length === 0 ? (
          <Empty title="No dead letters">Every delivery has arrived or will be attempted again.</Empty>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">Failure</th>
                <th scope="col" class="right">
                  Count
                </th>
              </tr>
            </thead>
            <tbody>
              {dead.map(([failure, count]) => (
                <tr key={failure}>
                  <td class="main">
                    <Link to={href(["dead-letters"])}>{label(failure)}</Link>
                  </td>
                  <td class="right numbers">{number(count)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
    </div>
  );
}
