/** The page at /: sign in, and see your notifications on every channel. */

import { render } from "preact";
import { useState } from "preact/hooks";
import { App } from "./app.tsx";
import "./inbox.css";
import { forget, restore, type Session } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

function Page() {
  const [session, setSession] = useState<Session | null>(restore);
  if (!session) return <SignIn onSession={setSession} />;
  const signOut = () => {
    forget();
    setSession(null);
  };
  return <App key={session.user} session={session} onSignOut={signOut} />;
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
