/** The history of one delivery. */

import type { Delivery } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { clock, label, words } from "../format.ts";
import { href, Link, scopeQuery } from "../router.tsx";
import { Time, type Tone, toneOf } from "./parts.tsx";

interface Entry {
  at: string;
  text: string;
  tone: Tone;
  details?: string | null;
}

/** What has happened to a delivery, in order of time. */
function history(delivery: Delivery): Entry[] {
  const entries: Entry[] = [
    { at: delivery.created_at, text: "Created", tone: "quiet" },
    ...delivery.failed_attempts.map(
      (attempt): Entry => ({
        at: attempt.at,
        text: `Attempt ${attempt.number} failed: ${words(attempt.failure)}`,
        tone: "bad",
        details: attempt.reason,
      }),
    ),
  ];
  if (delivery.sent_at)
    entries.push({ at: delivery.sent_at, text: "Sent", tone: "good", details: delivery.provider_id });
  if (delivery.acked_at) entries.push({ at: delivery.acked_at, text: "Acknowledged", tone: "good" });
  return entries.sort((a, b) => a.at.localeCompare(b.at));
}

export function Timeline({ delivery }: { delivery: Delivery }) {
  const { scope } = useConsole();
  const tone = toneOf(delivery.state);
  // Of the states of a delivery, those that end it without success are bad or quiet.
  const failed = tone === "bad" || tone === "quiet";
  // The reason is usually that of the last attempt, which is listed already.
  const listed = delivery.reason === delivery.failed_attempts.at(-1)?.reason;
  return (
    <div class="timeline-box">
      <ol class="timeline">
        {history(delivery).map((entry, place) => (
          <li key={place} class={`mark-${entry.tone}`}>
            <time class="numbers" dateTime={entry.at} title={entry.at}>
              {clock(entry.at)}
            </time>
            <span>
              {entry.text}
              {entry.details && <span class="reason">{entry.details}</span>}
            </span>
          </li>
        ))}
        {failed && (
          <li class={`mark-${tone}`}>
            <time />
            <span>
              {label(delivery.state)}
              {delivery.failure && !listed && `, ${words(delivery.failure)}`}
              {delivery.reason && !listed && <span class="reason">{delivery.reason}</span>}
            </span>
          </li>
        )}
        {delivery.next_attempt_at && (
          <li class="mark-open">
            <time class="numbers" dateTime={delivery.next_attempt_at} title={delivery.next_attempt_at}>
              {clock(delivery.next_attempt_at)}
            </time>
            <span>Next attempt</span>
          </li>
        )}
      </ol>
      <p class="sub">
        <Link to={href(["users", scope.tenant, delivery.user], scopeQuery(scope))}>{delivery.user}</Link>
        {delivery.seq !== null && ` · event ${delivery.seq} in the user's room`} · expires{" "}
        <Time at={delivery.expires_at} />
      </p>
    </div>
  );
}
