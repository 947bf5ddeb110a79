/** The small components that all views share. */

import type { components } from "carillon-client/openapi";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../api/problem.ts";
import { channelColour } from "../channels.ts";
import { label, moment, words } from "../format.ts";

type Schemas = components["schemas"];
type State =
  | Schemas["DeliveryView"]["state"]
  | Schemas["NotificationView"]["state"]
  | Schemas["DeviceView"]["state"]
  | Schemas["PresentUser"]["status"];
export type Tone = "good" | "open" | "warn" | "bad" | "quiet";

/** The shape and colour of each state. The compiler asks for a line here when the API gets a new one. */
const TONES: Record<State, Tone> = {
  accepted: "open",
  acked: "good",
  active: "good",
  away: "warn",
  busy: "warn",
  cancelled: "quiet",
  dead: "bad",
  disabled: "bad",
  expanded: "good",
  expired: "quiet",
  offline: "quiet",
  online: "good",
  pending: "open",
  recalled: "quiet",
  recalling: "open",
  sending: "open",
  sent: "good",
  stale: "warn",
  suppressed: "quiet",
};

/** States whose name in the API is an abbreviation. */
const STATE_NAMES: Partial<Record<State, string>> = { acked: "acknowledged" };

export const stateName = (state: string): string => STATE_NAMES[state as State] ?? words(state);
export const toneOf = (state: string): Tone => TONES[state as State] ?? "quiet";

/** A state: its name, with a mark whose shape and colour show its kind. */
export function StateMark(props: { state: string }) {
  return (
    <span class={`mark mark-${toneOf(props.state)}`}>
      <i aria-hidden="true" />
      {stateName(props.state)}
    </span>
  );
}

export function ChannelName(props: { name: string }) {
  return <span class={`channel colour-${channelColour(props.name)}`}>{label(props.name)}</span>;
}

export function Time(props: { at: string | null }) {
  if (props.at === null) return <span class="muted">–</span>;
  return (
    <time dateTime={props.at} title={props.at}>
      {moment(props.at)}
    </time>
  );
}

export function CopyButton(props: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      class="plain small"
      aria-label={`Copy ${props.what}`}
      onClick={() => void navigator.clipboard.writeText(props.text).then(() => setCopied(true))}
    >
      <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
    </button>
  );
}

export function ErrorNote(props: { error: Problem; onRetry?: () => void }) {
  return (
    <div class="note note-bad" role="alert">
      <p>{props.error.message}</p>
      {props.onRetry && (
        <button type="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{props.title}</p>
      {props.children && <p>{props.children}</p>}
    </div>
  );
}

/** Placeholder rows while data is loading. */
export function Loading(props: { rows?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: props.rows ?? 5 }, (_, row) => (
        <span key={row} />
      ))}
    </div>
  );
}

export function MoreButton(props: { show: boolean; busy: boolean; onClick: () => void; children?: ComponentChildren }) {
  if (!props.show) return null;
  return (
    <div class="more">
      <button type="button" disabled={props.busy} onClick={props.onClick}>
        {props.busy ? "Loading…" : (props.children ?? "Show more")}
      </button>
    </div>
  );
}

/** Names and values in two columns. */
export function Facts(props: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
