/** Finds out why a client is offline. The connection cannot tell: browsers hide why a request to another site failed. */

import type { Client } from "../client.ts";
import { asError } from "../errors.ts";
import { REQUEST_TIMEOUT } from "../timing.ts";

/** The reasons, by their names in the labels. */
export type Trouble = "offline" | "unreachable" | "refusedToken" | "refusedOrigin";

/** Takes up to three requests, each of at most REQUEST_TIMEOUT milliseconds. */
export async function diagnose(client: Client): Promise<Trouble> {
  if (!navigator.onLine) return "offline";
  try {
    await client.inbox.counts();
  } catch (thrown) {
    const { code, status } = asError(thrown);
    if (code === "token_missing" || status === 401 || status === 403) return "refusedToken";
    if (status === undefined && (await allowsEveryOrigin(client.url))) return "refusedOrigin";
  }
  return "unreachable";
}

/** Whether the server gives out its script, which pages of every origin may load, although it refuses the API. */
async function allowsEveryOrigin(url: string): Promise<boolean> {
  if (!url || new URL(url, location.href).origin === location.origin) return false;
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT);
    return (await fetch(`${url}/static/build/carillon.js`, { method: "HEAD", cache: "no-store", signal })).ok;
  } catch {
    return false;
  }
}
