/** Replaces `services/socket` of the simple kind, which knows one event, `notification`. */

import { type Client, createClient } from "../client.ts";
import { asError } from "../errors.ts";
import type { GetToken } from "../tokens.ts";
import { isConnected, onEverything, storedToken } from "./events.ts";

type Handler = (data: any) => void;

let client: Client | null = null;
const handlers = new Map<string, Set<Handler>>();

/**
 * Connect as a user. The token has to belong to that user. Resolves when the connection is ready, and rejects with
 * CarillonError if the token is refused.
 */
export async function initializeSocket(
  userId: string | number,
  {
    url = "",
    getToken = () => storedToken("token", "access_token", "auth_token", "jwt_token"),
  }: { url?: string; getToken?: GetToken } = {},
): Promise<void> {
  client?.close();
  const opened = createClient({ url, getToken, dialect: "simple" });
  client = opened;
  onEverything(opened, (event, data) => {
    for (const handler of [...(handlers.get(event) ?? [])]) handler(data);
  });
  await new Promise<void>((resolve, reject) => {
    opened.on("state", (state) => isConnected(state) && resolve());
    opened.on("error", (error) => reject(asError(error)));
  });
  if (opened.state === "live") await opened.request("register", { user_id: userId });
}

/** Returns a function that removes the handler. Handlers stay when the socket is initialised again. */
export function addSocketEventHandler(event: string, handler: Handler): () => void {
  handlers.set(event, (handlers.get(event) ?? new Set()).add(handler));
  return () => handlers.get(event)?.delete(handler);
}

/** Mark notifications as read. */
export function markRead(ids: string | string[]): Promise<unknown> {
  return client ? client.request("mark_read", ids) : Promise.reject(asError("not initialised"));
}
