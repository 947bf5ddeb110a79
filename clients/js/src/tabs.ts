/**
 * The tabs of one user in one browser share a connection. One tab leads: it has the connection, and passes events and
 * requests on. Without Web Locks or BroadcastChannel (browsers before 2022, pages without HTTPS) every tab leads itself.
 */

import type { Frame } from "./connection.ts";
import { asError, CarillonError } from "./errors.ts";
import type { Answer } from "./socket.ts";
import { REQUEST_TIMEOUT } from "./timing.ts";

/** What the leader tells a new tab. */
export interface Welcome {
  state: unknown;
  position: unknown;
  session: unknown;
}

type Message =
  | { hello: true }
  | { welcome: Welcome }
  | { frame: Frame }
  | { ask: string; name: string; payload: unknown }
  | { answered: string; answer?: Answer; code?: string; message?: string };

/** The callbacks of a tab. `answer` and `welcome` are called in the leader only. */
export interface Role {
  lead(): void;
  frame(frame: Frame): void;
  welcomed(welcome: Welcome): void;
  welcome(): Welcome;
  answer(name: string, payload: unknown): Promise<Answer>;
}

export class Tabs {
  leader = false;
  #channel: BroadcastChannel | null = null;
  #requests = new Map<string, (message: Extract<Message, { answered: string }>) => void>();
  #leave: () => void = () => undefined;
  #number = 0;
  readonly #id = Math.random().toString(36).slice(2);

  constructor(
    name: string,
    private readonly role: Role,
  ) {
    if (!canShare()) {
      this.leader = true;
      role.lead();
      return;
    }
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event: MessageEvent<Message>) => this.#handle(event.data);
    this.#post({ hello: true });
    const controller = new AbortController();
    this.#leave = () => controller.abort();
    // The browser releases the lock when the tab closes or crashes. The next tab in the queue then gets it.
    navigator.locks
      .request(name, { signal: controller.signal }, () => {
        this.leader = true;
        role.lead();
        this.#post({ welcome: role.welcome() });
        return new Promise<void>((release) => {
          this.#leave = release;
        });
      })
      .catch(() => undefined);
  }

  /** Pass a report of the connection on to the other tabs. */
  pass(frame: Frame): void {
    this.#post({ frame });
  }

  /** Send a request through the leader. Rejects with CarillonError. */
  ask(name: string, payload: unknown): Promise<Answer> {
    this.#number += 1;
    const ask = `${this.#id}/${this.#number}`;
    return new Promise((resolve, reject) => {
      const end = setTimeout(() => {
        this.#requests.delete(ask);
        reject(new CarillonError("timeout", "the leading tab did not answer"));
      }, REQUEST_TIMEOUT + 2_000);
      this.#requests.set(ask, ({ answer, code, message }) => {
        clearTimeout(end);
        this.#requests.delete(ask);
        if (answer) resolve(answer);
        else reject(new CarillonError(code ?? "internal", message ?? ""));
      });
      this.#post({ ask, name, payload });
    });
  }

  close(): void {
    this.#leave();
    this.#channel?.close();
    this.#channel = null;
  }

  #handle(message: Message): void {
    if ("answered" in message) this.#requests.get(message.answered)?.(message);
    else if (this.leader) {
      if ("hello" in message) this.#post({ welcome: this.role.welcome() });
      else if ("ask" in message) void this.#answer(message.ask, message.name, message.payload);
    } else if ("frame" in message) this.role.frame(message.frame);
    else if ("welcome" in message) this.role.welcomed(message.welcome);
  }

  async #answer(ask: string, name: string, payload: unknown): Promise<void> {
    try {
      this.#post({ answered: ask, answer: await this.role.answer(name, payload) });
    } catch (thrown) {
      const { code, message } = asError(thrown);
      this.#post({ answered: ask, code, message });
    }
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }
}

/** How long a tab holds a claim, and how long a hidden tab waits before it tries, in milliseconds. */
const CLAIM_DURATION = 3_000;
const HIDDEN_DELAY = 150;

/** True in only one of the tabs that call it at about the same time. Visible tabs come first. */
export async function claim(name: string): Promise<boolean> {
  if (!canShare()) return true;
  if (document.visibilityState !== "visible") await new Promise((later) => setTimeout(later, HIDDEN_DELAY));
  return new Promise((resolve) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((later) => setTimeout(later, CLAIM_DURATION));
    });
  });
}

/** Run a task while no other tab runs one of this name. */
export async function exclusively(name: string, task: () => Promise<void>): Promise<void> {
  if (canShare()) await navigator.locks.request(name, task);
  else await task();
}

function canShare(): boolean {
  return typeof BroadcastChannel !== "undefined" && typeof navigator !== "undefined" && navigator.locks !== undefined;
}
