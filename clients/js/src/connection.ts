/**
 * The way to the server: a socket while there is one, else polling; the same log either way. Tells what comes, and what
 * is known of the position; what that means is log.ts's business.
 */

import { asError, CarillonError } from "./errors.ts";
import type { Position, Positions, Told } from "./log.ts";
import { ALIVE, ANSWER, around, backoff, LONGEST_POLL, PATIENCE, POLL, REFRESH } from "./pace.ts";
import type { Rest } from "./rest.ts";
import type { Answer, OpenSocket, Socket } from "./socket.ts";
import type { Tokens } from "./tokens.ts";

/** `live`: on the socket. `polling`: without it, some seconds late. `offline`: neither works, or nobody is signed in. */
export type State = "connecting" | "live" | "polling" | "offline";

/** Names by which events are told (docs/realtime.md, Dialects). */
export type Dialect = "canonical" | "hub" | "tenant" | "group" | "simple";

/** What a connection tells. Followers in other tabs are sent the same. */
export type Frame =
  | { kind: "told"; told: Told }
  | { kind: "position"; at: Position; since: Positions; complete: boolean; told: Told[] }
  | { kind: "state"; state: State }
  | { kind: "error"; code: string; message: string };

interface Page extends Position {
  complete: boolean;
  more: boolean;
  data: { event: string; payload: Told["payload"] }[];
  poll_interval_ms?: number;
}

type Timer = ReturnType<typeof setTimeout>;

export class Connection {
  state: State = "connecting";
  #socket: Socket;
  #closed = false;
  #failures = 0;
  #advised = 0;
  /** The position that the handshake showed. */
  #shown: Positions = {};
  #opening = false;
  #retry: Timer | undefined;
  #patience: Timer | undefined;
  #poll: Timer | undefined;
  #polls = 0;
  #refresh: Timer | undefined;
  /** How far the server's clock is ahead: that of this machine may be wrong by hours. */
  #skew = 0;

  constructor(
    url: string,
    private readonly dialect: Dialect,
    private readonly tokens: Tokens,
    private readonly rest: Rest,
    openSocket: OpenSocket,
    private readonly position: () => Position,
    private readonly emit: (frame: Frame) => void,
  ) {
    this.#socket = openSocket(url, {
      told: (told) => this.#told(told),
      down: (error) => this.#down(error),
    });
    this.#lose();
    void this.#open();
  }

  /** Send an event and wait for the answer. `sync` asks for what came after `positions`, however that is possible. */
  async request(name: string, payload: unknown): Promise<Answer> {
    if (name !== "sync") return this.#socket.request(name, payload, ANSWER);
    const since = payload as Position;
    if (this.state !== "live") return this.#pollFrom(since).then(() => ({ ok: true }));
    let positions = since.positions;
    for (;;) {
      const answer = (await this.#ask(positions)) as unknown as Page & Answer;
      this.#arrived(answer, positions);
      if (!answer.more) return answer;
      positions = answer.positions;
    }
  }

  /** What was thought to be a connection may be none: look now, without waiting. */
  hurry(): void {
    this.#failures = 0;
    if (this.state !== "live") {
      void this.#open();
      if (this.#polls > 0) this.#pollSoon(0);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#retry, this.#patience, this.#poll, this.#refresh]) clearTimeout(timer);
    this.#socket.close();
  }

  async #ask(positions: Positions): Promise<Answer> {
    try {
      return await this.#socket.request("sync", { positions }, ALIVE);
    } catch (error) {
      // Broken, though nobody said so: a laptop that slept, a network that was changed.
      if (asError(error).code === "timeout") this.#socket.close();
      throw error;
    }
  }

  async #open(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#opening || this.#closed || this.state === "live") return;
    this.#opening = true;
    try {
      const token = await this.tokens.get();
      if (this.#closed) return;
      const { epoch, positions, cursor } = this.position();
      this.#shown = positions;
      const known = cursor === null ? {} : { epoch, positions, cursor };
      this.#socket.open({ token, dialect: this.dialect, ...known });
    } catch (error) {
      this.#opening = false;
      this.#down(asError(error));
    }
  }

  #told(told: Told): void {
    if (told.name === "session:ready") this.#ready(told.payload as unknown as Ready);
    else if (told.name === "session:resync") this.#arrived(told.payload as unknown as Page, {});
    else if (told.name === "session:expiring") this.#refreshIn(0);
    this.emit({ kind: "told", told });
  }

  #ready(ready: Ready): void {
    this.#opening = false;
    this.#failures = 0;
    this.#polls = 0;
    this.#advised = ready.reconnect_after_ms ?? 0;
    clearTimeout(this.#patience);
    clearTimeout(this.#poll);
    this.#skew = Date.parse(ready.server_time) - Date.now();
    this.#refreshBefore(ready.exp);
    this.#arrived(ready, this.#shown);
    this.#enter("live");
    if (ready.more) void this.request("sync", this.position()).catch(() => undefined);
  }

  #arrived(page: Page, since: Positions, told: Told[] = []): void {
    const at = { epoch: page.epoch, positions: page.positions, cursor: page.cursor };
    this.emit({ kind: "position", at, since, complete: page.complete, told });
  }

  #down(error: CarillonError): void {
    if (this.#closed) return;
    this.#opening = false;
    clearTimeout(this.#refresh);
    if (this.state === "live") this.#lose();
    if (error.code === "token_missing") this.#enter("offline");
    else if (error.code === "token_expired" || error.code === "invalid_token")
      void this.tokens.get(true).catch(() => undefined);
    if (error.code !== "disconnected" && error.code !== "unreachable") {
      this.emit({ kind: "error", code: error.code, message: error.message });
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#open(), backoff(this.#failures, this.#failures ? 0 : this.#advised));
    this.#failures += 1;
  }

  /** There is no socket: wait a moment for it, then poll. */
  #lose(): void {
    this.#enter("connecting");
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#pollSoon(0), PATIENCE);
  }

  #pollSoon(wait: number): void {
    clearTimeout(this.#poll);
    if (this.#closed || this.state === "live") return;
    this.#polls += 1;
    this.#poll = setTimeout(async () => {
      try {
        const interval = await this.#pollFrom(this.position());
        this.#polls = 1;
        if (this.state !== "live") this.#enter("polling");
        this.#pollSoon(around(interval));
      } catch (thrown) {
        const error = asError(thrown);
        if (this.state !== "live") this.#enter("offline");
        this.#pollSoon(
          Math.max(error.retryAfter ?? 0, around(Math.min(LONGEST_POLL, POLL * 1.5 ** (this.#polls - 1)))),
        );
      }
    }, wait);
  }

  /** Read the log after a position, to its end. Returns when to come again. */
  async #pollFrom(from: Position): Promise<number> {
    let { cursor, positions } = from;
    for (;;) {
      const page = await this.#page(cursor);
      if (this.#closed) return POLL;
      const told = page.data.map((one) => ({ name: one.event, payload: one.payload }));
      this.#arrived(page, positions, told);
      if (!page.more) return page.poll_interval_ms ?? POLL;
      ({ cursor, positions } = page);
    }
  }

  async #page(cursor: string | null): Promise<Page> {
    const dialect = this.dialect;
    try {
      return await this.rest.get<Page>("/v1/events", { cursor: cursor ?? undefined, dialect });
    } catch (error) {
      if (cursor === null || asError(error).status !== 422) throw error;
      // What was stored here is no cursor any more: begin anew, and say so.
      return { ...(await this.rest.get<Page>("/v1/events", { dialect })), complete: false };
    }
  }

  #refreshIn(wait: number): void {
    clearTimeout(this.#refresh);
    this.#refresh = setTimeout(async () => {
      try {
        const token = await this.tokens.get(true);
        const answer = await this.#socket.request("auth:refresh", { token }, ANSWER);
        this.#refreshBefore(Number(answer["exp"]));
      } catch (error) {
        // The server ends the connection when the old token has; then a new one is asked for again.
        this.emit({ kind: "error", code: asError(error).code, message: asError(error).message });
      }
    }, wait);
  }

  #refreshBefore(exp: number): void {
    const left = exp * 1000 - Date.now() - this.#skew;
    // The second where the same token was given again, or short ones.
    this.#refreshIn(Math.max(1_000, left - REFRESH, left / 2));
  }

  #enter(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.emit({ kind: "state", state });
  }
}

interface Ready extends Page {
  exp: number;
  server_time: string;
  reconnect_after_ms?: number;
}
