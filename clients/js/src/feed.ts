/** A part of the inbox as a page shows it: fetched by HTTP, kept right by events. The bell and the hooks share it. */

import { ARRIVALS, type Client } from "./client.ts";
import { asError, type CarillonError } from "./errors.ts";
import type { Counts, Filter, Item, Page } from "./rest.ts";

export interface FeedState {
  /** Newest first. */
  readonly items: readonly Item[];
  readonly counts: Counts | null;
  readonly status: "loading" | "ready" | "error";
  readonly error: CarillonError | null;
  /** There are older ones: `more()`. */
  readonly hasMore: boolean;
}

type Names = { id?: string; ids?: string[]; up_to?: string; read_at?: string } & Filter;

export const NONE: Counts = { unread: 0, unseen: 0, total: 0 };
const EMPTY: FeedState = { items: [], counts: null, status: "loading", error: null, hasMore: false };

/** The state after an event; the same object where it means nothing here. Null: only the server knows, ask it. */
export function applied(state: FeedState, filter: Filter, name: string, payload: unknown): FeedState | null {
  const said = (payload ?? {}) as Names;
  const ids = said.ids ?? (said.id ? [said.id] : []);
  const meant = (item: Item) =>
    ids.includes(item.id) || (said.up_to !== undefined && item.id <= said.up_to && fits(item, said));
  const change = (what: (item: Item) => Item) => {
    const items = state.items.map((item) => (meant(item) ? what(item) : item));
    return { ...state, items };
  };
  const without = () => ({ ...state, items: state.items.filter((item) => !meant(item)) });
  if (ARRIVALS.has(name)) return withNew(state, filter, payload as Item);
  switch (name) {
    case "notification:count":
      return { ...state, counts: { ...(state.counts ?? NONE), ...(payload as Partial<Counts>) } };
    case "notification:read":
    case "notification:read_all": {
      const at = said.read_at ?? new Date().toISOString();
      return change((item) =>
        item.read ? item : { ...item, read: true, status: archivedOr(item, "read"), read_at: at },
      );
    }
    case "notification:unread":
      return change((item) => ({ ...item, read: false, status: archivedOr(item, "unread"), read_at: null }));
    case "notification:archived":
      return filter.status === "archived" ? null : without();
    case "notification:unarchived":
      return filter.status === "archived" ? without() : null;
    case "notification:deleted":
      return without();
    default:
      return state;
  }
}

export class Feed {
  #state: FeedState = EMPTY;
  #filter: Filter;
  readonly #listeners = new Set<() => void>();
  /** What was told while the server was asked, to be applied to its answer again. */
  #meanwhile: [string, unknown][] | null = null;
  #loading = 0;
  #next: string | null = null;
  #paging = false;
  #stop: (() => void) | null = null;

  constructor(
    private readonly client: Client,
    filter: Filter = {},
  ) {
    this.#filter = filter;
  }

  get state(): FeedState {
    return this.#state;
  }

  get filter(): Filter {
    return this.#filter;
  }

  /** Hear of changes; the first listener starts it, and it rests when the last one has gone. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#stop) {
      this.#stop = this.client.onAny((name, payload) => this.#told(name, payload));
      // What is fetched before events are told could lack what happens in between.
      if (this.client.state !== "connecting") void this.load();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stop?.();
      this.#stop = null;
    };
  };

  show(filter: Filter): Promise<void> {
    this.#filter = filter;
    this.#set({ ...EMPTY, counts: this.#state.counts });
    return this.load();
  }

  async load(): Promise<void> {
    const round = (this.#loading += 1);
    this.#meanwhile = [];
    try {
      const [page, counts] = await Promise.all([this.client.inbox.list(this.#filter), this.client.inbox.counts()]);
      if (round !== this.#loading) return;
      this.#set({ items: page.data, counts, status: "ready", error: null, hasMore: this.#turn(page) });
      const meanwhile = this.#meanwhile ?? [];
      this.#meanwhile = null;
      for (const [name, payload] of meanwhile) this.#apply(name, payload);
    } catch (error) {
      if (round !== this.#loading) return;
      this.#meanwhile = null;
      this.#set({ ...this.#state, status: "error", error: asError(error) });
    }
  }

  /** Fetch older ones. */
  async more(): Promise<void> {
    if (this.#paging || !this.#state.hasMore || !this.#next) return;
    this.#paging = true;
    const round = this.#loading;
    try {
      const page = await this.client.inbox.list(this.#filter, this.#next);
      if (round !== this.#loading) return;
      const known = new Set(this.#state.items.map(({ id }) => id));
      const items = [...this.#state.items, ...page.data.filter(({ id }) => !known.has(id))];
      this.#set({ ...this.#state, items, hasMore: this.#turn(page), error: null });
    } catch (error) {
      this.#set({ ...this.#state, error: asError(error) });
    } finally {
      this.#paging = false;
    }
  }

  read = (id: string): Promise<void> => this.#do("notification:read", { id }, () => this.client.inbox.read(id));
  unread = (id: string): Promise<void> => this.#do("notification:unread", { id }, () => this.client.inbox.unread(id));
  archive = (id: string): Promise<void> =>
    this.#do("notification:archived", { id }, () => this.client.inbox.archive(id));
  unarchive = (id: string): Promise<void> =>
    this.#do("notification:unarchived", { id }, () => this.client.inbox.unarchive(id));
  remove = (id: string): Promise<void> => this.#do("notification:deleted", { id }, () => this.client.inbox.delete(id));

  /** Mark as read what fits the filter, as far as it was there to be seen. */
  readAll = (): Promise<void> => {
    const newest = this.#state.items[0];
    const { status: _, ...which } = this.#filter;
    if (!newest) return Promise.resolve();
    const sweep = { ...which, up_to: newest.id };
    return this.#do("notification:read_all", sweep, async () => {
      while ((await this.client.inbox.readAll(sweep)).more);
    });
  };

  /** At once here, and then there: what fails is undone by what the server has. */
  async #do(event: string, payload: Names, there: () => Promise<unknown>): Promise<void> {
    this.#apply(event, payload);
    try {
      await there();
    } catch (error) {
      await this.load();
      this.#set({ ...this.#state, error: asError(error) });
    }
  }

  #told(name: string, payload: unknown): void {
    const waits = this.#loading === 0 || this.#state.status === "error";
    if (name === "reset" || (name === "state" && payload !== "connecting" && waits)) return void this.load();
    if (!name.startsWith("notification")) return;
    this.#meanwhile?.push([name, payload]);
    this.#apply(name, payload);
  }

  #apply(name: string, payload: unknown): void {
    const next = applied(this.#state, this.#filter, name, payload);
    if (next) this.#set(next);
    else void this.load();
  }

  #turn({ page }: Page<Item>): boolean {
    this.#next = page.next;
    return page.has_more;
  }

  #set(state: FeedState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

function withNew(state: FeedState, filter: Filter, told: Item): FeedState {
  const old = state.items.find(({ id }) => id === told.id);
  if (old) return state;
  // Until the server tells the counts, which it does a moment later; to who polls, it does not.
  const { unread, unseen, total } = state.counts ?? NONE;
  const counts = { unread: unread + 1, unseen: unseen + 1, total: total + 1 };
  const item: Item = { ...told, status: "unread", read: false, seen_at: null, read_at: null, archived_at: null };
  if (!fits(item, filter) || (filter.status ?? "all") === "archived" || filter.status === "read")
    return { ...state, counts };
  // Ids sort by time.
  const items = [...state.items, item].sort((a, b) => (a.id < b.id ? 1 : -1));
  return { ...state, items, counts };
}

function fits(item: Item, { category, type, level }: Filter): boolean {
  return (
    (category === undefined || item.category === category) &&
    (type === undefined || item.type === type) &&
    (level === undefined || item.level === level)
  );
}

function archivedOr<T>(item: Item, otherwise: T): T | "archived" {
  return item.archived_at ? "archived" : otherwise;
}
