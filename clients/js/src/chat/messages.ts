/** The messages of a conversation for display: fetched by HTTP, updated by events, with those that are on their way. */

import type { Client } from "../client.ts";
import { asError, type CarillonError } from "../errors.ts";
import { RECEIPT_INTERVAL } from "../timing.ts";
import type { Api } from "./api.ts";
import type { Conversations } from "./conversations.ts";
import { Live } from "./live.ts";
import type { Outbox } from "./outbox.ts";
import { asMessage } from "./queue.ts";
import {
  apply,
  EMPTY_TIMELINE,
  edited,
  merge,
  mergeReceipts,
  type Receipts,
  react,
  receiptsOf,
  type Timeline,
  tombstone,
} from "./timeline.ts";
import type { Conversation, Draft, Message } from "./types.ts";

/** A message, or one that the server does not have yet: it has no number. */
export interface ShownMessage extends Omit<Message, "no"> {
  no: number | null;
  /** `failed`: the server refused it, see `failure`. */
  state: "sending" | "sent" | "failed";
  failure: { code: string; message: string } | null;
}

export interface MessagesState {
  /** Oldest first; those that are on their way come last. */
  readonly messages: readonly ShownMessage[];
  readonly conversation: Conversation | null;
  readonly status: "loading" | "ready" | "error";
  readonly error: CarillonError | null;
  /** Whether `more()` can fetch older ones. */
  readonly hasMore: boolean;
  /** In large conversations: how many members have read up to a number. */
  readonly readCount: Timeline["readCount"];
}

/** In conversations of up to so many members the server tells who has read a message; in larger ones, how many. */
export const MAX_RECEIPTS = 100;

type Payload = Record<string, unknown>;

export class Messages extends Live<MessagesState> {
  #timeline = EMPTY_TIMELINE;
  /** The events that arrived during a request. They are applied to its answer as well. */
  #meanwhile: [string, Payload][] | null = null;
  #conversation: Conversation | null = null;
  #loads = 0;
  #paging = false;
  #stops: (() => void)[] = [];
  #read = 0;
  #receipt: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly id: string,
    private readonly client: Client,
    private readonly api: Api,
    private readonly conversations: Conversations,
    private readonly outbox: Outbox,
  ) {
    super({ messages: [], conversation: null, status: "loading", error: null, hasMore: false, readCount: null });
  }

  async load(): Promise<void> {
    this.#loads += 1;
    const load = this.#loads;
    this.#meanwhile = [];
    try {
      const [page, conversation] = await Promise.all([this.api.messages(this.id), this.conversations.fetch(this.id)]);
      const own = page.data.filter(({ sender }) => sender !== null && sender === this.client.user);
      const newest = own.reduce<Message | null>((found, one) => (found && found.no > one.no ? found : one), null);
      // Without its receipts, the conversation can still be read.
      const receipts = newest && (await this.api.receipts(this.id, newest.id).catch(() => null));
      if (load !== this.#loads) return;
      this.#conversation = conversation;
      this.#read = conversation?.read_no ?? 0;
      const fetched = merge({ ...EMPTY_TIMELINE, hasMore: page.page.has_more }, page.data);
      this.#timeline = newest && receipts ? mergeReceipts(fetched, newest.no, receipts.data) : fetched;
      if (newest && receipts && (conversation?.member_count ?? 0) > MAX_RECEIPTS)
        this.#timeline = { ...this.#timeline, readCount: { no: newest.no, count: receipts.read } };
      for (const [name, payload] of this.#meanwhile ?? []) this.#timeline = apply(this.#timeline, name, payload);
      this.#meanwhile = null;
      this.#show({ status: "ready", error: null });
    } catch (error) {
      if (load !== this.#loads) return;
      this.#meanwhile = null;
      this.#show({ status: "error", error: asError(error) });
    }
  }

  /** Fetch older messages. */
  more = async (): Promise<void> => {
    const [oldest] = this.#timeline.messages;
    if (this.#paging || !this.#timeline.hasMore || !oldest) return;
    this.#paging = true;
    const load = this.#loads;
    try {
      const page = await this.api.messages(this.id, oldest.no);
      if (load === this.#loads) this.#change({ ...merge(this.#timeline, page.data), hasMore: page.page.has_more });
    } catch (error) {
      this.#show({ error: asError(error) });
    } finally {
      this.#paging = false;
    }
  };

  /** Send a message. It is shown at once, kept until the server has it, and sent in order. Returns its `temp_id`. */
  send = (draft: string | Draft): string =>
    this.outbox.add(this.id, typeof draft === "string" ? { content: draft } : draft);

  /** Change the text of a message; without `mentions`, it mentions whom it did. */
  edit = (id: string, content: string, mentions?: string[]): Promise<void> =>
    this.#optimistic(
      id,
      (message) => edited(message, { content, mentions, editedAt: new Date().toISOString() }),
      async () => this.add(await this.api.edit(this.id, id, content, mentions)),
    );

  /** Delete a message, for everyone or only for the user. */
  remove = (id: string, forEveryone = false): Promise<void> =>
    this.#optimistic(
      id,
      (message) => (forEveryone ? tombstone(message, new Date().toISOString()) : null),
      () => this.api.remove(this.id, id, forEveryone),
    );

  react = (id: string, emoji: string): Promise<void> =>
    this.#optimistic(
      id,
      (message) => react(message, emoji, true),
      async () => this.add(await this.api.react(this.id, id, emoji)),
    );

  unreact = (id: string, emoji: string): Promise<void> =>
    this.#optimistic(
      id,
      (message) => react(message, emoji, false),
      async () => this.add(await this.api.unreact(this.id, id, emoji)),
    );

  /** The members other than the sender who have received and read a message, as far as they are known. */
  receiptsOf = (message: ShownMessage): Receipts => receiptsOf(this.#timeline, message);

  /** Show a message that the server has stored. */
  add(message: Message): void {
    this.#change(merge(this.#timeline, [message]));
  }

  handle(name: string, payload: Payload): void {
    if (!this.isActive) return;
    this.#meanwhile?.push([name, payload]);
    if (name === "chat:conversation:left") this.#conversation = null;
    this.#change(apply(this.#timeline, name, payload));
  }

  connected(): void {
    if (this.isActive && (this.#loads === 0 || this.state.status === "error")) void this.load();
  }

  protected override started(): void {
    const show = () => this.#show({});
    this.#stops = [this.outbox.subscribe(show), this.conversations.subscribe(show)];
    if (typeof document !== "undefined") {
      const visible = () => this.#readSoon();
      document.addEventListener("visibilitychange", visible);
      this.#stops.push(() => document.removeEventListener("visibilitychange", visible));
    }
    // A list that is fetched before events arrive could lack the changes in between.
    if (this.client.state !== "connecting") void this.load();
  }

  protected override stopped(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Change a message at once, then on the server. If the request fails, the list is fetched again. */
  async #optimistic(id: string, update: (message: Message) => Message | null, send: () => Promise<unknown>) {
    const messages = this.#timeline.messages.flatMap((message) =>
      message.id === id ? (update(message) ?? []) : [message],
    );
    this.#change({ ...this.#timeline, messages });
    try {
      await send();
    } catch (error) {
      await this.load();
      this.#show({ error: asError(error) });
    }
  }

  #change(timeline: Timeline): void {
    if (timeline === this.#timeline) return;
    this.#timeline = timeline;
    this.#show({});
  }

  #show(changed: Partial<MessagesState>): void {
    const { messages, hasMore, readCount } = this.#timeline;
    const unsent = this.outbox.state.filter(({ conversation_id }) => conversation_id === this.id);
    const shown: ShownMessage[] = [
      ...messages.map((message) => ({ ...message, state: "sent" as const, failure: null })),
      ...unsent.map((one) => ({
        ...asMessage(one, this.client.user),
        no: null,
        state: one.failure ? ("failed" as const) : ("sending" as const),
        failure: one.failure,
      })),
    ];
    const conversation = this.conversations.find(this.id) ?? this.#conversation;
    this.set({ ...this.state, messages: shown, conversation, hasMore, readCount, ...changed });
    this.#readSoon();
  }

  /** Tell the server what was read, while the page is visible. */
  #readSoon(): void {
    if (this.#receipt !== undefined || this.#unread() === null) return;
    this.#receipt = setTimeout(async () => {
      this.#receipt = undefined;
      const no = this.#unread();
      if (no === null) return;
      this.#read = no;
      this.conversations.readUpTo(this.id, no);
      await this.api.read(this.id, no).catch(() => {
        this.#read = 0;
      });
    }, RECEIPT_INTERVAL);
  }

  /** The number of the newest message, if the user has it before them and has not read it. */
  #unread(): number | null {
    const newest = this.#timeline.messages.at(-1)?.no ?? 0;
    const isShown = this.isActive && (typeof document === "undefined" || document.visibilityState === "visible");
    return isShown && this.state.status === "ready" && newest > this.#read ? newest : null;
  }
}
