/** A list of the inbox for display: fetched by HTTP, updated by events. The bell and the hooks use it. */

import { ARRIVALS, type Client } from "./client.ts";
import { asError, type CarillonError } from "./errors.ts";
import type { Counts, Filter, Item, Page } from "./rest.ts";

export interface FeedState {
  /** Newest first. */
  readonly items: readonly Item[];
  readonly counts: Counts | null;
  readonly status: "loading" | "ready" | "error";
  readonly error: CarillonError | null;
  /** Whether `more()` can fetch older items. */
  readonly hasMore: boolean;
}

/** The members of an event that say which items it is about. */
type Selection = { id?: string; ids?: string[]; up_to?: string; read_at?: string } & Filter;

export const ZERO_COUNTS: Counts = { unread: 0, unseen: 0, total: 0 };
const EMPTY: FeedState = { items: [], counts: null, status: "loading", error: null, hasMore: false };

/** The state after an event; the same object if nothing changes. Null if the list has to be fetched again. */
export function apply(state: FeedState, filter: Filter, name: string, payload: unknown): FeedState | null {
  const selection = (payload ?? {}) as Selection;
  const ids = selection.ids ?? (selection.id ? [selection.id] : []);
  const isSelected = (item: Item) =>
    ids.includes(item.id) ||
    (typeof selection.up_to === "string" && sortable(item) <= selection.up_to && matches(item, selection));
  const change = (update: (item: Item) => Item) => {
    const items = state.items.map((item) => (isSelected(item) ? update(item) : item));
    return { ...state, items };
  };
  const remove = () => ({ ...state, items: state.items.filter((item) => !isSelected(item)) });
  if (ARRIVALS.has(name)) return addItem(state, filter, payload as Item);
  switch (name) {
    case "notification:count":
      return { ...state, counts: { ...(state.counts ?? ZERO_COUNTS), ...(payload as Partial<Counts>) } };
    case "notification:read":
    case "notification:read_all": {
      const at = selection.read_at ?? new Date().toISOString();
      return change((item) =>
        item.read ? item : { ...item, read: true, status: archivedOr(item, "read"), read_at: at },
      );
    }
    case "notification:unread":
      return change((item) => ({ ...item, read: false, status: archivedOr(item, "unread"), read_at: null }));
    case "notification:archived":
      return filter.status === "archived" ? null : remove();
    case "notification:unarchived":
      return filter.status === "archived" ? remove() : null;
    case "notification:deleted":
      return remove();
    default:
      return state;
  }
}

export class Feed {
  #state: FeedState = EMPTY;
  #filter: Filter;
  readonly #listeners = new Set<() => void>();
  /** The events that arrived during a request. They are applied to its answer as well. */
  #meanwhile: [string, unknown][] | null = null;
  /** The number of the last load. The answers of earlier ones are ignored. */
  #loads = 0;
  #next: string | null = null;
  #paging = false;
  #unsubscribe: (() => void) | null = null;

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

  /** Call a function at every change. The feed is active while it has listeners. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#unsubscribe) {
      this.#unsubscribe = this.client.onAny((name, payload) => this.#handle(name, payload));
      // A list that is fetched before events arrive could lack the changes in between.
      if (this.client.state !== "connecting") void this.load();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#unsubscribe?.();
      this.#unsubscribe = null;
    };
  };

  show(filter: Filter): Promise<void> {
    this.#filter = filter;
    this.#set({ ...EMPTY, counts: this.#state.counts });
    return this.load();
  }

  async load(): Promise<void> {
    this.#loads += 1;
    const load = this.#loads;
    this.#meanwhile = [];
    try {
      const [page, counts] = await Promise.all([this.client.inbox.list(this.#filter), this.client.inbox.counts()]);
      if (load !== this.#loads) return;
      this.#set({ items: page.data, counts, status: "ready", error: null, hasMore: this.#remember(page) });
      const meanwhile = this.#meanwhile ?? [];
      this.#meanwhile = null;
      for (const [name, payload] of meanwhile) this.#apply(name, payload);
    } catch (error) {
      if (load !== this.#loads) return;
      this.#meanwhile = null;
      this.#set({ ...this.#state, status: "error", error: asError(error) });
    }
  }

  /** Fetch older items. */
  async more(): Promise<void> {
    if (this.#paging || !this.#state.hasMore || !this.#next) return;
    this.#paging = true;
    const load = this.#loads;
    try {
      const page = await this.client.inbox.list(this.#filter, this.#next);
      if (load !== this.#loads) return;
      const known = new Set(this.#state.items.map(({ id }) => id));
      const items = [...this.#state.items, ...page.data.filter(({ id }) => !known.has(id))];
      this.#set({ ...this.#state, items, hasMore: this.#remember(page), error: null });
    } catch (error) {
      this.#set({ ...this.#state, error: asError(error) });
    } finally {
      this.#paging = false;
    }
  }

  read = (id: string): Promise<void> => this.#change("notification:read", { id }, () => this.client.inbox.read(id));
  unread = (id: string): Promise<void> =>
    this.#change("notification:unread", { id }, () => this.client.inbox.unread(id));
  archive = (id: string): Promise<void> =>
    this.#change("notification:archived", { id }, () => this.client.inbox.archive(id));
  unarchive = (id: string): Promise<void> =>
    this.#change("notification:unarchived", { id }, () => this.client.inbox.unarchive(id));
  remove = (id: string): Promise<void> =>
    this.#change("notification:deleted", { id }, () => this.client.inbox.delete(id));

  /** Mark the items that match the filter as read, up to the newest one in the list. */
  readAll = (): Promise<void> => {
    const newest = this.#state.items[0];
    const { status: _, ...filter } = this.#filter;
    if (!newest) return Promise.resolve();
    const sweep = { ...filter, up_to: newest.id };
    return this.#change("notification:read_all", sweep, async () => {
      while ((await this.client.inbox.readAll(sweep)).more);
    });
  };

  /** Change the list at once, then the server. If the request fails, the list is fetched again. */
  async #change(event: string, payload: Selection, send: () => Promise<unknown>): Promise<void> {
    this.#apply(event, payload);
    try {
      await send();
    } catch (error) {
      await this.load();
      this.#set({ ...this.#state, error: asError(error) });
    }
  }

  #handle(name: string, payload: unknown): void {
    const isDue = this.#loads === 0 || this.#state.status === "error";
    if (name === "reset" || (name === "state" && payload !== "connecting" && isDue)) return void this.load();
    if (!name.startsWith("notification")) return;
    this.#meanwhile?.push([name, payload]);
    this.#apply(name, payload);
  }

  #apply(name: string, payload: unknown): void {
    const next = apply(this.#state, this.#filter, name, payload);
    if (next) this.#set(next);
    else void this.load();
  }

  #remember({ page }: Page<Item>): boolean {
    this.#next = page.next;
    return page.has_more;
  }

  #set(state: FeedState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

function addItem(state: FeedState, filter: Filter, added: Item): FeedState {
  if (state.items.some(({ id }) => id === added.id)) return state;
  // On the socket the server sends the exact counts a moment later. By polling it does not.
  const { unread, unseen, total } = state.counts ?? ZERO_COUNTS;
  const counts = { unread: unread + 1, unseen: unseen + 1, total: total + 1 };
  const item: Item = { ...added, status: "unread", read: false, seen_at: null, read_at: null, archived_at: null };
  if (!matches(item, filter) || (filter.status ?? "all") === "archived" || filter.status === "read")
    return { ...state, counts };
  const items = [...state.items, item].sort((a, b) => (sortable(a) < sortable(b) ? 1 : -1));
  return { ...state, items, counts };
}

/** Carillon's id, which sorts by time. In other dialects `id` can be the service's own. */
function sortable(item: Item & { carillon_id?: string }): string {
  return item.carillon_id ?? item.id;
}

function matches(item: Item, { category, type, level }: Filter): boolean {
  return (
    (category ?? item.category) === item.category &&
    (type ?? item.type) === item.type &&
    (level ?? item.level) === item.level
  );
}

function archivedOr<T>(item: Item, otherwise: T): T | "archived" {
  return item.archived_at ? "archived" : otherwise;
}
