/** What could not be delivered, by its reason, and sending it again. */

import { useContext, useEffect, useState } from "preact/hooks";
import type { DeadGroup, Scope } from "../api.ts";
import { Console } from "../console.ts";
import { number, plural, word } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { choose, href, Link, usePlace } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { redriveAll, useJob } from "../ui/job.tsx";
import { ChannelName, Empty, Failed, More, Time, Waiting } from "../ui/parts.tsx";
import { Timeline } from "./notification.tsx";
import { scopeQuery } from "./notifications.tsx";

const EVERY = 5000;

/** What each class means, and what helps. */
const ADVICE: Record<string, string> = {
  address_gone: "The device or mailbox does not exist any more. Sending again will not help.",
  bad_request: "The provider will never accept this message. Look at its reason first.",
  credentials: "We were not let in. Mend the credentials, then send again.",
  quota: "The provider's quota was spent. Send again when it is free.",
  provider_down: "The provider was away for longer than we try. Send again when it is back.",
  worker_lost: "Workers died while they were at it. See why, then send again.",
  unclassified: "An error that nobody has classified. The reason says more.",
};

export function DeadLettersPage() {
  const { api, scope, session } = useContext(Console);
  const { query } = usePlace();
  const job = useJob();
  const everywhere = session.tenant === "*";
  const { data, error, reload } = useLoad((signal) => api.deadGroups(undefined, signal), [], EVERY);
  const [asked, setAsked] = useState<DeadGroup | null>(null);
  const failure = query.get("failure") ?? "";
  const channel = query.get("channel") ?? "";
  useEffect(() => {
    if (job && job.state !== "running") reload();
  }, [job?.state]);
  return (
    <>
      <header class="page-head">
        <h1>Dead letters</h1>
      </header>
      {error && <Failed error={error} again={reload} />}
      {!data && !error && <Waiting />}
      {data?.data.length === 0 && (
        <Empty title="No dead letters">Everything that was sent has arrived, or will be tried again.</Empty>
      )}
      {data && data.data.length > 0 && (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Class</th>
              {everywhere && (
                <th scope="col" class="late">
                  Tenant
                </th>
              )}
              <th scope="col">Channel</th>
              <th scope="col" class="right">
                Letters
              </th>
              <th scope="col">
                <span class="unseen">Send again</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.data.map((group) => {
              const of = { tenant: group.tenant, mode: group.mode };
              const current =
                group.failure === failure &&
                group.channel === channel &&
                group.tenant === scope.tenant &&
                group.mode === scope.mode;
              return (
                <tr key={JSON.stringify(group)} class={current ? "current" : ""}>
                  <td class="main">
                    <Link
                      current={current}
                      to={href(["dead-letters"], { ...scopeQuery(of), failure: group.failure, channel: group.channel })}
                    >
                      <span class="sentence">{word(group.failure)}</span>
                    </Link>
                    <span class="sub late">{ADVICE[group.failure]}</span>
                    {everywhere && <span class="sub early">{group.tenant}</span>}
                  </td>
                  {everywhere && (
                    <td class="late">
                      {group.tenant}
                      {group.mode === "test" && <span class="tag">test</span>}
                    </td>
                  )}
                  <td>
                    <ChannelName name={group.channel} />
                  </td>
                  <td class="right numbers">{number(group.number)}</td>
                  <td class="right">
                    <button
                      type="button"
                      class="small"
                      disabled={job?.state === "running"}
                      aria-label={`Send again: ${word(group.failure)}, ${word(group.channel)}, ${group.tenant}`}
                      onClick={() => setAsked(group)}
                    >
                      Send again
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {data?.more && <p class="note">There are more than 100,000; the rest is not counted.</p>}
      {failure && <Letters scope={scope} failure={failure} channel={channel} version={job?.done ?? 0} />}
      {asked && (
        <Confirm
          title={`Send ${plural(asked.number, "letter")} again?`}
          action="Send again"
          onConfirm={() =>
            void redriveAll(
              api,
              { tenant: asked.tenant, mode: asked.mode },
              { failure: asked.failure, channel: asked.channel },
              asked.number,
            )
          }
          onClose={() => setAsked(null)}
        >
          <p>
            All {word(asked.channel)} letters of {asked.tenant} that are dead of {word(asked.failure)} get their
            attempts once more. What has expired stays dead. {ADVICE[asked.failure]}
          </p>
        </Confirm>
      )}
    </>
  );
}

function Letters(props: { scope: Scope; failure: string; channel: string; version: number }) {
  const { api } = useContext(Console);
  const { scope, failure, channel, version } = props;
  const pages = usePages(
    (after, signal) => api.deadLetters(scope, { failure, channel, after, limit: 25 }, signal),
    [scope, failure, channel],
    version,
  );
  return (
    <section aria-labelledby="letters">
      <div class="section-head">
        <h2 id="letters">
          <span class="sentence">{word(failure)}</span> <span class="muted">of {scope.tenant}</span>
        </h2>
        <button type="button" class="plain" onClick={() => choose({ failure: null, channel: null })}>
          Close
        </button>
      </div>
      {pages.error && <Failed error={pages.error} again={pages.reload} />}
      {!pages.rows && !pages.error && <Waiting />}
      {pages.rows?.length === 0 && <Empty title="None left" />}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((letter) => (
            <li key={letter.id}>
              <details>
                <summary>
                  <span class="who">{letter.user}</span>
                  <span class="why">{letter.reason}</span>
                  <span class="numbers muted">
                    <Time at={letter.failed_attempts.at(-1)?.at ?? letter.created_at} />
                  </span>
                </summary>
                <Timeline delivery={letter} />
                <p class="sub">
                  <Link to={href(["notifications", letter.notification_id], scopeQuery(scope))}>Its notification</Link>
                </p>
              </details>
            </li>
          ))}
        </ol>
      )}
      <More show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </section>
  );
}
