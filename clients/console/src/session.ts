/** The signed-in operator. The token is kept in sessionStorage, so it ends with the tab. */

const STORAGE_KEY = "carillon.operator";

export interface Session {
  token: string;
  subject: string;
  /** "*" for all tenants. */
  tenant: string;
  expiresAt: Date;
}

/** Read the claims of a token. The server verifies them. Throws an Error with a message for the operator. */
export function parse(token: string): Session {
  const trimmed = token.trim();
  let claims: Record<string, unknown>;
  try {
    const payload = (trimmed.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    throw new Error("This is not a token. A token has three parts, separated by dots.");
  }
  // RFC 7519 §4.1.3: one audience, or a list of them.
  if (![claims.aud].flat().includes("carillon:operator")) throw new Error("This is not an operator token.");
  const expiresAt = new Date(Number(claims.exp) * 1000);
  if (!(expiresAt.getTime() > Date.now())) throw new Error("This token has expired.");
  return { token: trimmed, subject: String(claims.sub), tenant: String(claims.tenant), expiresAt };
}

export function restore(): Session | null {
  const token = sessionStorage.getItem(STORAGE_KEY);
  if (token === null) return null;
  try {
    return parse(token);
  } catch {
    sessionStorage.removeItem(STORAGE_KEY);
    return null;
  }
}

export function save(session: Session | null): void {
  if (session) sessionStorage.setItem(STORAGE_KEY, session.token);
  else sessionStorage.removeItem(STORAGE_KEY);
}
