/**
 * The connection to the server: a socket if one can be opened, polling otherwise. Both read the same log. The connection
 * reports events and positions; log.ts interprets them.
 */

import { asError, type CarillonError } from "./errors.ts";
import type { Position, Positions, ServerEvent } from "./log.ts";
import type { Rest } from "./rest.ts";
import type { Answer, OpenSocket, Socket } from "./socket.ts";
import {
  backoff,
  jitter,
  MAX_POLL_INTERVAL,
  POLL_INTERVAL,
  POLLING_DELAY,
  REQUEST_TIMEOUT,
  SYNC_TIMEOUT,
  TOKEN_MARGIN,
} from "./timing.ts";
import type { Tokens } from "./tokens.ts";

/**
 * `live`: events arrive on the socket. `polling`: events arrive by HTTP, some seconds late. `offline`: neither works, or
 * there is no token.
 */
export type State = "connecting" | "live" | "polling" | "offline";

/** Whether events arrive, on the socket or by polling. */
export const isConnected = (state: State): boolean => state === "live" || state === "polling";

/** The names that events have (docs/realtime.md, "Dialects"). */
export type Dialect = "canonical" | "hub" | "tenant" | "group" | "simple";

/** What a connection reports. The other tabs get the same. */
export type Frame =
  | { kind: "event"; event: ServerEvent }
  | { kind: "position"; at: Position; since: Positions; complete: boolean; events: ServerEvent[] }
  | { kind: "state"; state: State }
  | { kind: "error"; code: string; message: string };

interface Page extends Position {
  complete: boolean;
  more: boolean;
  data: { event: string; payload: ServerEvent["payload"] }[];
  poll_interval_ms?: number;
}

type Timer = ReturnType<typeof setTimeout>;

export class Connection {
  state: State = "connecting";
  #socket: Socket;
  #closed = false;
  #failures = 0;
  /** The wait before a reconnection that the server asked for. */
  #reconnectAfter = 0;
  /** The position in the last handshake. */
  #sentPositions: Positions = {};
  #opening = false;
  #retryTimer: Timer | undefined;
  #pollingDelay: Timer | undefined;
  #pollTimer: Timer | undefined;
  #polls = 0;
  #refreshTimer: Timer | undefined;
  /** How far the server's clock is ahead of this one, in milliseconds. Local clocks can be wrong by hours. */
  #clockSkew = 0;

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
      event: (event) => this.#handle(event),
      closed: (error) => this.#socketClosed(error),
    });
    this.#waitForSocket();
    void this.#open();
  }

  /** Send an event and wait for the answer. `sync` requests the events after a position, on the socket or by polling. */
  async request(name: string, payload: unknown): Promise<Answer> {
    if (name !== "sync") return this.#socket.request(name, payload, REQUEST_TIMEOUT);
    const since = payload as Position;
    if (this.state !== "live") return this.#readFrom(since).then(() => ({ ok: true }));
    let positions = since.positions;
    for (;;) {
      const answer = (await this.#requestSync(positions)) as unknown as Page & Answer;
      this.#reportPosition(answer, positions);
      if (!answer.more) return answer;
      positions = answer.positions;
    }
  }

  /** Try to connect now, without waiting for the next attempt. */
  retryNow(): void {
    this.#failures = 0;
    if (this.state !== "live") {
      void this.#open();
      if (this.#polls > 0) this.#pollSoon(0);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#retryTimer, this.#pollingDelay, this.#pollTimer, this.#refreshTimer])
      clearTimeout(timer);
    this.#socket.close();
  }

  async #requestSync(positions: Positions): Promise<Answer> {
    try {
      return await this.#socket.request("sync", { positions }, SYNC_TIMEOUT);
    } catch (error) {
      // The connection is broken without notice, for example after the computer slept or changed its network.
      if (asError(error).code === "timeout") this.#socket.close();
      throw error;
    }
  }

  async #open(): Promise<void> {
    clearTimeout(this.#retryTimer);
    if (this.#opening || this.#closed || this.state === "live") return;
    this.#opening = true;
    try {
      const token = await this.tokens.get();
      if (this.#closed) return;
      const { epoch, positions, cursor } = this.position();
      this.#sentPositions = positions;
      // A cursor of null says that this client keeps its position, and has none yet.
      const known = cursor === null ? { cursor } : { epoch, positions, cursor };
      this.#socket.open({ token, dialect: this.dialect, ...known });
    } catch (error) {
      this.#opening = false;
      this.#socketClosed(asError(error));
    }
  }

  #handle(event: ServerEvent): void {
    if (event.name === "session:ready") this.#ready(event.payload as unknown as Ready);
    else if (event.name === "session:resync") this.#reportPosition(event.payload as unknown as Page, {});
    else if (event.name === "session:expiring") this.#refreshIn(0);
    this.emit({ kind: "event", event });
  }

  #ready(ready: Ready): void {
    this.#opening = false;
    this.#failures = 0;
    this.#polls = 0;
    this.#reconnectAfter = ready.reconnect_after_ms ?? 0;
    clearTimeout(this.#pollingDelay);
    clearTimeout(this.#pollTimer);
    this.#clockSkew = Date.parse(ready.server_time) - Date.now();
    this.#refreshBefore(ready.exp);
    this.#reportPosition(ready, this.#sentPositions);
    this.#setState("live");
    if (ready.more) void this.request("sync", this.position()).catch(() => undefined);
  }

  #reportPosition(page: Page, since: Positions, events: ServerEvent[] = []): void {
    const at = { epoch: page.epoch, positions: page.positions, cursor: page.cursor };
    this.emit({ kind: "position", at, since, complete: page.complete, events });
  }

  #socketClosed(error: CarillonError): void {
    if (this.#closed) return;
    this.#opening = false;
    clearTimeout(this.#refreshTimer);
    if (this.state === "live") this.#waitForSocket();
    if (error.code === "token_missing") this.#setState("offline");
    else if (error.code === "token_expired" || error.code === "invalid_token")
      void this.tokens.get(true).catch(() => undefined);
    if (error.code !== "disconnected" && error.code !== "unreachable") {
      this.emit({ kind: "error", code: error.code, message: error.message });
    }
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(
      () => void this.#open(),
      backoff(this.#failures, this.#failures ? 0 : this.#reconnectAfter),
    );
    this.#failures += 1;
  }

  /** Wait for the socket for a moment, then poll. */
  #waitForSocket(): void {
    this.#setState("connecting");
    clearTimeout(this.#pollingDelay);
    this.#pollingDelay = setTimeout(() => this.#pollSoon(0), POLLING_DELAY);
  }

  #pollSoon(wait: number): void {
    clearTimeout(this.#pollTimer);
    if (this.#closed || this.state === "live") return;
    this.#polls += 1;
    this.#pollTimer = setTimeout(async () => {
      try {
        const interval = await this.#readFrom(this.position());
        this.#polls = 1;
        if (this.state !== "live") this.#setState("polling");
        this.#pollSoon(jitter(interval));
      } catch (thrown) {
        const error = asError(thrown);
        if (this.state !== "live") this.#setState("offline");
        this.#pollSoon(
          Math.max(
            error.retryAfter ?? 0,
            jitter(Math.min(MAX_POLL_INTERVAL, POLL_INTERVAL * 1.5 ** (this.#polls - 1))),
          ),
        );
      }
    }, wait);
  }

  /** Read the log from a position to its end. Returns the wait before the next poll. */
  async #readFrom(from: Position): Promise<number> {
    let { cursor, positions } = from;
    for (;;) {
      const page = await this.#page(cursor);
      if (this.#closed) return POLL_INTERVAL;
      const events = page.data.map((one) => ({ name: one.event, payload: one.payload }));
      this.#reportPosition(page, positions, events);
      if (!page.more) return page.poll_interval_ms ?? POLL_INTERVAL;
      ({ cursor, positions } = page);
    }
  }

  async #page(cursor: string | null): Promise<Page> {
    const dialect = this.dialect;
    try {
      return await this.rest.get<Page>("/v1/events", { cursor: cursor ?? undefined, dialect });
    } catch (error) {
      if (cursor === null || asError(error).status !== 422) throw error;
      // The stored cursor is not valid. Start again, and report that events may be missing.
      return { ...(await this.rest.get<Page>("/v1/events", { dialect })), complete: false };
    }
  }

  #refreshIn(wait: number): void {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(async () => {
      try {
        const token = await this.tokens.get(true);
        const answer = await this.#socket.request("auth:refresh", { token }, REQUEST_TIMEOUT);
        this.#refreshBefore(Number(answer.exp));
      } catch (error) {
        // The server closes the connection when the old token expires. The next handshake requests a new one.
        this.emit({ kind: "error", code: asError(error).code, message: asError(error).message });
      }
    }, wait);
  }

  #refreshBefore(exp: number): void {
    const left = exp * 1000 - Date.now() - this.#clockSkew;
    // Half the remaining time for short-lived tokens, and for a token that was returned unchanged.
    this.#refreshIn(Math.max(1_000, left - TOKEN_MARGIN, left / 2));
  }

  #setState(state: State): void {
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
