/** A page for a signed-in user. Without one, it asks to sign in. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { forget, restore, type Session } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

interface Props {
  /** What to do with the demo, on the page for signing in. */
  hint: string;
  children: (session: Session, signOut: () => void) => ComponentChildren;
}

export function Page({ hint, children }: Props) {
  const [session, setSession] = useState<Session | null>(restore);
  if (!session) return <SignIn hint={hint} onSession={setSession} />;
  return children(session, () => {
    forget();
    setSession(null);
  });
}
