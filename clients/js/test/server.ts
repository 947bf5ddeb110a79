/** A server that keeps a log, in memory: it numbers, loses, replays and pages as the real one does. */

import { CarillonError } from "../src/errors.ts";
import type { Payload, Positions, Told } from "../src/log.ts";
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
  /** Whether a socket can be opened, and whether requests are answered. */
  socketUp = true;
  httpUp = true;
  acknowledged: number[] = [];
  handshakes: Record<string, unknown>[] = [];
  refreshed: string[] = [];
  polls = 0;
  refuse: CarillonError | null = null;
  connections = new Set<FakeConnection>();

  readonly openSocket: OpenSocket = (_url, listener) => new FakeConnection(this, listener);

  /** Something happens. `lost`: the log has it, and nobody is told. */
  emit(name: string, data: object = {}, how: { room?: string; lost?: boolean; expired?: boolean } = {}): void {
    const room = how.room ?? "user:alice";
    const log = (this.rooms[room] ??= []);
    const logged = { name, payload: { ...data, room, seq: log.length + 1 }, expired: how.expired ?? false };
    log.push(logged);
    if (!how.lost && !how.expired) for (const connection of this.connections) connection.hear(logged);
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
    if (epoch !== this.epoch || lost) return { told: [], positions: this.heads(), complete: false, more: false };
    const told: Logged[] = [];
    const positions: Record<string, number> = { ...this.heads(), ...from };
    for (const [room, log] of Object.entries(this.rooms)) {
      for (const one of log.slice(positions[room])) {
        if (told.length >= PAGE) return { told, positions, complete: true, more: true };
        if (!one.expired) told.push(one);
        positions[room] = one.payload.seq;
      }
    }
    return { told, positions, complete: true, more: false };
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
    const asked = url.searchParams.get("cursor");
    let [epoch, from] = [this.epoch, this.heads()];
    try {
      if (asked) [epoch, from] = JSON.parse(asked);
    } catch {
      return Response.json({ code: "invalid", detail: "cursor: none of ours" }, { status: 422 });
    }
    const { told, positions, complete, more } = this.read(epoch, from);
    const data = told.map((one) => ({ event: one.name, payload: one.payload }));
    const cursor = this.cursor(positions);
    return Response.json({ data, epoch: this.epoch, positions, cursor, complete, more, poll_interval_ms: 10_000 });
  };
}

class FakeConnection implements Socket {
  connected = false;
  /** Nothing comes through any more, though nobody said so. */
  deaf = false;
  positions: Positions = {};
  #trying: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly server: FakeServer,
    private readonly listener: Listener,
  ) {}

  open(auth: Record<string, unknown>): void {
    this.#trying = setTimeout(() => {
      this.server.handshakes.push(auth);
      if (this.server.refuse) return this.listener.down(this.server.refuse);
      if (!this.server.socketUp) return this.listener.down(new CarillonError("unreachable", "refused"));
      this.connected = true;
      this.deaf = false;
      this.server.connections.add(this);
      const { epoch = this.server.epoch, positions = {} } = auth as { epoch?: string; positions?: Positions };
      const { told, ...at } = this.server.read(epoch, { ...this.server.heads(), ...positions });
      for (const one of this.#withSkips(told, { ...this.server.heads(), ...positions }, at.positions)) this.hear(one);
      this.positions = at.positions;
      this.listener.told({ name: "session:ready", payload: { ...this.#position(at), ...this.session() } });
    }, 30);
  }

  hear(logged: Told): void {
    if (this.connected && !this.deaf) this.listener.told({ name: logged.name, payload: logged.payload });
  }

  async request(name: string, payload: unknown, timeout: number): Promise<Answer> {
    if (!this.connected) throw new CarillonError("disconnected", "there is no connection");
    await new Promise((later) => setTimeout(later, this.deaf ? timeout : 20));
    if (this.deaf) throw new CarillonError("timeout", "not answered");
    if (!this.connected) throw new CarillonError("disconnected", "there is no connection");
    if (name === "sync") {
      const from = { ...this.positions, ...(payload as { positions: Positions }).positions };
      const { told, ...at } = this.server.read(this.server.epoch, from);
      for (const one of this.#withSkips(told, from, at.positions)) this.hear(one);
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
    clearTimeout(this.#trying);
    if (this.connected) this.cut();
  }

  cut(): void {
    this.connected = false;
    this.server.connections.delete(this);
    this.listener.down(new CarillonError("disconnected", "transport close"));
  }

  session(): object {
    const server_time = new Date().toISOString();
    return { user: "alice", tenant: "acme", exp: Date.now() / 1000 + 3600, server_time, reconnect_after_ms: 500 };
  }

  #position(at: { positions: Positions; complete: boolean; more: boolean }) {
    return { ...at, epoch: this.server.epoch, cursor: this.server.cursor(at.positions) };
  }

  #withSkips(told: Logged[], from: Positions, to: Positions): Told[] {
    const all: Told[] = [];
    const next: Record<string, number> = Object.fromEntries(Object.entries(from).map(([room, seq]) => [room, seq + 1]));
    const skip = (room: string, last: number) => {
      const first = next[room] ?? 1;
      if (first <= last) all.push({ name: "event:skipped", payload: { room, from: first, seq: last } });
      next[room] = last + 1;
    };
    for (const one of told) {
      skip(one.payload.room, one.payload.seq - 1);
      all.push(one);
      next[one.payload.room] = one.payload.seq + 1;
    }
    for (const [room, seq] of Object.entries(to)) skip(room, seq);
    return all;
  }
}

/** A token as far as a client looks into it. */
export function token(expiresIn = 3600, sub = "alice"): string {
  const claims = { sub, tenant: "acme", exp: Math.floor(Date.now() / 1000) + expiresIn };
  return `e30.${btoa(JSON.stringify(claims))}.sig`;
}
