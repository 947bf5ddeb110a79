/** The page at /: sign in, and see everything that reaches you, on every channel. */

import { render } from "preact";
import { useState } from "preact/hooks";
import { App } from "./app.tsx";
import "./inbox.css";
import { forget, remembered, type Session } from "./session.ts";
import { SignIn } from "./signin.tsx";

function Page() {
  const [session, setSession] = useState<Session | null>(remembered);
  if (!session) return <SignIn onSession={setSession} />;
  const leave = () => {
    forget();
    setSession(null);
  };
  return <App key={session.user} session={session} onLeave={leave} />;
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
