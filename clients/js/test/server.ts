/** A server in memory. It numbers, loses, replays and pages events like the real one. */

import { CarillonError } from "../src/errors.ts";
import type { Payload, Positions, ServerEvent } from "../src/log.ts";
import type { Answer, Listener, OpenSocket, Socket } from "../src/socket.ts";

const PAGE = 5;

interface Logged {
  name: string;
  payload: Payload & { room: string; seq: number };
  expired: boolean;
}

export class FakeServer {
  epoch = "one";
  rooms: Record<string, Logged[]> = { "user:alice": [], "tenant:acme": [] };
  purged: Record<string, number> = {};
  /** Whether sockets can be opened, and whether HTTP requests are answered. */
  socketUp = true;
  httpUp = true;
  acknowledged: number[] = [];
  handshakes: Record<string, unknown>[] = [];
  refreshed: string[] = [];
  polls = 0;
  refuse: CarillonError | null = null;
  connections = new Set<FakeConnection>();

  readonly openSocket: OpenSocket = (_url, listener) => new FakeConnection(this, listener);

  /** Append an event to the log and send it. With `lost`, it is not sent. */
  emit(name: string, data: object = {}, options: { room?: string; lost?: boolean; expired?: boolean } = {}): void {
    const room = options.room ?? "user:alice";
    this.rooms[room] ??= [];
    const log = this.rooms[room];
    const logged = { name, payload: { ...data, room, seq: log.length + 1 }, expired: options.expired ?? false };
    log.push(logged);
    if (!options.lost && !options.expired) for (const connection of this.connections) connection.deliver(logged);
  }

  heads(): Positions {
    return Object.fromEntries(Object.entries(this.rooms).map(([room, log]) => [room, log.length]));
  }

  cursor(positions: Positions): string {
    return JSON.stringify([this.epoch, positions]);
  }

  read(epoch: string, from: Positions) {
    const lost = Object.entries(from).some(
      ([room, seq]) => seq < (this.purged[room] ?? 0) || seq > (this.heads()[room] ?? 0),
    );
    if (epoch !== this.epoch || lost) return { events: [], positions: this.heads(), complete: false, more: false };
    const events: Logged[] = [];
    const positions: Record<string, number> = { ...this.heads(), ...from };
    for (const [room, log] of Object.entries(this.rooms)) {
      for (const one of log.slice(positions[room])) {
        if (events.length >= PAGE) return { events, positions, complete: true, more: true };
        if (!one.expired) events.push(one);
        positions[room] = one.payload.seq;
      }
    }
    return { events, positions, complete: true, more: false };
  }

  readonly fetch = async (input: string, init: RequestInit = {}): Promise<Response> => {
    await new Promise((later) => setTimeout(later, 20));
    if (!this.httpUp) throw new TypeError("fetch failed");
    const url = new URL(input, "http://carillon.test");
    if (url.pathname === "/v1/acks") {
      this.acknowledged.push(JSON.parse(String(init.body)).up_to_seq);
      return Response.json({ acknowledged: 1 });
    }
    this.polls += 1;
    const given = url.searchParams.get("cursor");
    let [epoch, from] = [this.epoch, this.heads()];
    try {
      if (given) [epoch, from] = JSON.parse(given);
    } catch {
      return Response.json({ code: "invalid", detail: "cursor: not valid" }, { status: 422 });
    }
    const { events, positions, complete, more } = this.read(epoch, from);
    const data = events.map((one) => ({ event: one.name, payload: one.payload }));
    const cursor = this.cursor(positions);
    return Response.json({ data, epoch: this.epoch, positions, cursor, complete, more, poll_interval_ms: 10_000 });
  };
}

class FakeConnection implements Socket {
  connected = false;
  /** The connection is broken without notice. */
  broken = false;
  positions: Positions = {};
  #opening: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly server: FakeServer,
    private readonly listener: Listener,
  ) {}

  open(auth: Record<string, unknown>): void {
    this.#opening = setTimeout(() => {
      this.server.handshakes.push(auth);
      if (this.server.refuse) return this.listener.closed(this.server.refuse);
      if (!this.server.socketUp) return this.listener.closed(new CarillonError("unreachable", "refused"));
      this.connected = true;
      this.broken = false;
      this.server.connections.add(this);
      const { epoch = this.server.epoch, positions = {} } = auth as { epoch?: string; positions?: Positions };
      const { events, ...at } = this.server.read(epoch, { ...this.server.heads(), ...positions });
      for (const one of this.#withSkips(events, { ...this.server.heads(), ...positions }, at.positions))
        this.deliver(one);
      this.positions = at.positions;
      this.listener.event({ name: "session:ready", payload: { ...this.#position(at), ...this.session() } });
    }, 30);
  }

  deliver(logged: ServerEvent): void {
    if (this.connected && !this.broken) this.listener.event({ name: logged.name, payload: logged.payload });
  }

  async request(name: string, payload: unknown, timeout: number): Promise<Answer> {
    if (!this.connected) throw new CarillonError("disconnected", "there is no connection");
    await new Promise((later) => setTimeout(later, this.broken ? timeout : 20));
    if (this.broken) throw new CarillonError("timeout", "not answered");
    if (!this.connected) throw new CarillonError("disconnected", "there is no connection");
    if (name === "sync") {
      const from = { ...this.positions, ...(payload as { positions: Positions }).positions };
      const { events, ...at } = this.server.read(this.server.epoch, from);
      for (const one of this.#withSkips(events, from, at.positions)) this.deliver(one);
      this.positions = at.positions;
      return { ok: true, ...this.#position(at) };
    }
    if (name === "notification:ack") this.server.acknowledged.push((payload as { seq: number }).seq);
    if (name === "auth:refresh") {
      this.server.refreshed.push((payload as { token: string }).token);
      return { ok: true, exp: Date.now() / 1000 + 3600 };
    }
    return { ok: true, received: payload };
  }

  close(): void {
    clearTimeout(this.#opening);
    if (this.connected) this.cut();
  }

  cut(): void {
    this.connected = false;
    this.server.connections.delete(this);
    this.listener.closed(new CarillonError("disconnected", "transport close"));
  }

  session(): object {
    const server_time = new Date().toISOString();
    return { user: "alice", tenant: "acme", exp: Date.now() / 1000 + 3600, server_time, reconnect_after_ms: 500 };
  }

  #position(at: { positions: Positions; complete: boolean; more: boolean }) {
    return { ...at, epoch: this.server.epoch, cursor: this.server.cursor(at.positions) };
  }

  #withSkips(events: Logged[], from: Positions, to: Positions): ServerEvent[] {
    const all: ServerEvent[] = [];
    const next: Record<string, number> = Object.fromEntries(Object.entries(from).map(([room, seq]) => [room, seq + 1]));
    const skip = (room: string, last: number) => {
      const first = next[room] ?? 1;
      if (first <= last) all.push({ name: "event:skipped", payload: { room, from: first, seq: last } });
      next[room] = last + 1;
    };
    for (const one of events) {
      skip(one.payload.room, one.payload.seq - 1);
      all.push(one);
      next[one.payload.room] = one.payload.seq + 1;
    }
    for (const [room, seq] of Object.entries(to)) skip(room, seq);
    return all;
  }
}

/** A token with the claims that a client reads. */
export function token(expiresIn = 3600, sub = "alice"): string {
  const claims = { sub, tenant: "acme", exp: Math.floor(Date.now() / 1000) + expiresIn };
  return `e30.${btoa(JSON.stringify(claims))}.sig`;
}
