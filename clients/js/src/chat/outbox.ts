/** Sends the messages of the queue in order, and keeps them in localStorage until the server has them. */

import type { Client } from "../client.ts";
import { isConnected } from "../connection.ts";
import { asError, type CarillonError } from "../errors.ts";
import { exclusively } from "../tabs.ts";
import { jitter, RETRY_DELAY } from "../timing.ts";
import { Live } from "./live.ts";
import { isTemporary, newTempId, next, type Outgoing, put, type Queue, without } from "./queue.ts";
import type { Draft, Message } from "./types.ts";

/** Where messages are kept. Each has an item of its own, so that tabs do not overwrite each other's. */
export type OutboxStore = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** What unsent messages are kept in: the browser's localStorage, or a store that can list its keys. */
export function outboxStore(given: object | null | undefined): OutboxStore | null {
  try {
    const store = given === undefined ? globalThis.localStorage : given;
    return store && "key" in store && "removeItem" in store ? (store as OutboxStore) : null;
  } catch {
    return null; // Blocked by the browser.
  }
}

type Send = (message: Outgoing) => Promise<Message>;

export class Outbox extends Live<Queue> {
  #prefix: string | null = null;
  #flushing = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #last: string | undefined;
  /** Messages that could not be stored. */
  readonly #inMemory = new Set<string>();
  readonly #listen = (event: StorageEvent) => {
    if (this.#prefix && event.key?.startsWith(this.#prefix)) this.#read();
  };

  constructor(
    private readonly client: Client,
    private readonly store: OutboxStore | null,
    private readonly post: Send,
    private readonly sent: (message: Message) => void,
  ) {
    super([]);
    const { signal } = client;
    if (typeof window !== "undefined") window.addEventListener("storage", this.#listen, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#retry));
    client.on("state", () => void this.flush());
    void client.identity.then((identity) => {
      this.#prefix = `${identity}#outbox/`;
      for (const message of this.state) this.#write(message);
      this.#read();
      void this.flush();
    });
  }

  /** Add a message, and send it as soon as possible. Returns its `temp_id`. */
  add(conversationId: string, draft: Draft): string {
    const tempId = newTempId(this.#last, Date.now());
    this.#last = tempId;
    this.#put({
      ...draft,
      conversation_id: conversationId,
      temp_id: tempId,
      created_at: new Date().toISOString(),
      failure: null,
    });
    void this.flush();
    return tempId;
  }

  /** Send a refused message again, at its old place. */
  retry(tempId: string): void {
    const message = this.state.find(({ temp_id }) => temp_id === tempId);
    if (!message?.failure) return;
    this.#put({ ...message, failure: null });
    void this.flush();
  }

  /** Forget a message: the server has it, or the user does not want it any more. */
  remove(tempId: string): void {
    if (this.#prefix) this.#access((store) => store.removeItem(this.#prefix + tempId));
    this.set(without(this.state, tempId));
  }

  /** Send what waits, oldest first. Only one tab does it at a time. */
  async flush(): Promise<void> {
    if (this.#flushing || this.client.signal.aborted || !next(this.state) || !isConnected(this.client.state)) return;
    this.#flushing = true;
    clearTimeout(this.#retry);
    try {
      await exclusively(`${this.#prefix}`, async () => {
        this.#read();
        for (let message = next(this.state); message && !this.client.signal.aborted; message = next(this.state))
          await this.#send(message);
      });
    } catch (thrown) {
      const wait = asError(thrown).retryAfter ?? jitter(RETRY_DELAY);
      if (!this.client.signal.aborted) this.#retry = setTimeout(() => void this.flush(), wait);
    } finally {
      this.#flushing = false;
    }
  }

  /** Throws CarillonError if the message has to wait. */
  async #send(message: Outgoing): Promise<void> {
    try {
      const stored = await this.post(message);
      this.remove(message.temp_id);
      this.sent(stored);
    } catch (thrown) {
      const error: CarillonError = asError(thrown);
      if (isTemporary(error)) throw error;
      this.#put({ ...message, failure: { code: error.code, message: error.message } });
    }
  }

  #put(message: Outgoing): void {
    this.#write(message);
    this.set(put(this.state, message));
  }

  #write(message: Outgoing): void {
    this.#inMemory.add(message.temp_id);
    this.#access((store) => {
      store.setItem(this.#prefix + message.temp_id, JSON.stringify(message));
      this.#inMemory.delete(message.temp_id);
    });
  }

  /** Take over what is stored: by this tab earlier, or by another one. */
  #read(): void {
    this.#access((store) => {
      const keys = Array.from({ length: store.length }, (_, number) => store.key(number) ?? "");
      const kept = keys
        .filter((key) => key.startsWith(this.#prefix as string))
        .flatMap((key) => JSON.parse(store.getItem(key) ?? "[]") as Outgoing | []);
      const unstored = this.state.filter(({ temp_id }) => this.#inMemory.has(temp_id));
      this.set([...kept, ...unstored].reduce(put, [] as Queue));
      const newest = this.state.at(-1)?.temp_id;
      if (newest && newest > (this.#last ?? "")) this.#last = newest;
    });
  }

  #access(use: (store: OutboxStore) => void): void {
    if (!this.store || this.#prefix === null) return;
    try {
      use(this.store);
    } catch {
      // Storage is full or blocked: the message is in memory only.
    }
  }
}
