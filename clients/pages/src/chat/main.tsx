/** The page at /chat: conversations with other users. */

import { render } from "preact";
import { Page } from "../shared/page.tsx";
import { App } from "./app.tsx";
import "./chat.css";

const HINT = "Open this page in two windows, sign in as two users, and write to each other.";

const root = document.getElementById("page");
if (root)
  render(
    <Page hint={HINT}>{(session, signOut) => <App key={session.user} session={session} onSignOut={signOut} />}</Page>,
    root,
  );
