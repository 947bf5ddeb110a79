/** The signed-in user: under `make run` one of the demo, elsewhere a user with a token. */

export interface Session {
  user: string;
  tenant: string;
  token: string;
  /** The token of a service. Only the demo has one. */
  serviceToken: string | null;
  /** The URL of the lab, which has the phones and mailboxes of the demo. */
  lab: string | null;
}

export interface Demo {
  tenant: string;
  people: string[];
  lab: string | null;
}

const STORAGE_KEY = "carillon:session";
/** A token is replaced this many seconds before it expires. */
const MIN_VALIDITY = 60;

/** The demo, or null on a server without one. */
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
  return save({ ...claims(token), token, serviceToken: service_token, lab });
}

/** Throws an Error with a message for the user. */
export function signInWith(token: string): Session {
  return save({ ...claims(token.trim()), token: token.trim(), serviceToken: null, lab: null });
}

export function restore(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

export function forget(): void {
  sessionStorage.removeItem(STORAGE_KEY);
}

/** The session with new tokens if the old ones expire soon. Only the demo can renew them. */
async function renew(session: Session, fresh = false): Promise<Session> {
  const left = claims(session.token).exp - Date.now() / 1000;
  if (!session.serviceToken || (!fresh && left > MIN_VALIDITY)) return session;
  return signInAs(session.user, session.lab);
}

/** The tokens of a session. Each is renewed before it expires. */
export function tokensOf(session: Session) {
  let current = session;
  const renewed = async (fresh = false) => {
    current = await renew(current, fresh);
    return current;
  };
  return {
    user: async (fresh?: boolean) => (await renewed(fresh)).token,
    service: async () => (await renewed()).serviceToken,
  };
}

function save(session: Session): Session {
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify(session));
  return session;
}

function claims(token: string): { user: string; tenant: string; exp: number } {
  const { sub, tenant, exp, aud } = parse(token) ?? {};
  if (typeof sub !== "string" || typeof tenant !== "string" || typeof exp !== "number")
    throw new Error("This is not a token.");
  if (aud !== "carillon:client") throw new Error("This is not a user token. Print one with bin/carillon token --user.");
  return { user: sub, tenant, exp };
}

/** The claims of a token, not verified. Null if it is not a token. */
function parse(token: string): Record<string, unknown> | null {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const text = new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0)));
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
