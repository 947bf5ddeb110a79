/** Deliveries that failed for good, grouped by reason, and how to send them again. */

import { useEffect, useState } from "preact/hooks";
import type { DeadLetterGroup, Failure, Redrive, Scope } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { label, leftOut, number, plural, redrivable, words } from "../format.ts";
import { useLoad, usePages } from "../load.ts";
import { href, Link, scopeQuery, select, useRoute } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { redriveAll, useJob } from "../ui/job.tsx";
import { ChannelName, Empty, ErrorNote, Loading, MoreButton, Time } from "../ui/parts.tsx";
import { Timeline } from "../ui/timeline.tsx";

/** Milliseconds between two updates. */
const REFRESH_INTERVAL = 5000;

/** What each failure means, and what to do. The compiler asks for a line here when the API gets a new one. */
const ADVICE: Record<Failure, string> = {
  address_gone: "The device or mailbox no longer exists. Sending again will not help.",
  bad_request: "The provider rejects this message. Read the reason before you send it again.",
  credentials: "The provider rejected our credentials. Correct them, then send again.",
  quota: "The provider's quota was used up. Send again when it has been renewed.",
  provider_down: "The provider was unavailable until the last attempt. Send again when it is available.",
  worker_lost: "Workers stopped while they were sending. Find the cause, then send again.",
  policy: "A policy did not allow this delivery.",
  expired: "The notification expired before it could be sent.",
  unclassified: "An unknown error. Read the reason for details.",
};

export function DeadLettersPage() {
  const { api, scope, session } = useConsole();
  const { query } = useRoute();
  const job = useJob();
  const allTenants = session.tenant === "*";
  const { data, error, reload } = useLoad((signal) => api.deadLetterGroups(signal), [], REFRESH_INTERVAL);
  const [confirming, setConfirming] = useState<DeadLetterGroup | null>(null);
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
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!data && !error && <Loading />}
      {data?.data.length === 0 && (
        <Empty title="No dead letters">Every delivery has arrived or will be attempted again.</Empty>
      )}
      {data && data.data.length > 0 && (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Failure</th>
              {allTenants && (
                <th scope="col" class="wide-only">
                  Tenant
                </th>
              )}
              <th scope="col">Channel</th>
              <th scope="col" class="right">
                Count
              </th>
              <th scope="col">
                <span class="unseen">Send again</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.data.map((group) => (
              <GroupRow
                key={JSON.stringify(group)}
                group={group}
                allTenants={allTenants}
                current={
                  group.failure === failure &&
                  group.channel === channel &&
                  group.tenant === scope.tenant &&
                  group.mode === scope.mode
                }
                disabled={job?.state === "running"}
                onRedrive={() => setConfirming(group)}
              />
            ))}
          </tbody>
        </table>
      )}
      {data?.more && <p class="note">Only the first 100,000 dead letters are counted.</p>}
      {failure && <Letters scope={scope} failure={failure} channel={channel} version={job?.done ?? 0} />}
      {confirming && (
        <Confirm
          title={`Send ${plural(redrivable(confirming.number, confirming.not_redrivable), "dead letter")} again?`}
          action="Send again"
          onConfirm={() =>
            void redriveAll(
              api,
              { tenant: confirming.tenant, mode: confirming.mode },
              { failure: confirming.failure, channel: confirming.channel } as Redrive,
              redrivable(confirming.number, confirming.not_redrivable),
            )
          }
          onClose={() => setConfirming(null)}
        >
          <p>
            This makes a full set of new attempts for all dead letters of {confirming.tenant} on the channel{" "}
            {label(confirming.channel)} with the failure “{words(confirming.failure)}”.{" "}
            {leftOut(confirming.not_redrivable)} {adviceFor(confirming.failure)}
          </p>
        </Confirm>
      )}
    </>
  );
}

const adviceFor = (failure: string): string => ADVICE[failure as Failure] ?? "";

function GroupRow(props: {
  group: DeadLetterGroup;
  allTenants: boolean;
  current: boolean;
  disabled: boolean;
  onRedrive: () => void;
}) {
  const { group, current } = props;
  const query = { ...scopeQuery(group), failure: group.failure, channel: group.channel };
  return (
    <tr class={current ? "current" : ""}>
      <td class="main">
        <Link current={current} to={href(["dead-letters"], query)}>
          {label(group.failure)}
        </Link>
        <span class="sub wide-only">{adviceFor(group.failure)}</span>
        {props.allTenants && <span class="sub narrow-only">{group.tenant}</span>}
      </td>
      {props.allTenants && (
        <td class="wide-only">
          {group.tenant}
          {group.mode === "test" && <span class="tag">test</span>}
        </td>
      )}
      <td>
        <ChannelName name={group.channel} />
      </td>
      <td class="right numbers">{number(group.number)}</td>
      <td class="right">
        {redrivable(group.number, group.not_redrivable) > 0 ? (
          <button
            type="button"
            class="small"
            disabled={props.disabled}
            aria-label={`Send again: ${words(group.failure)}, ${label(group.channel)}, ${group.tenant}`}
            onClick={props.onRedrive}
          >
            Send again
          </button>
        ) : (
          <span class="muted">{Object.keys(group.not_redrivable).map(words).join(", ")}</span>
        )}
      </td>
    </tr>
  );
}

function Letters(props: { scope: Scope; failure: string; channel: string; version: number }) {
  const { api } = useConsole();
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
          {label(failure)} <span class="muted">{scope.tenant}</span>
        </h2>
        <button type="button" class="plain" onClick={() => select({ failure: null, channel: null })}>
          Close
        </button>
      </div>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading />}
      {pages.rows?.length === 0 && <Empty title="None left" />}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((letter) => (
            <li key={letter.id}>
              <details>
                <summary>
                  <span class="user">{letter.user}</span>
                  <span class="cause">{letter.reason}</span>
                  <span class="numbers muted">
                    <Time at={letter.failed_attempts.at(-1)?.at ?? letter.created_at} />
                  </span>
                </summary>
                <Timeline delivery={letter} />
                <p class="sub">
                  <Link to={href(["notifications", letter.notification_id], scopeQuery(scope))}>
                    Show the notification
                  </Link>
                </p>
              </details>
            </li>
          ))}
        </ol>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </section>
  );
}
