/** carillon-client/chat: conversations and messages for display, and sending that survives a lost connection. */

export type { Api } from "./api.ts";
export { type Chat, chatOf } from "./chat.ts";
export type { Conversations, ConversationsState } from "./conversations.ts";
export type { Messages, MessagesState, ShownMessage } from "./messages.ts";
export type { Outbox } from "./outbox.ts";
export type { Outgoing } from "./queue.ts";
export * from "./types.ts";
export type { TypingUsers } from "./typing-users.ts";
