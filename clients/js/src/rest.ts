/** The API by HTTP, as far as a user's token opens it. Everything here works while the socket is away. */

import { asError, CarillonError } from "./errors.ts";
import { ANSWER } from "./pace.ts";
import type { Tokens } from "./tokens.ts";

export type Level = "info" | "success" | "warning" | "error" | "critical";

/** A notification, as `notification:new` brings it and as the inbox keeps it. */
export interface Item {
  id: string;
  title: string;
  message: string;
  level: Level;
  category: string | null;
  type: string;
  data: Record<string, unknown>;
  url: string | null;
  created_at: string;
  expires_at: string;
  seq: number;
  status: "unread" | "read" | "archived";
  read: boolean;
  seen_at: string | null;
  read_at: string | null;
  archived_at: string | null;
}

export interface Alert {
  id: string;
  title: string;
  message: string;
  level: Level;
  type: string;
  data: Record<string, unknown>;
  created_at: string;
  expires_at: string;
  acknowledged: boolean;
  acknowledged_by: string | null;
  acknowledged_at: string | null;
}

export interface Counts {
  unread: number;
  unseen: number;
  total: number;
}

export interface Page<T> {
  data: T[];
  page: { next: string | null; has_more: boolean };
}

/** What was changed at once. `more`: there were too many for one request, send it again. */
export interface Swept {
  count: number;
  more: boolean;
  counts: Counts;
}

export type Presence = "online" | "away" | "busy" | "offline";

export interface Device {
  id: string;
  kind: "token" | "fid";
  platform: string | null;
  created_at: string;
  last_seen_at: string;
}

export interface Filter {
  status?: "all" | "unread" | "read" | "archived";
  category?: string;
  type?: string;
  level?: Level;
}

/** Everything that fits, or what of it is not newer than `up_to`. */
export type Sweep = Omit<Filter, "status"> & { up_to?: string };

type Query = Record<string, string | number | undefined>;

export class Rest {
  constructor(
    readonly url: string,
    private readonly tokens: Tokens,
  ) {}

  readonly inbox = {
    list: (filter: Filter = {}, after?: string, limit?: number) =>
      this.get<Page<Item>>("/v1/inbox", { ...filter, after, limit }),
    get: (id: string) => this.get<Item>(`/v1/inbox/${id}`),
    counts: () => this.get<Counts>("/v1/inbox/counts"),
    read: (id: string) => this.call<Item>("POST", `/v1/inbox/${id}/read`),
    unread: (id: string) => this.call<Item>("POST", `/v1/inbox/${id}/unread`),
    seen: (id: string) => this.call<Item>("POST", `/v1/inbox/${id}/seen`),
    archive: (id: string) => this.call<Item>("POST", `/v1/inbox/${id}/archive`),
    unarchive: (id: string) => this.call<Item>("POST", `/v1/inbox/${id}/unarchive`),
    delete: (id: string) => this.call<{ deleted: true }>("DELETE", `/v1/inbox/${id}`),
    readAll: (which: Sweep = {}) => this.call<Swept>("POST", "/v1/inbox/read-all", which),
    seeAll: (upTo?: string) => this.call<Swept>("POST", "/v1/inbox/seen", upTo ? { up_to: upTo } : {}),
    clear: (which: Sweep & Pick<Filter, "status"> = {}) => this.call<Swept>("POST", "/v1/inbox/clear", which),
    /** Says that these were on the screen. A client does so by itself unless it was told not to. */
    acknowledge: (what: { ids: string[] } | { up_to_seq: number }) =>
      this.call<{ acknowledged: number }>("POST", "/v1/acks", what),
  };

  readonly alerts = {
    list: (filter: { state?: "new" | "acknowledged"; level?: Level } = {}, after?: string, limit?: number) =>
      this.get<Page<Alert>>("/v1/alerts", { ...filter, after, limit }),
    get: (id: string) => this.get<Alert>(`/v1/alerts/${id}`),
    count: () => this.get<{ unacknowledged: number }>("/v1/alerts/count"),
    acknowledge: (id: string) => this.call<Alert>("POST", `/v1/alerts/${id}/acknowledge`),
  };

  readonly presence = {
    list: (users?: string[]) =>
      this.get<{ data: { user: string; status: Presence }[]; more: boolean }>("/v1/presence", {
        users: users?.join(","),
      }),
  };

  readonly devices = {
    list: () => this.get<{ data: Device[] }>("/v1/devices"),
    register: (device: ({ token: string } | { fid: string }) & { platform?: "android" | "ios" | "web" }) =>
      this.call<Device>("PUT", "/v1/devices", device),
    forget: (id: string) => this.call<{ deleted: true }>("DELETE", `/v1/devices/${id}`),
  };

  get<T>(path: string, query: Query = {}): Promise<T> {
    const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
    return this.call<T>("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
  }

  /** Throws CarillonError, with the problem's code where the server named one. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let answer = await this.#fetch(method, path, body, false);
    if (answer.status === 401) answer = await this.#fetch(method, path, body, true);
    if (answer.ok) return (await answer.json()) as T;
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    const wait = Number(answer.headers.get("Retry-After")) * 1000 || undefined;
    const message = problem.detail ?? `the server answered ${answer.status}`;
    throw new CarillonError(problem.code ?? "http_error", message, answer.status, wait);
  }

  async #fetch(method: string, path: string, body: unknown, fresh: boolean): Promise<Response> {
    const headers: Record<string, string> = { Authorization: `Bearer ${await this.tokens.get(fresh)}` };
    const sent = body === undefined && method === "POST" ? {} : body;
    if (sent !== undefined) headers["Content-Type"] = "application/json";
    const request: RequestInit = { method, headers, signal: AbortSignal.timeout(ANSWER) };
    if (sent !== undefined) request.body = JSON.stringify(sent);
    try {
      return await fetch(this.url + path, request);
    } catch (error) {
      throw asError(error);
    }
  }
}
