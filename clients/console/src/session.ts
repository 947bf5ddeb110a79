/** Who is signed in. The token stays in this tab and ends with it. */

const KEPT_AS = "carillon.operator";

export interface Session {
  token: string;
  subject: string;
  /** "*": every tenant. */
  tenant: string;
  expiresAt: Date;
}

/** What a token says of itself; the server checks whether it is true. Throws an Error for people. */
export function parse(token: string): Session {
  const trimmed = token.trim();
  let claims: Record<string, unknown>;
  try {
    const payload = (trimmed.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    throw new Error("This is not a token. It has three parts, with dots between them.");
  }
  if (claims.aud !== "carillon:operator") throw new Error("This is not an operator's token.");
  const expiresAt = new Date(Number(claims.exp) * 1000);
  if (!(expiresAt.getTime() > Date.now())) throw new Error("This token has expired.");
  return { token: trimmed, subject: String(claims.sub), tenant: String(claims.tenant), expiresAt };
}

export function restore(): Session | null {
  const token = sessionStorage.getItem(KEPT_AS);
  if (token === null) return null;
  try {
    return parse(token);
  } catch {
    sessionStorage.removeItem(KEPT_AS);
    return null;
  }
}

export function keep(session: Session | null): void {
  if (session) sessionStorage.setItem(KEPT_AS, session.token);
  else sessionStorage.removeItem(KEPT_AS);
}
