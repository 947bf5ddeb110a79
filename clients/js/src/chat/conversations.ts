/** The conversations of the user for display: fetched by HTTP, updated by events. */

import type { Client } from "../client.ts";
import { asError, type CarillonError } from "../errors.ts";
import type { Page } from "../rest.ts";
import type { Api } from "./api.ts";
import { Live } from "./live.ts";
import { append, apply, EMPTY_OVERVIEW, type Overview, put, readUpTo, remove } from "./overview.ts";
import type { Conversation } from "./types.ts";

export interface ConversationsState extends Overview {
  readonly status: "loading" | "ready" | "error";
  readonly error: CarillonError | null;
  /** Whether `more()` can fetch older ones. */
  readonly hasMore: boolean;
}

type Payload = Record<string, unknown>;

export class Conversations extends Live<ConversationsState> {
  /** The events that arrived during a request. They are applied to its answer as well. */
  #meanwhile: [string, Payload][] | null = null;
  #loads = 0;
  #next: string | null = null;
  #paging = false;

  constructor(
    private readonly client: Client,
    private readonly api: Api,
  ) {
    super({ ...EMPTY_OVERVIEW, status: "loading", error: null, hasMore: false });
  }

  find(id: string): Conversation | null {
    return this.state.conversations.find((one) => one.id === id) ?? null;
  }

  async load(): Promise<void> {
    this.#loads += 1;
    const load = this.#loads;
    this.#meanwhile = [];
    try {
      const [page, counts] = await Promise.all([this.api.list(), this.api.unread()]);
      if (load !== this.#loads) return;
      const hasMore = this.#remember(page);
      this.set({ conversations: page.data, unread: counts.unread, status: "ready", error: null, hasMore });
      const meanwhile = this.#meanwhile ?? [];
      this.#meanwhile = null;
      for (const [name, payload] of meanwhile) this.#apply(name, payload);
    } catch (error) {
      if (load !== this.#loads) return;
      this.#meanwhile = null;
      this.set({ ...this.state, status: "error", error: asError(error) });
    }
  }

  /** Fetch older conversations. */
  async more(): Promise<void> {
    if (this.#paging || !this.state.hasMore || !this.#next) return;
    this.#paging = true;
    const load = this.#loads;
    try {
      const page = await this.api.list(this.#next);
      if (load !== this.#loads) return;
      this.set({ ...this.state, ...append(this.state, page.data), hasMore: this.#remember(page), error: null });
    } catch (error) {
      this.set({ ...this.state, error: asError(error) });
    } finally {
      this.#paging = false;
    }
  }

  /** Fetch one conversation. Null if the user is not a member. */
  async fetch(id: string): Promise<Conversation | null> {
    try {
      const [conversation, counts] = await Promise.all([this.api.get(id), this.api.unread()]);
      this.set({ ...this.state, ...put(this.state, conversation), unread: counts.unread });
      return conversation;
    } catch (thrown) {
      if (asError(thrown).status !== 404) throw thrown;
      this.set({ ...this.state, ...remove(this.state, id) });
      return null;
    }
  }

  /** Show that everything up to a number was read, before the server tells it. */
  readUpTo(id: string, no: number): void {
    const known = this.find(id);
    if (known) this.#take(readUpTo(this.state, known, no));
  }

  handle(name: string, payload: Payload): void {
    if (!this.isActive) return;
    this.#meanwhile?.push([name, payload]);
    this.#apply(name, payload);
  }

  /** The connection has begun or changed. */
  connected(): void {
    if (this.isActive && (this.#loads === 0 || this.state.status === "error")) void this.load();
  }

  protected override started(): void {
    // A list that is fetched before events arrive could lack the changes in between.
    if (this.client.state !== "connecting") void this.load();
  }

  #apply(name: string, payload: Payload): void {
    this.#take(apply(this.state, this.client.user, name, payload));
  }

  #take({ overview, fetch }: ReturnType<typeof apply>): void {
    if (overview !== this.state) this.set({ ...this.state, ...overview });
    if (fetch !== undefined) void this.fetch(fetch).catch(() => undefined);
  }

  #remember({ page }: Page<Conversation>): boolean {
    this.#next = page.next;
    return page.has_more;
  }
}
