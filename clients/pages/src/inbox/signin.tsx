/** Before anybody is signed in. */

import { useEffect, useState } from "preact/hooks";
import { type Demo, findDemo, type Session, signInAs, signInWith } from "./session.ts";

export function SignIn({ onSession }: { onSession: (session: Session) => void }) {
  const [demo, setDemo] = useState<Demo | null | undefined>(undefined);
  const [error, setError] = useState<string | null>(null);
  const [token, setToken] = useState("");
  useEffect(() => void findDemo().then(setDemo), []);

  const attempt = async (way: () => Promise<Session> | Session) => {
    setError(null);
    try {
      onSession(await way());
    } catch (problem) {
      setError((problem as Error).message);
    }
  };

  return (
    <main class="signin">
      <img src="/static/carillon.svg" alt="" width="48" height="48" />
      <h1>Carillon</h1>
      {demo && (
        <section aria-labelledby="demo-title">
          <h2 id="demo-title">Sign in to the demo</h2>
          <p class="hint">Open this page twice, as two people, and send each other something.</p>
          <div class="people">
            {demo.people.map((person) => (
              <button key={person} type="button" onClick={() => void attempt(() => signInAs(person, demo.lab))}>
                <Avatar name={person} />
                {capital(person)}
              </button>
            ))}
          </div>
        </section>
      )}
      {demo !== undefined && (
        <details open={demo === null}>
          <summary>{demo ? "or with a token" : "Sign in with a token"}</summary>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void attempt(() => signInWith(token));
            }}
          >
            <label for="token">
              A user's token, as your identity provider issues it or <code>flask token --user</code> prints it
            </label>
            <textarea
              id="token"
              rows={4}
              required
              spellcheck={false}
              onInput={(e) => setToken(e.currentTarget.value)}
            />
            <button type="submit" class="primary">
              Sign in
            </button>
          </form>
        </details>
      )}
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
    </main>
  );
}

export function Avatar({ name, status }: { name: string; status?: string | undefined }) {
  const hue = name.charCodeAt(0) % 6;
  return (
    <span class={`avatar hue-${hue}`} aria-hidden="true">
      {name.slice(0, 1).toUpperCase()}
      {status && <span class={`dot ${status}`} />}
    </span>
  );
}

export function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}
