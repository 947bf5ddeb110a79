/** The handlers of events. A handler that is added a moment too late still gets the events before it. */

/** The most events that are kept for later handlers. The oldest are dropped, so that a client that never connects does not grow. */
export const MAX_KEPT = 1_000;

export type Handler = (payload: never) => void;

interface Entry {
  /** The name of the event; with null, all events, and `handler` gets the name too. */
  name: string | null;
  call(name: string, payload: unknown): void;
  handler: unknown;
  /** Whether the entry still waits for the kept events. */
  late: boolean;
}

export class Handlers {
  readonly #entries = new Set<Entry>();
  #kept: [string, unknown][] | null = null;

  /**
   * Keep events from now on: a handler that is added later gets the ones before it, in order. Ends one tick after the
   * promise has settled, so after the code that awaits it has added its handlers.
   */
  keepUntil(settled: Promise<unknown>): void {
    const kept: [string, unknown][] = [];
    this.#kept = kept;
    const end = () =>
      setTimeout(() => {
        if (this.#kept === kept) this.#kept = null;
      });
    void settled.then(end, end);
  }

  /** Returns a function that removes the handler. */
  on(name: string, handler: Handler): () => void {
    return this.#add({ name, handler, call: (_, payload) => handler(payload as never), late: false });
  }

  /** Handle all events. Returns a function that removes the handler. */
  onAny(handler: (name: string, payload: unknown) => void): () => void {
    return this.#add({ name: null, handler, call: handler, late: false });
  }

  /** Remove a handler of an event; without `handler`, all of them. */
  off(name: string, handler?: Handler): void {
    for (const entry of this.#entries)
      if (entry.name === name && (!handler || entry.handler === handler)) this.#entries.delete(entry);
  }

  emit(name: string, payload: unknown): void {
    if (this.#kept && this.#kept.push([name, payload]) > MAX_KEPT) this.#kept.shift();
    for (const entry of [...this.#entries]) if (!entry.late) call(entry, name, payload);
  }

  #add(entry: Entry): () => void {
    this.#entries.add(entry);
    const kept = this.#kept;
    if (kept?.length) {
      entry.late = true;
      // Not at once: the caller does not have the function that removes the handler yet.
      queueMicrotask(() => {
        // `kept` can grow meanwhile, by what the handler causes.
        for (const [name, payload] of kept) if (this.#entries.has(entry)) call(entry, name, payload);
        entry.late = false;
      });
    }
    return () => this.#entries.delete(entry);
  }
}

function call(entry: Entry, name: string, payload: unknown): void {
  if (entry.name !== null && entry.name !== name) return;
  try {
    entry.call(name, payload);
  } catch (error) {
    // An error in a handler is reported like any error of the page. The other handlers still run.
    queueMicrotask(() => {
      throw error;
    });
  }
}
