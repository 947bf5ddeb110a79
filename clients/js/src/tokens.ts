/** The caller's tokens: kept while they last, asked for again in time. */

import { CarillonError } from "./errors.ts";

/** Gives a token of the user, a new one if `fresh`. Null: nobody is signed in. */
export type GetToken = (fresh: boolean) => string | null | Promise<string | null>;

/** What a token says of itself. Not verified, which is the server's business: it only names things here. */
export interface Claims {
  sub?: string;
  tenant?: string;
  exp?: number;
}

export class Tokens {
  #asking: Promise<string> | null = null;
  #kept: string | null = null;

  constructor(private readonly getToken: GetToken) {}

  /** A token that is good for a while. Throws CarillonError where there is none. */
  get(fresh = false): Promise<string> {
    if (!fresh && this.#kept && lasts(this.#kept)) return Promise.resolve(this.#kept);
    return (this.#asking ??= this.#ask(fresh || this.#kept !== null).finally(() => (this.#asking = null)));
  }

  async #ask(fresh: boolean): Promise<string> {
    const token = await this.getToken(fresh);
    if (!token) throw new CarillonError("token_missing", "nobody is signed in");
    return (this.#kept = token);
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

/** A request is answered within that time, in milliseconds; on a 401 a new token is asked for anyway. */
const ENOUGH = 15_000;

function lasts(token: string): boolean {
  const { exp } = claimsOf(token);
  return exp !== undefined && exp * 1000 - Date.now() > ENOUGH;
}
