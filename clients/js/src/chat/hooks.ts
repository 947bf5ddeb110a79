/** The hooks of chat, written for any library with the interface of React's. */

import type { Client } from "../client.ts";
import type { Library } from "../hooks.ts";
import { chatOf } from "./chat.ts";
import type { ConversationsState } from "./conversations.ts";
import type { Messages, MessagesState } from "./messages.ts";
import type { Conversation, NewConversation } from "./types.ts";

export interface UseConversations extends ConversationsState {
  more(): Promise<void>;
  reload(): Promise<void>;
  /** Begin a conversation. Rejects with CarillonError. */
  create(given: NewConversation): Promise<Conversation>;
}

export interface UseMessages
  extends MessagesState,
    Pick<Messages, "more" | "send" | "edit" | "remove" | "react" | "unreact" | "receiptsOf"> {
  reload(): Promise<void>;
  /** Send a message again that the server refused, by its `temp_id`. */
  retry(tempId: string): void;
  /** Forget a message that was not sent, by its `temp_id`. */
  discard(tempId: string): void;
}

export interface UseTyping {
  /** The other users who type now. */
  typing: readonly string[];
  /** Call it with true at each input, and with false when the user stops. */
  setTyping(isTyping: boolean): void;
}

export function useConversationsOf(client: Client, { useSyncExternalStore }: Library): UseConversations {
  const { conversations: list, api } = chatOf(client);
  const get = () => list.state;
  const state = useSyncExternalStore(list.subscribe, get, get);
  const create = async (given: NewConversation) => {
    const conversation = await api.create(given);
    return (await list.fetch(conversation.id)) ?? conversation;
  };
  return { ...state, create, more: () => list.more(), reload: () => list.load() };
}

export function useMessagesOf(client: Client, conversation: string, { useSyncExternalStore }: Library): UseMessages {
  const chat = chatOf(client);
  const list = chat.messages(conversation);
  const get = () => list.state;
  const state = useSyncExternalStore(list.subscribe, get, get);
  const { more, send, edit, remove, react, unreact, receiptsOf } = list;
  return {
    ...state,
    ...{ more, send, edit, remove, react, unreact, receiptsOf },
    reload: () => list.load(),
    retry: (tempId) => chat.outbox.retry(tempId),
    discard: (tempId) => chat.outbox.remove(tempId),
  };
}

export function useTypingOf(client: Client, conversation: string, { useSyncExternalStore }: Library): UseTyping {
  const users = chatOf(client).typing(conversation);
  const get = () => users.state;
  return { typing: useSyncExternalStore(users.subscribe, get, get), setTyping: users.tell };
}
