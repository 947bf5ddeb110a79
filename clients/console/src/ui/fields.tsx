/** Form fields. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { label as labelOf } from "../format.ts";

/** A list to choose from. With `none`, the first option clears the choice. */
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
          const [value, text] = typeof one === "string" ? [one, labelOf(one)] : one;
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

/** Milliseconds without a keystroke after which a text field reports its value. */
const TYPING_PAUSE = 300;

/**
 * A text field. It reports its value after a pause in typing, and on Enter.
 *
 * It does not report when it loses the focus: a click on a row of the list below would change the list before the
 * button of the mouse is released, and would be lost.
 */
export function TextField(props: {
  label: string;
  value: string;
  placeholder?: string;
  type?: string;
  hideLabel?: boolean;
  class?: string;
  onText: (value: string) => void;
}) {
  const id = useId();
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const report = (value: string, wait: number) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => props.onText(value.trim()), wait);
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
        onInput={(event) => report(event.currentTarget.value, TYPING_PAUSE)}
        onKeyDown={(event) => event.key === "Enter" && report(event.currentTarget.value, 0)}
      />
    </div>
  );
}
