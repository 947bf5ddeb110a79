/** In place of `services/socket` of the simple kind: one event, `notification`, and whoever listens for it. */

import { type Client, createClient } from "../client.ts";
import { asError } from "../errors.ts";
import type { GetToken } from "../tokens.ts";
import { everything, isConnected, storedToken } from "./events.ts";

type Handler = (data: any) => void;

let client: Client | null = null;
const handlers = new Map<string, Set<Handler>>();

/**
 * Connect as this user, who is the one of the token: of another one's nothing is told. Resolves once events come, and
 * rejects with CarillonError where the token is refused.
 */
export async function initializeSocket(
  userId: string | number,
  {
    url = "",
    getToken = () => storedToken("token", "access_token", "auth_token", "jwt_token"),
  }: { url?: string; getToken?: GetToken } = {},
): Promise<void> {
  client?.close();
  const opened = (client = createClient({ url, getToken, dialect: "simple" }));
  everything(opened, (event, data) => {
    for (const handler of [...(handlers.get(event) ?? [])]) handler(data);
  });
  await new Promise<void>((resolve, reject) => {
    opened.on("state", (state) => isConnected(state) && resolve());
    opened.on("error", (error) => reject(asError(error)));
  });
  if (opened.state === "live") await opened.request("register", { user_id: userId });
}

/** Returns how to take it away again. Handlers stay when the socket is initialised anew. */
export function addSocketEventHandler(event: string, handler: Handler): () => void {
  handlers.set(event, (handlers.get(event) ?? new Set()).add(handler));
  return () => handlers.get(event)?.delete(handler);
}

/** Notifications were read: an id, or a list of them. */
export function markRead(ids: string | string[]): Promise<unknown> {
  return client ? client.request("mark_read", ids) : Promise.reject(asError("not initialised"));
}
