/** The sign-in page. */

import { useEffect, useState } from "preact/hooks";
import { Avatar, capitalise } from "./avatar.tsx";
import { type Demo, findDemo, type Session, signInAs, signInWith } from "./session.ts";

export function SignIn({ hint, onSession }: { hint: string; onSession: (session: Session) => void }) {
  const [demo, setDemo] = useState<Demo | null | undefined>(undefined);
  const [error, setError] = useState<string | null>(null);
  const [token, setToken] = useState("");
  useEffect(() => void findDemo().then(setDemo), []);

  const attempt = async (signIn: () => Promise<Session> | Session) => {
    setError(null);
    try {
      onSession(await signIn());
    } catch (problem) {
      setError((problem as Error).message);
    }
  };

  return (
    <main class="sign-in">
      <img src="/static/carillon.svg" alt="" width="48" height="48" />
      <h1>Carillon</h1>
      {demo && (
        <section aria-labelledby="demo-title">
          <h2 id="demo-title">Sign in to the demo</h2>
          <p class="hint">{hint}</p>
          <div class="people">
            {demo.people.map((person) => (
              <button key={person} type="button" onClick={() => void attempt(() => signInAs(person, demo.lab))}>
                <Avatar name={person} />
                {capitalise(person)}
              </button>
            ))}
          </div>
        </section>
      )}
      {demo !== undefined && (
        <details open={demo === null}>
          <summary>{demo ? "Or sign in with a token" : "Sign in with a token"}</summary>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void attempt(() => signInWith(token));
            }}
          >
            <label for="token">
              A user token from your identity provider, or printed by <code>bin/carillon token --user</code>
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
