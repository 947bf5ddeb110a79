/** Replaces `services/socket` of the simple kind, which knows one event, `notification`. */

import { type Client, connected, createClient } from "../client.ts";
import { asError } from "../errors.ts";
import { Handlers } from "../handlers.ts";
import type { GetToken } from "../tokens.ts";
import { onEverything, storedToken } from "./events.ts";

/** Carillon's id, or the service's own. */
type Id = string | number;
type Handler = (data: any) => void;

let client: Client | null = null;
const handlers = new Handlers();

/**
 * Connect as a user. The token has to belong to that user. Resolves when the connection is ready, and rejects with
 * CarillonError if the token is refused. Handlers that are added right after it has resolved get the events before it too.
 */
export function initializeSocket(
  userId: string | number,
  {
    url = "",
    getToken = () => storedToken("token", "access_token", "auth_token", "jwt_token"),
  }: { url?: string; getToken?: GetToken } = {},
): Promise<void> {
  client?.close();
  const opened = createClient({ url, getToken, dialect: "simple" });
  client = opened;
  const ready = register(opened, userId);
  handlers.keepUntil(ready);
  onEverything(opened, (event, data) => handlers.emit(event, data));
  return ready;
}

async function register(opened: Client, userId: string | number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    void connected(opened).then(resolve);
    opened.on("error", (error) => reject(asError(error)));
  });
  if (opened.state === "live") await opened.request("register", { user_id: userId });
}

/** Returns a function that removes the handler. Handlers stay when the socket is initialised again. */
export function addSocketEventHandler(event: string, handler: Handler): () => void {
  return handlers.on(event, handler);
}

/** Mark notifications as read. */
export function markRead(ids: Id | Id[]): Promise<unknown> {
  return client ? client.request("mark_read", ids) : Promise.reject(asError("not initialised"));
}
