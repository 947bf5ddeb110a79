/** The client: what a page holds. It puts together the log, the connection, the other tabs and what is stored. */

import { Connection, type Dialect, type Frame, type State } from "./connection.ts";
import { asError } from "./errors.ts";
import type { WsPayloads, WsPlace } from "./events.ts";
import {
  arrive,
  hasGap,
  type LogState,
  NOWHERE,
  type Payload,
  type Position,
  receive,
  resume,
  type Step,
} from "./log.ts";
import { ACKNOWLEDGE, around, GAP, HEAD_CHECK } from "./pace.ts";
import { Rest } from "./rest.ts";
import { type Answer, type OpenSocket, socketIo } from "./socket.ts";
import { Tabs, type Welcome } from "./tabs.ts";
import { claimsOf, type GetToken, Tokens } from "./tokens.ts";

export interface ClientOptions {
  /** Where the server is; the page's own origin if not given. */
  url?: string;
  getToken: GetToken;
  /** Where the position is kept between two visits: localStorage if not given, nowhere if null. */
  storage?: Pick<Storage, "getItem" | "setItem"> | null;
  /** By which names events are told; `canonical` if not given. */
  dialect?: Dialect;
  /** Say that notifications were on the screen, while the page is visible; true if not given. */
  acknowledge?: boolean;
}

/** What the client tells of itself, beside the events of the server. */
export interface ClientPayloads {
  state: State;
  /**
   * Events are told from here on, and not what was before: fetch by HTTP what you show. So it is at a first visit, and
   * when part of what was missed is gone.
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
type Handler = (payload: never) => void;

/** Under which names a notification comes, in the dialects. */
export const ARRIVALS: ReadonlySet<string> = new Set(["notification:new", "notification:created", "notification"]);

export class Client extends Rest {
  state: State = "connecting";
  /** Whose events these are, and of which tenant; null until the first token is there. */
  user: string | null = null;
  tenant: string | null = null;

  readonly #tokens: Tokens;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #any = new Set<(name: string, payload: unknown) => void>();
  #log: LogState = NOWHERE;
  #tabs: Tabs | null = null;
  #connection: Connection | null = null;
  /** The last session:ready, for whoever comes later. */
  #session: Payload | null = null;
  #welcomed = false;
  #closed = false;
  #key = "";
  #shown = 0;
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #unlisten: () => void = () => undefined;

  constructor(
    private readonly options: ClientOptions,
    private readonly openSocket: OpenSocket = socketIo,
  ) {
    const tokens = new Tokens(options.getToken);
    super((options.url ?? "").replace(/\/$/, ""), tokens);
    this.#tokens = tokens;
    this.#listen();
    void this.#start();
  }

  /** Hear of an event, by the name of the dialect, or of the client itself. Returns how to stop. */
  on<K extends EventName>(name: K, handler: (payload: PayloadOf<K>) => void): () => void;
  on(name: string, handler: (payload: Payload) => void): () => void;
  on(name: string, handler: Handler): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  /** Hear of everything. Returns how to stop. */
  onAny(handler: (name: string, payload: unknown) => void): () => void {
    this.#any.add(handler);
    return () => this.#any.delete(handler);
  }

  /** Send an event, through whichever tab has the connection. Rejects with CarillonError, also without a connection. */
  request(name: string, payload?: unknown): Promise<Answer> {
    if (this.#connection) return this.#connection.request(name, payload);
    return this.#tabs ? this.#tabs.ask(name, payload) : Promise.reject(asError("not connected yet"));
  }

  /** Say how the user is, on this device. */
  setPresence(status: "online" | "away" | "busy"): Promise<Answer> {
    return this.request(`presence:${status}`);
  }

  /** Stop. Nothing is heard after it; a new client goes on from the same place. */
  close(): void {
    this.#save();
    this.#closed = true;
    this.#unlisten();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#connection?.close();
    this.#tabs?.close();
  }

  async #start(): Promise<void> {
    try {
      const { sub, tenant } = claimsOf(await this.#tokens.get());
      this.user = sub ?? null;
      this.tenant = tenant ?? null;
    } catch (error) {
      this.#tell("error", asError(error));
      this.#enter("offline");
      this.#later("start", around(5_000), () => void this.#start());
      return;
    }
    if (this.#closed) return;
    this.#key = `carillon:${this.url}:${this.tenant}/${this.user}#${this.options.dialect ?? "canonical"}`;
    this.#log = resume(this.#load());
    this.#tabs = new Tabs(this.#key, {
      lead: () => this.#lead(),
      heard: (frame) => this.#welcomed && this.#heard(frame),
      welcome: () => ({ state: this.state, position: positionOf(this.#log), session: this.#session }),
      welcomed: (welcome) => this.#follow(welcome),
      answer: (name, payload) => this.request(name, payload),
    });
  }

  #lead(): void {
    // Whoever followed goes on from what it was told itself, so nothing is lost with the tab that led.
    this.#connection = new Connection(
      this.url,
      this.options.dialect ?? "canonical",
      this.#tokens,
      this,
      this.openSocket,
      () => positionOf(this.#log),
      (frame) => {
        this.#heard(frame);
        this.#tabs?.pass(frame);
      },
    );
    this.#enter(this.#connection.state);
    this.#check();
  }

  #follow(welcome: Welcome): void {
    // A new leader greets those that follow already: only its state is news to them.
    if (this.#welcomed) return this.#enter(welcome.state as State);
    this.#welcomed = true;
    this.#log = resume(welcome.position as Position);
    const session = welcome.session as Payload | null;
    this.#session = session;
    if (this.#log.cursor !== null) this.#tell("reset", welcome.position);
    if (session) this.#tell("session:ready", session);
    this.#enter(welcome.state as State);
  }

  #heard(frame: Frame): void {
    if (this.#closed) return;
    if (frame.kind === "told") {
      if (frame.told.name === "session:ready") this.#session = frame.told.payload;
      this.#step(receive(this.#log, frame.told));
    } else if (frame.kind === "position") {
      this.#step(arrive(this.#log, frame.at, frame.since, frame.complete, frame.told));
    } else if (frame.kind === "state") this.#enter(frame.state);
    else this.#tell("error", { code: frame.code, message: frame.message });
  }

  #step(step: Step): void {
    this.#log = step.state;
    if (step.reset) this.#tell("reset", positionOf(step.state));
    for (const { name, payload } of step.tell) {
      this.#tell(name, payload);
      if (ARRIVALS.has(name) && payload.seq) this.#shown = Math.max(this.#shown, payload.seq);
    }
    this.#later("save", 250, () => this.#save());
    if (this.#shown) this.#later("acknowledge", ACKNOWLEDGE, () => void this.#acknowledge());
    if (hasGap(this.#log)) this.#later("gap", GAP, () => hasGap(this.#log) && this.#sync());
  }

  /** A last event that was lost leaves no gap: only asking shows it. */
  #check(): void {
    this.#later("check", around(HEAD_CHECK), () => {
      if (this.state === "live") this.#sync();
      this.#check();
    });
  }

  #sync(): void {
    void this.request("sync", positionOf(this.#log)).catch(() => undefined);
  }

  async #acknowledge(): Promise<void> {
    const seq = this.#shown;
    if (!seq || this.options.acknowledge === false || !isVisible()) return;
    this.#shown = 0;
    try {
      if (this.state === "live") await this.request("notification:ack", { seq });
      else await this.inbox.acknowledge({ up_to_seq: seq });
    } catch {
      this.#shown = Math.max(this.#shown, seq);
      this.#later("acknowledge", around(5_000), () => void this.#acknowledge());
    }
  }

  #listen(): void {
    if (typeof window === "undefined") return;
    const look = () => {
      if (document.visibilityState === "hidden") return this.#save();
      this.#look();
      void this.#acknowledge();
    };
    const online = () => this.#look();
    const save = () => this.#save();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", online);
    window.addEventListener("offline", online);
    window.addEventListener("pagehide", save);
    this.#unlisten = () => {
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", online);
      window.removeEventListener("offline", online);
      window.removeEventListener("pagehide", save);
    };
  }

  #look(): void {
    if (this.state === "live") this.#sync();
    else this.#connection?.hurry();
  }

  #enter(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state", state);
    if (state === "live" && this.#shown) void this.#acknowledge();
  }

  #tell(name: string, payload: unknown): void {
    const heard = [...(this.#handlers.get(name) ?? [])].map((handler) => () => handler(payload as never));
    for (const handler of [...heard, ...[...this.#any].map((any) => () => any(name, payload))]) {
      try {
        handler();
      } catch (error) {
        // The page's mistake: it is reported as one, and the other listeners hear of the event all the same.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Unless it waits already: often is not sooner. */
  #later(what: string, wait: number, work: () => void): void {
    if (this.#timers.has(what) || this.#closed) return;
    const run = () => {
      this.#timers.delete(what);
      work();
    };
    this.#timers.set(what, setTimeout(run, wait));
  }

  #storage(): Pick<Storage, "getItem" | "setItem"> | null {
    if (this.options.storage !== undefined) return this.options.storage;
    return typeof localStorage === "undefined" ? null : localStorage;
  }

  #load(): Position {
    try {
      const kept = JSON.parse(this.#storage()?.getItem(this.#key) ?? "null") as Position | null;
      if (typeof kept?.epoch === "string" && typeof kept.positions === "object") return kept;
    } catch {
      // Blocked, or not ours: as on a first visit.
    }
    return positionOf(NOWHERE);
  }

  #save(): void {
    // One tab writes, or an older position could replace a newer one.
    if (this.#closed || !this.#connection || this.#log.cursor === null) return;
    try {
      this.#storage()?.setItem(this.#key, JSON.stringify(positionOf(this.#log)));
    } catch {
      // Full or blocked: the next visit begins with what the inbox holds.
    }
  }
}

/** A client, connecting already. */
export function createClient(options: ClientOptions): Client {
  return new Client(options);
}

function positionOf({ epoch, positions, cursor }: Position): Position {
  return { epoch, positions, cursor };
}

function isVisible(): boolean {
  return typeof document === "undefined" || document.visibilityState === "visible";
}
