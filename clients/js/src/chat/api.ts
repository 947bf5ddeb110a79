/** The HTTP API of chat. It works without a socket. */

import type { Page, Rest } from "../rest.ts";
import type { Outgoing } from "./queue.ts";
import type { Conversation, Member, Message, NewConversation, Notify, Receipt, Role } from "./types.ts";

export interface Settings {
  notify?: Notify;
  muted_until?: string | null;
}

export type Api = ReturnType<typeof chatApi>;

export function chatApi(rest: Rest) {
  const one = (id: string, ...rest: string[]) => ["/v1/conversations", id, ...rest].map(encode).join("/");
  return {
    list: (after?: string, limit?: number) => rest.get<Page<Conversation>>("/v1/conversations", { after, limit }),
    get: (id: string) => rest.get<Conversation>(one(id)),
    create: (given: NewConversation) => rest.call<Conversation>("POST", "/v1/conversations", given),
    update: (id: string, changed: { name?: string | null; history?: Conversation["history"] }) =>
      rest.call<Conversation>("PATCH", one(id), changed),
    settings: (id: string, settings: Settings) => rest.call<Conversation>("PATCH", one(id, "settings"), settings),
    join: (id: string) => rest.call<Conversation>("POST", one(id, "join")),
    unread: () => rest.get<{ unread: number }>("/v1/conversations/unread"),
    search: (q: string, conversation?: string, after?: string) =>
      rest.get<Page<Message>>("/v1/conversations/search", { q, conversation, after }),

    members: (id: string, after?: string) => rest.get<Page<Member>>(one(id, "members"), { after }),
    addMembers: (id: string, users: string[]) => rest.call<unknown>("POST", one(id, "members"), { users }),
    removeMember: (id: string, user: string) => rest.call<unknown>("DELETE", one(id, "members", user)),
    setRole: (id: string, user: string, role: Role) => rest.call<unknown>("PATCH", one(id, "members", user), { role }),

    messages: (id: string, before?: number, limit?: number) =>
      rest.get<Page<Message>>(one(id, "messages"), { before, limit }),
    send: ({ conversation_id, created_at: _, failure: __, ...message }: Outgoing) =>
      rest.call<Message>("POST", one(conversation_id, "messages"), message),
    edit: (id: string, message: string, content: string, mentions?: string[]) =>
      rest.call<Message>("PATCH", one(id, "messages", message), { content, mentions }),
    receipts: (id: string, message: string) =>
      rest.get<Page<Receipt> & { delivered: number; read: number }>(one(id, "messages", message, "receipts")),
    remove: (id: string, message: string, forEveryone: boolean) =>
      rest.call<unknown>("DELETE", `${one(id, "messages", message)}?for=${forEveryone ? "everyone" : "me"}`),
    react: (id: string, message: string, emoji: string) =>
      rest.call<Message>("PUT", one(id, "messages", message, "reactions", emoji)),
    unreact: (id: string, message: string, emoji: string) =>
      rest.call<Message>("DELETE", one(id, "messages", message, "reactions", emoji)),
    read: (id: string, no: number) => rest.call<unknown>("POST", one(id, "read"), { no }),
    delivered: (id: string, no: number) => rest.call<unknown>("POST", one(id, "delivered"), { no }),
  };
}

function encode(part: string, place: number): string {
  return place === 0 ? part : encodeURIComponent(part);
}
