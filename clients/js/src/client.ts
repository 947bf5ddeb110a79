/** The client. It combines the log, the connection, the other tabs and the stored position. */

import { Connection, type Dialect, type Frame, isConnected, type State } from "./connection.ts";
import { asError } from "./errors.ts";
import type { WsPayloads, WsPlace } from "./events.ts";
import { type Handler, Handlers } from "./handlers.ts";
import {
  advance,
  EMPTY_LOG,
  hasGap,
  type LogState,
  type Payload,
  type Position,
  receive,
  resume,
  type Step,
} from "./log.ts";
import { PositionStore, positionOf, type Store } from "./position-store.ts";
import { Rest } from "./rest.ts";
import { type Answer, type OpenSocket, socketIo } from "./socket.ts";
import { Tabs, type Welcome } from "./tabs.ts";
import { ACKNOWLEDGE_INTERVAL, GAP_TIMEOUT, jitter, RETRY_DELAY, SAVE_DELAY, SYNC_INTERVAL } from "./timing.ts";
import { type Claims, claimsOf, type GetToken, identityOf, Tokens } from "./tokens.ts";

export interface ClientOptions {
  /** The URL of the server. Default: the origin of the page. */
  url?: string;
  getToken: GetToken;
  /** Where to keep the position between two visits. Default: localStorage; with null, nowhere. */
  storage?: Store | null;
  /** The names that events have. Default: `canonical`. */
  dialect?: Dialect;
  /** Whether to acknowledge notifications while the page is visible. Default: true. */
  acknowledge?: boolean;
}

/** The events of the client itself, in addition to those of the server. */
export interface ClientPayloads {
  state: State;
  /**
   * Events follow from this position on; earlier ones will not be delivered. Fetch the data that you show. Emitted on a
   * first visit, and when missed events no longer exist on the server.
   */
  reset: Position;
  error: { code: string; message: string };
}

export type EventName = keyof WsPayloads | keyof ClientPayloads;
export type PayloadOf<K> = K extends keyof ClientPayloads
  ? ClientPayloads[K]
  : K extends keyof WsPayloads
    ? WsPayloads[K] & Partial<WsPlace>
    : Payload;

/** The names of a new notification in the dialects. */
export const ARRIVALS: ReadonlySet<string> = new Set(["notification:new", "notification:created", "notification"]);

export class Client extends Rest {
  state: State = "connecting";
  /** The user and tenant of the token. Null until there is a token. */
  user: string | null = null;
  tenant: string | null = null;

  /** Resolves with the key under which the browser keeps what belongs to the user, as soon as there is a token. */
  readonly identity: Promise<string>;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
  #identified: (key: string) => void = () => undefined;

  readonly #tokens: Tokens;
  readonly #handlers = new Handlers();
  #log: LogState = EMPTY_LOG;
  #store: PositionStore | null = null;
  #tabs: Tabs | null = null;
  #connection: Connection | null = null;
  /** The last session:ready, for tabs that open later. */
  #session: Payload | null = null;
  #following = false;
  readonly #closing = new AbortController();
  /** The highest sequence number that was delivered and not yet acknowledged, or 0. */
  #unacknowledged = 0;
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #removeListeners: () => void = () => undefined;

  constructor(
    readonly options: ClientOptions,
    private readonly openSocket: OpenSocket = socketIo,
  ) {
    const tokens = new Tokens(options.getToken);
    super((options.url ?? "").replace(/\/$/, ""), tokens);
    this.#tokens = tokens;
    this.signal = this.#closing.signal;
    this.identity = new Promise((resolve) => {
      this.#identified = resolve;
    });
    this.#handlers.keepUntil(connected(this));
    this.#addListeners();
    void this.#start();
  }

  /**
   * Handle an event of the server, by its name in the dialect, or of the client. Returns a function that stops it.
   * Handlers that are added before the first tick after the first connect has passed also get the events before them.
   */
  on<K extends EventName>(name: K, handler: (payload: PayloadOf<K>) => void): () => void;
  on(name: string, handler: (payload: Payload) => void): () => void;
  on(name: string, handler: Handler): () => void {
    return this.#handlers.on(name, handler);
  }

  /** Handle all events. Returns a function that stops it. */
  onAny(handler: (name: string, payload: unknown) => void): () => void {
    return this.#handlers.onAny(handler);
  }

  /** Send an event, through the tab that has the connection. Rejects with CarillonError, also without a connection. */
  request(name: string, payload?: unknown): Promise<Answer> {
    if (this.#connection) return this.#connection.request(name, payload);
    return this.#tabs ? this.#tabs.ask(name, payload) : Promise.reject(asError("not connected yet"));
  }

  /** Set the presence of the user on this device. */
  setPresence(status: "online" | "away" | "busy"): Promise<Answer> {
    return this.request(`presence:${status}`);
  }

  /** Close the connection and stop delivering events. A new client continues from the same position. */
  close(): void {
    this.#save();
    this.#closing.abort();
    this.#removeListeners();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#connection?.close();
    this.#tabs?.close();
  }

  async #start(): Promise<void> {
    let claims: Claims;
    try {
      claims = claimsOf(await this.#tokens.get());
      this.user = claims.sub ?? null;
      this.tenant = claims.tenant ?? null;
    } catch (error) {
      this.#handlers.emit("error", asError(error));
      this.#setState("offline");
      this.#schedule("start", jitter(RETRY_DELAY), () => void this.#start());
      return;
    }
    if (this.signal.aborted) return;
    const identity = `carillon:${this.url}:${identityOf(claims)}`;
    this.#identified(identity);
    const key = `${identity}#${this.options.dialect ?? "canonical"}`;
    this.#store = new PositionStore(key, this.options.storage);
    this.#log = resume(this.#store.load());
    this.#tabs = new Tabs(key, {
      lead: () => this.#lead(),
      frame: (frame) => this.#following && this.#handle(frame),
      welcome: () => ({ state: this.state, position: positionOf(this.#log), session: this.#session }),
      welcomed: (welcome) => this.#follow(welcome),
      answer: (name, payload) => this.request(name, payload),
    });
  }

  /** This tab opens the connection. It continues from what it received as a follower, so nothing is lost. */
  #lead(): void {
    this.#connection = new Connection(
      this.url,
      this.options.dialect ?? "canonical",
      this.#tokens,
      this,
      this.openSocket,
      () => positionOf(this.#log),
      (frame) => {
        this.#handle(frame);
        this.#tabs?.pass(frame);
      },
    );
    this.#setState(this.#connection.state);
    this.#syncRegularly();
  }

  /** Another tab has the connection. */
  #follow(welcome: Welcome): void {
    // A new leader also welcomes tabs that followed the previous one. They only need its state.
    if (!this.#following) {
      this.#following = true;
      this.#log = resume(welcome.position as Position);
      this.#session = welcome.session as Payload | null;
      if (this.#log.cursor !== null) this.#handlers.emit("reset", welcome.position);
      if (this.#session) this.#handlers.emit("session:ready", this.#session);
    }
    this.#setState(welcome.state as State);
  }

  #handle(frame: Frame): void {
    if (this.signal.aborted) return;
    if (frame.kind === "event") {
      if (frame.event.name === "session:ready") this.#ready(frame.event.payload);
      this.#apply(receive(this.#log, frame.event));
    } else if (frame.kind === "position") {
      this.#apply(advance(this.#log, frame.at, frame.since, frame.complete, frame.events));
    } else if (frame.kind === "state") {
      this.#setState(frame.state);
    } else {
      this.#handlers.emit("error", { code: frame.code, message: frame.message });
    }
  }

  #ready(session: Payload): void {
    this.#session = session;
    // The server's word: it may take both from other claims than the token's `sub` and `tenant`.
    this.user = (session.user as string | undefined) ?? this.user;
    this.tenant = (session.tenant as string | undefined) ?? this.tenant;
  }

  #apply(step: Step): void {
    this.#log = step.state;
    if (step.reset) this.#handlers.emit("reset", positionOf(step.state));
    for (const { name, payload } of step.events) {
      this.#handlers.emit(name, payload);
      if (ARRIVALS.has(name) && payload.seq) this.#unacknowledged = Math.max(this.#unacknowledged, payload.seq);
    }
    this.#schedule("save", SAVE_DELAY, () => this.#save());
    if (this.#unacknowledged) this.#schedule("acknowledge", ACKNOWLEDGE_INTERVAL, () => void this.#acknowledge());
    if (hasGap(this.#log)) this.#schedule("gap", GAP_TIMEOUT, () => hasGap(this.#log) && this.#sync());
  }

  /** The loss of the last event leaves no gap. Only a request shows it. */
  #syncRegularly(): void {
    this.#schedule("sync", jitter(SYNC_INTERVAL), () => {
      if (this.state === "live") this.#sync();
      this.#syncRegularly();
    });
  }

  #sync(): void {
    void this.request("sync", positionOf(this.#log)).catch(() => undefined);
  }

  async #acknowledge(): Promise<void> {
    const seq = this.#unacknowledged;
    if (!seq || this.options.acknowledge === false || !isVisible()) return;
    this.#unacknowledged = 0;
    try {
      if (this.state === "live") await this.request("notification:ack", { seq });
      else await this.inbox.acknowledge({ up_to_seq: seq });
    } catch {
      this.#unacknowledged = Math.max(this.#unacknowledged, seq);
      this.#schedule("acknowledge", jitter(RETRY_DELAY), () => void this.#acknowledge());
    }
  }

  #addListeners(): void {
    if (typeof window === "undefined") return;
    const listeners: [EventTarget, string, () => void][] = [
      [document, "visibilitychange", () => this.#visibilityChanged()],
      [window, "online", () => this.#checkConnection()],
      [window, "offline", () => this.#checkConnection()],
      [window, "pagehide", () => this.#save()],
    ];
    for (const [target, name, listener] of listeners) target.addEventListener(name, listener);
    this.#removeListeners = () => {
      for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
    };
  }

  #visibilityChanged(): void {
    if (isVisible()) {
      this.#checkConnection();
      void this.#acknowledge();
    } else {
      this.#save();
    }
  }

  #checkConnection(): void {
    if (this.state === "live") this.#sync();
    else this.#connection?.retryNow();
  }

  #setState(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.#handlers.emit("state", state);
    if (state === "live" && this.#unacknowledged) void this.#acknowledge();
  }

  /** Run a task later, unless it is scheduled already. */
  #schedule(task: string, wait: number, run: () => void): void {
    if (this.#timers.has(task) || this.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(task);
      run();
    }, wait);
    this.#timers.set(task, timer);
  }

  #save(): void {
    // Only the tab with the connection saves. Another one could replace the position by an older one.
    if (this.signal.aborted || !this.#connection || this.#log.cursor === null) return;
    this.#store?.save(this.#log);
  }
}

/** Create a client. It connects at once. */
export function createClient(options: ClientOptions): Client {
  return new Client(options);
}

/** Resolves when events arrive for the first time. */
export function connected(client: Client): Promise<void> {
  return new Promise((resolve) => client.on("state", (state) => isConnected(state) && resolve()));
}

function isVisible(): boolean {
  return typeof document === "undefined" || document.visibilityState === "visible";
}
