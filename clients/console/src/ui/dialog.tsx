/** Modal dialogs. The browser keeps the focus inside and restores it when they close. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { messageOf } from "../api/problem.ts";

export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={props.onClose}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Asks for confirmation. If the action fails, the dialog stays open and shows the error. */
export function Confirm(props: {
  title: string;
  action: string;
  danger?: boolean;
  onConfirm: () => Promise<void> | void;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const confirm = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await props.onConfirm();
      props.onClose();
    } catch (raised) {
      setError(messageOf(raised));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={confirm}>
        {props.children}
        {error && (
          <p class="note note-bad" role="alert">
            {error}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="plain" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" class={props.danger ? "danger" : "primary"} disabled={busy}>
            {busy ? "Working…" : props.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
