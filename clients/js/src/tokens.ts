/** The tokens of the user, cached while they are valid. */

import { CarillonError } from "./errors.ts";

/** Returns a token of the user; with `fresh`, a new one. Null if nobody is signed in. */
export type GetToken = (fresh: boolean) => string | null | Promise<string | null>;

/** The claims of a token. They are not verified here; the server does that. */
export interface Claims {
  sub?: string;
  tenant?: string;
  exp?: number;
}

export class Tokens {
  #pending: Promise<string> | null = null;
  #cached: string | null = null;

  constructor(private readonly getToken: GetToken) {}

  /** A token that is valid for some time. Throws CarillonError if there is none. */
  get(fresh = false): Promise<string> {
    if (!fresh && this.#cached && isValid(this.#cached)) return Promise.resolve(this.#cached);
    this.#pending ??= this.#fetch(fresh || this.#cached !== null).finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  async #fetch(fresh: boolean): Promise<string> {
    const token = await this.getToken(fresh);
    if (!token) throw new CarillonError("token_missing", "nobody is signed in");
    this.#cached = token;
    return token;
  }
}

export function claimsOf(token: string): Claims {
  try {
    const body = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
  } catch {
    return {};
  }
}

/** Claims that differ between the tokens of one user. */
const OF_ONE_TOKEN = new Set(["exp", "iat", "nbf", "jti", "auth_time", "sid", "session_state", "nonce", "at_hash"]);

/** What the tokens of one user have in common. Servers can take user and tenant from other claims than these two. */
export function identityOf(claims: Claims): string {
  if (claims.sub !== undefined && claims.tenant !== undefined) return `${claims.tenant}/${claims.sub}`;
  return JSON.stringify(
    Object.entries(claims)
      .filter(([name]) => !OF_ONE_TOKEN.has(name))
      .sort(),
  );
}

/** A token has to be valid for this long, in milliseconds, so that it does not expire during a request. */
const MIN_VALIDITY = 15_000;

function isValid(token: string): boolean {
  const { exp } = claimsOf(token);
  return exp !== undefined && exp * 1000 - Date.now() > MIN_VALIDITY;
}
