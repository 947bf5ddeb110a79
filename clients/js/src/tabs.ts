/**
 * The tabs of one user in one browser, which share a connection: one leads, the others hear from it and ask through it.
 * Where there are no Web Locks or no BroadcastChannel (before 2022, or without HTTPS), every tab leads itself.
 */

import { asError, CarillonError } from "./errors.ts";
import type { Frame } from "./connection.ts";
import { ANSWER } from "./pace.ts";
import type { Answer } from "./socket.ts";

/** What a tab is told when it comes: where those stand that were there before. */
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

/** What a tab does. `answer` and `welcome` are called in the leader alone. */
export interface Role {
  lead(): void;
  heard(frame: Frame): void;
  welcomed(welcome: Welcome): void;
  welcome(): Welcome;
  answer(name: string, payload: unknown): Promise<Answer>;
}

export class Tabs {
  leader = false;
  #channel: BroadcastChannel | null = null;
  #asked = new Map<string, (message: Extract<Message, { answered: string }>) => void>();
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
    this.#channel.onmessage = (event: MessageEvent<Message>) => this.#heard(event.data);
    this.#say({ hello: true });
    const left = new AbortController();
    this.#leave = () => left.abort();
    // The lock is held until the tab goes, however it goes; then the next one in the queue has it.
    navigator.locks
      .request(name, { signal: left.signal }, () => {
        this.leader = true;
        role.lead();
        this.#say({ welcome: role.welcome() });
        return new Promise<void>((release) => (this.#leave = release));
      })
      .catch(() => undefined);
  }

  /** Tell the other tabs what the connection told. */
  pass(frame: Frame): void {
    this.#say({ frame });
  }

  /** Ask through the leader. Rejects with CarillonError. */
  ask(name: string, payload: unknown): Promise<Answer> {
    const ask = `${this.#id}/${(this.#number += 1)}`;
    return new Promise((resolve, reject) => {
      const end = setTimeout(() => {
        this.#asked.delete(ask);
        reject(new CarillonError("timeout", "the leading tab did not answer"));
      }, ANSWER + 2_000);
      this.#asked.set(ask, ({ answer, code, message }) => {
        clearTimeout(end);
        this.#asked.delete(ask);
        if (answer) resolve(answer);
        else reject(new CarillonError(code ?? "internal", message ?? ""));
      });
      this.#say({ ask, name, payload });
    });
  }

  close(): void {
    this.#leave();
    this.#channel?.close();
    this.#channel = null;
  }

  #heard(message: Message): void {
    if ("answered" in message) this.#asked.get(message.answered)?.(message);
    else if (this.leader) {
      if ("hello" in message) this.#say({ welcome: this.role.welcome() });
      else if ("ask" in message) void this.#answer(message.ask, message.name, message.payload);
    } else if ("frame" in message) this.role.heard(message.frame);
    else if ("welcome" in message) this.role.welcomed(message.welcome);
  }

  async #answer(ask: string, name: string, payload: unknown): Promise<void> {
    try {
      this.#say({ answered: ask, answer: await this.role.answer(name, payload) });
    } catch (thrown) {
      const { code, message } = asError(thrown);
      this.#say({ answered: ask, code, message });
    }
  }

  #say(message: Message): void {
    this.#channel?.postMessage(message);
  }
}

/**
 * True in one of the tabs that ask for it at about the same time: what all of them hear of, only one of them does.
 * Tabs that nobody looks at let the others go first.
 */
export async function claim(what: string): Promise<boolean> {
  if (!canShare()) return true;
  if (document.visibilityState !== "visible") await new Promise((later) => setTimeout(later, 150));
  return new Promise((resolve) => {
    void navigator.locks.request(what, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((later) => setTimeout(later, 3_000));
    });
  });
}

function canShare(): boolean {
  return typeof BroadcastChannel !== "undefined" && typeof navigator !== "undefined" && navigator.locks !== undefined;
}
