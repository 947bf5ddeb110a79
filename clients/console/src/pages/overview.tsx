/** How the installation does, at a glance and over time. */

import type { Api } from "../api.ts";
import { useContext } from "preact/hooks";
import { Console } from "../console.ts";
import { duration, number, plural, rate, word } from "../format.ts";
import { useLoad } from "../load.ts";
import { choose, href, Link, usePlace } from "../router.tsx";
import { Chart, type Line } from "../ui/chart.tsx";
import { ChannelName, Choice, Empty, Failed, Waiting } from "../ui/parts.tsx";

const EVERY = 5000;
const SPANS = [
  ["5", "5 minutes"],
  ["15", "15 minutes"],
  ["60", "1 hour"],
  ["119", "2 hours"],
] as [string, string][];
/** A queue whose oldest delivery has been due for longer is one that somebody should look at, in seconds. */
const LATE = 60;

export function OverviewPage() {
  const { api, session } = useContext(Console);
  if (session.tenant !== "*") {
    return (
      <Empty title="The overview is of all tenants">
        Your token is of one. Everything else is open to it: look at its notifications, dead letters and users.
      </Empty>
    );
  }
  return <Everything api={api} />;
}

function Everything({ api }: { api: Api }) {
  const minutes = usePlace().query.get("minutes") ?? "15";
  const { data, error, reload } = useLoad((signal) => api.overview(Number(minutes), signal), [minutes], EVERY);
  return (
    <>
      <header class="page-head">
        <h1>Overview</h1>
        <Choice
          label="Time shown"
          hideLabel
          value={minutes}
          values={SPANS}
          onChoice={(value) => choose({ minutes: value === "15" ? null : value })}
        />
      </header>
      {error && <Failed error={error} again={reload} />}
      {!data && !error && <Waiting rows={8} />}
      {data && <Figures data={data} />}
      {data && !data.counted && (
        <p class="note">Redis does not answer, and so nothing is counted. Deliveries go on; they are slower.</p>
      )}
      {data && data.counted && <Charts data={data} />}
      {data && <Tables data={data} />}
    </>
  );
}

type Data = NonNullable<ReturnType<typeof useLoad<Awaited<ReturnType<Api["overview"]>>>>["data"]>;

const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0);
const together = (of: Record<string, number[]>): number => sum(Object.values(of).map(sum));

function Figures({ data }: { data: Data }) {
  const oldest = Math.max(...data.queues.map((queue) => queue.oldest_seconds));
  const due = sum(data.queues.map((queue) => queue.due));
  const dead = sum(Object.values(data.dead_letters));
  const { series, latency } = data;
  return (
    <ul class="figures">
      <Figure name="Accepted" value={number(sum(series.accepted))} more="notifications" />
      <Figure
        name="Sent"
        value={number(together(series.sent))}
        more={`${number(together(series.acked))} acknowledged`}
      />
      <Figure
        name="To the screen, p95"
        value={duration(latency.p95)}
        more={`p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}`}
      />
      <Figure
        name="Due"
        value={number(due)}
        more={due ? `oldest ${duration(oldest)}` : "nothing waits"}
        bad={oldest > LATE}
      />
      <Figure
        name="Dead letters"
        value={number(dead)}
        more={`${number(together(series.dead))} new`}
        bad={together(series.dead) > 0}
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

function Charts({ data }: { data: Data }) {
  const { series, step_seconds } = data;
  const perSecond = (values: number[]) => values.map((value) => value / step_seconds);
  const byChannel = (of: Record<string, (number | null)[]>): Line[] =>
    Object.entries(of).map(([channel, values]) => ({ name: word(channel), colour: `--${channel}`, values }));
  const rates = (of: Record<string, number[]>) =>
    byChannel(Object.fromEntries(Object.entries(of).map(([channel, values]) => [channel, perSecond(values)])));
  const charts: { title: string; lines: Line[]; format: (value: number) => string }[] = [
    {
      title: "Accepted per second",
      lines: [{ name: "Notifications", colour: "--ink", values: perSecond(series.accepted) }],
      format: rate,
    },
    { title: "Sent per second", lines: rates(series.sent), format: rate },
    {
      title: "Time to the screen",
      lines: [
        { name: "p50", colour: "--p50", values: series.p50 },
        { name: "p95", colour: "--p95", values: series.p95 },
        { name: "p99", colour: "--p99", values: series.p99 },
      ],
      format: duration,
    },
    { title: "Acknowledged per second", lines: rates(series.acked), format: rate },
    {
      title: "Oldest due",
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

function Tables({ data }: { data: Data }) {
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
                Due
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
          <Empty title="None">Everything has arrived, or will be tried again.</Empty>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">Class</th>
                <th scope="col" class="right">
                  Letters
                </th>
              </tr>
            </thead>
            <tbody>
              {dead.map(([failure, count]) => (
                <tr key={failure}>
                  <td class="main">
                    <Link to={href(["dead-letters"])}>
                      <span class="sentence">{word(failure)}</span>
                    </Link>
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
