/** Who is signed in. Under `make run` anybody of the demo, with a click; elsewhere whoever has a token. */

export interface Session {
  user: string;
  tenant: string;
  token: string;
  /** What a service would hold; in the demo alone. */
  serviceToken: string | null;
  /** Where the demo's phones and mailboxes are. */
  lab: string | null;
}

export interface Demo {
  tenant: string;
  people: string[];
  lab: string | null;
}

const KEPT = "carillon:session";
/** Seconds before its end at which a token is replaced. */
const EARLY = 60;

/** The demo, or null where this is none. */
export async function findDemo(): Promise<Demo | null> {
  const answer = await fetch("/demo").catch(() => null);
  return answer?.ok ? ((await answer.json()) as Demo) : null;
}

export async function signInAs(user: string, lab: string | null): Promise<Session> {
  const answer = await fetch("/demo/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
  });
  if (!answer.ok) throw new Error(((await answer.json()) as { detail: string }).detail);
  const { token, service_token } = (await answer.json()) as { token: string; service_token: string };
  return keep({ ...claims(token), token, serviceToken: service_token, lab });
}

/** Throws Error with what is wrong with it. */
export function signInWith(token: string): Session {
  return keep({ ...claims(token.trim()), token: token.trim(), serviceToken: null, lab: null });
}

export function remembered(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

export function forget(): void {
  sessionStorage.removeItem(KEPT);
}

/** The session with tokens that are good for a while, where new ones can be had. */
export async function renewed(session: Session, fresh = false): Promise<Session> {
  const left = claims(session.token).exp - Date.now() / 1000;
  if (!session.serviceToken || (!fresh && left > EARLY)) return session;
  return signInAs(session.user, session.lab);
}

function keep(session: Session): Session {
  sessionStorage.setItem(KEPT, JSON.stringify(session));
  return session;
}

function claims(token: string): { user: string; tenant: string; exp: number } {
  const { sub, tenant, exp, aud } = readable(token) ?? {};
  if (typeof sub !== "string" || typeof tenant !== "string" || typeof exp !== "number")
    throw new Error("this is not a token");
  if (aud !== "carillon:client") throw new Error("this is not a user's token: flask token --user prints one");
  return { user: sub, tenant, exp };
}

/** What the token says; null where it says nothing. Whether it is true, the server knows. */
function readable(token: string): Record<string, unknown> | null {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const text = new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0)));
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
