/** The sign-in page. */

import { useState } from "preact/hooks";
import { fetchDemoToken } from "../api/client.ts";
import { messageOf, Problem } from "../api/problem.ts";
import type { Config } from "../api/types.ts";
import { parse, type Session } from "../session.ts";

export function SignIn(props: { config: Config; expired: boolean; onSession: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const signIn = (given: string) => {
    try {
      props.onSession(parse(given));
    } catch (raised) {
      setError(messageOf(raised));
    }
  };
  const signInToDemo = () =>
    fetchDemoToken().then(signIn, (raised: unknown) =>
      setError(raised instanceof Problem && raised.status === 404 ? "This server has no demo." : messageOf(raised)),
    );
  return (
    <main class="sign-in">
      <img src="/static/carillon.svg" alt="" width="40" height="40" />
      <h1>Carillon console</h1>
      {props.expired && !error && (
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
        <button type="button" class="primary" onClick={signInToDemo}>
          Sign in to the demo
        </button>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn(token);
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
            Print one with <code>bin/carillon token --operator you</code>. It is kept in this tab only.
          </span>
        </div>
        <button type="submit" class={props.config.development ? "" : "primary"}>
          Sign in
        </button>
      </form>
    </main>
  );
}
