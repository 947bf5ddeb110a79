/** Chat: the conversations of the user, their messages, and what is on its way. */

import type { Client } from "../client.ts";
import { RECEIPT_INTERVAL } from "../timing.ts";
import { chatApi } from "./api.ts";
import { Conversations } from "./conversations.ts";
import { MAX_RECEIPTS, Messages } from "./messages.ts";
import { Outbox, outboxStore } from "./outbox.ts";
import { TypingUsers } from "./typing-users.ts";

type Payload = Record<string, unknown>;

export class Chat {
  /** The HTTP API. */
  readonly api;
  readonly conversations;
  /** The messages that the server does not have yet. */
  readonly outbox;
  readonly #messages = new Map<string, Messages>();
  readonly #typing = new Map<string, TypingUsers>();
  /** By conversation, the number up to which messages have arrived and the server was not told. */
  readonly #arrived = new Map<string, number>();
  #receipts: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: Client) {
    this.api = chatApi(client);
    this.conversations = new Conversations(client, this.api);
    this.outbox = new Outbox(client, outboxStore(client.options.storage), this.api.send, (message) =>
      this.#messages.get(message.conversation_id)?.add(message),
    );
    client.signal.addEventListener("abort", () => clearTimeout(this.#receipts));
    client.onAny((name, payload) => this.#handle(name, payload as Payload));
  }

  /** The messages of a conversation. */
  readonly messages = (conversationId: string): Messages =>
    remembered(
      this.#messages,
      conversationId,
      () => new Messages(conversationId, this.client, this.api, this.conversations, this.outbox),
    );

  /** Who types in a conversation. */
  readonly typing = (conversationId: string): TypingUsers =>
    remembered(this.#typing, conversationId, () => new TypingUsers(conversationId, this.client));

  #handle(name: string, payload: Payload): void {
    if (name === "reset") this.#reload();
    else if (name === "state") this.#stateChanged(payload as unknown as Client["state"]);
    else if (name.startsWith("chat:")) this.#chatEvent(name, payload);
  }

  #reload(): void {
    for (const list of [this.conversations, ...this.#messages.values()]) if (list.isActive) void list.load();
  }

  #stateChanged(state: Client["state"]): void {
    if (state === "connecting") return;
    for (const list of [this.conversations, ...this.#messages.values()]) list.connected();
  }

  #chatEvent(name: string, payload: Payload): void {
    const id = payload.conversationId as string;
    if (name === "chat:message") {
      if (payload.senderKey === this.client.user && payload.tempId) this.outbox.remove(payload.tempId as string);
      else this.#deliveredSoon(id, payload.no as number);
    }
    this.conversations.handle(name, payload);
    this.#messages.get(id)?.handle(name, payload);
    this.#typing.get(id)?.handle(name, payload);
  }

  /** Tell the server that messages have arrived. One that is read at once needs no other receipt. */
  #deliveredSoon(id: string, no: number): void {
    this.#arrived.set(id, Math.max(no, this.#arrived.get(id) ?? 0));
    this.#receipts ??= setTimeout(() => {
      this.#receipts = undefined;
      for (const [conversation, upTo] of this.#arrived) {
        const known = this.conversations.find(conversation);
        if (!known || known.member_count > MAX_RECEIPTS || (known.read_no ?? 0) >= upTo) continue;
        void this.api.delivered(conversation, upTo).catch(() => undefined);
      }
      this.#arrived.clear();
    }, RECEIPT_INTERVAL);
  }
}

const chats = new WeakMap<Client, Chat>();

/** The chat of a client. It is the same object at each call, and ends when the client is closed. */
export function chatOf(client: Client): Chat {
  const chat = chats.get(client) ?? new Chat(client);
  chats.set(client, chat);
  return chat;
}

function remembered<T>(map: Map<string, T>, key: string, create: () => T): T {
  const known = map.get(key) ?? create();
  map.set(key, known);
  return known;
}
