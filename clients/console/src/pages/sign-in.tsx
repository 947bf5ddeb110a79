/** The way in: an operator's token. */

import { useState } from "preact/hooks";
import { demoToken, Problem, type Config } from "../api.ts";
import { parse, type Session } from "../session.ts";

export function SignIn(props: { config: Config; ended: boolean; onSession: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const enter = (given: string) => {
    try {
      props.onSession(parse(given));
    } catch (raised) {
      setError(raised instanceof Error ? raised.message : String(raised));
    }
  };
  const asDemo = () =>
    demoToken().then(enter, (raised: unknown) =>
      setError(raised instanceof Problem && raised.status !== 404 ? raised.message : "There is no demo here."),
    );
  return (
    <main class="sign-in">
      <img src="/static/carillon.svg" alt="" width="40" height="40" />
      <h1>Carillon console</h1>
      {props.ended && !error && (
        <p class="note" role="status">
          Your session has ended. Sign in again.
        </p>
      )}
      {error && (
        <p class="note note-bad" role="alert">
          {error}
        </p>
      )}
      {props.config.development && (
        <button type="button" class="primary" onClick={asDemo}>
          Sign in to the demo
        </button>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          enter(token);
        }}
      >
        <div class="field">
          <label for="token">Operator token</label>
          <textarea
            id="token"
            rows={4}
            required
            spellcheck={false}
            autocomplete="off"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
          <span class="hint">
            <code>flask --app web.app token --operator you</code> prints one. It stays in this tab.
          </span>
        </div>
        <button type="submit" class={props.config.development ? "" : "primary"}>
          Sign in
        </button>
      </form>
    </main>
  );
}
