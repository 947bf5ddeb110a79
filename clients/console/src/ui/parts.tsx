/** The small parts that every view is made of. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../api.ts";
import { moment, word } from "../format.ts";

/** A state, a class of failure, a mode: a word with a mark whose shape and colour both tell its kind. */
export function Mark(props: { name: string }) {
  return (
    <span class={`mark mark-${kindOf(props.name)}`}>
      <i aria-hidden="true" />
      {word(props.name)}
    </span>
  );
}

const KINDS: Record<string, string> = {
  acked: "good",
  sent: "good",
  expanded: "good",
  active: "good",
  online: "good",
  pending: "open",
  sending: "open",
  accepted: "open",
  recalling: "open",
  stale: "warn",
  busy: "warn",
  away: "warn",
  dead: "bad",
  disabled: "bad",
};

const kindOf = (name: string): string => KINDS[name] ?? "quiet";

export function ChannelName(props: { name: string }) {
  return <span class={`channel channel-${props.name}`}>{word(props.name)}</span>;
}

export function Time(props: { at: string | null }) {
  if (props.at === null) return <span class="muted">–</span>;
  return (
    <time dateTime={props.at} title={props.at}>
      {moment(props.at)}
    </time>
  );
}

export function Copy(props: { text: string; what: string }) {
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

export function Failed(props: { error: Problem; again?: () => void }) {
  return (
    <div class="note note-bad" role="alert">
      <p>{props.error.message}</p>
      {props.again && (
        <button type="button" onClick={props.again}>
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

/** Stands where rows will stand; announced once. */
export function Waiting(props: { rows?: number }) {
  return (
    <div class="waiting" role="status" aria-label="Loading">
      {Array.from({ length: props.rows ?? 5 }, (_, row) => (
        <span key={row} />
      ))}
    </div>
  );
}

export function More(props: { show: boolean; busy: boolean; onClick: () => void; children?: ComponentChildren }) {
  if (!props.show) return null;
  return (
    <div class="more">
      <button type="button" disabled={props.busy} onClick={props.onClick}>
        {props.busy ? "Loading…" : (props.children ?? "Show more")}
      </button>
    </div>
  );
}

/** Names and values, two columns. */
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

export function Choice<Value extends string>(props: {
  label: string;
  value: Value | "";
  values: readonly (Value | [Value, string])[];
  none?: string;
  hideLabel?: boolean;
  onChoice: (value: Value | "") => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={props.hideLabel ? "unseen" : ""}>
        {props.label}
      </label>
      <select id={id} value={props.value} onChange={(event) => props.onChoice(event.currentTarget.value as Value)}>
        {props.none !== undefined && <option value="">{props.none}</option>}
        {props.values.map((one) => {
          const [value, text] = typeof one === "string" ? [one, word(one)] : one;
          return (
            <option key={value} value={value}>
              {text}
            </option>
          );
        })}
      </select>
    </div>
  );
}

/** A field that reports what was typed once nothing was for a moment, at Enter, or when it is left. */
export function Typed(props: {
  label: string;
  value: string;
  placeholder?: string;
  type?: string;
  hideLabel?: boolean;
  class?: string;
  onTyped: (value: string) => void;
}) {
  const id = useId();
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (value: string, wait: number) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => props.onTyped(value.trim()), wait);
  };
  return (
    <div class={`field ${props.class ?? ""}`}>
      <label for={id} class={props.hideLabel ? "unseen" : ""}>
        {props.label}
      </label>
      <input
        id={id}
        type={props.type ?? "search"}
        value={text}
        placeholder={props.placeholder}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => typed(event.currentTarget.value, 300)}
        onChange={(event) => typed(event.currentTarget.value, 0)}
      />
    </div>
  );
}
