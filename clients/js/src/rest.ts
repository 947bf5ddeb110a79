/** The HTTP API for a user. It works without a socket. */

import { asError, CarillonError } from "./errors.ts";
import type { components, paths } from "./openapi.ts";
import { REQUEST_TIMEOUT } from "./timing.ts";
import type { Tokens } from "./tokens.ts";

type Schemas = components["schemas"];
type QueryOf<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Given } } }
  ? NonNullable<Given>
  : never;

export type Level = Schemas["ItemView"]["level"];

/** A notification in the inbox. */
export type Item = Schemas["ItemView"];
export type Alert = Schemas["AlertView"];
export type Counts = Schemas["CountsView"];
export type Device = Schemas["DeviceView"];
export type Presence = Schemas["PresentUser"]["status"];

/** A page of a list. */
export interface Page<T> {
  data: T[];
  page: Schemas["Page"];
}

/** The result of a change of several items. With `more`, there are further ones: repeat the request. */
export type Swept = Schemas["SweptView"];

/** Which items of the inbox to list. A member that is null is none. */
export type Filter = Pick<QueryOf<"/v1/inbox">, "status" | "category" | "type" | "level">;

/** Which items of the inbox to change; with `up_to`, none that is newer. */
export type Sweep = Schemas["ReadAllBody"];

type AlertFilter = Pick<QueryOf<"/v1/alerts">, "state" | "level">;
type DeviceAddress = { token: string } | { fid: string };
type Platform = NonNullable<Schemas["DeviceBody"]["platform"]>;

type Query = Record<string, string | number | null | undefined>;

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
    delete: (id: string) => this.call<Schemas["Deleted"]>("DELETE", `/v1/inbox/${id}`),
    readAll: (sweep: Sweep = {}) => this.call<Swept>("POST", "/v1/inbox/read-all", sweep),
    seeAll: (upTo?: string) => this.call<Swept>("POST", "/v1/inbox/seen", upTo ? { up_to: upTo } : {}),
    clear: (sweep: Schemas["ClearBody"] = {}) => this.call<Swept>("POST", "/v1/inbox/clear", sweep),
    /** Report that notifications were on the screen. The client does so itself, unless `acknowledge` is false. */
    acknowledge: (selection: { ids: string[] } | { up_to_seq: number }) =>
      this.call<Schemas["AckView"]>("POST", "/v1/acks", selection),
  };

  readonly alerts = {
    list: (filter: AlertFilter = {}, after?: string, limit?: number) =>
      this.get<Page<Alert>>("/v1/alerts", { ...filter, after, limit }),
    get: (id: string) => this.get<Alert>(`/v1/alerts/${id}`),
    count: () => this.get<Schemas["AlertCount"]>("/v1/alerts/count"),
    acknowledge: (id: string) => this.call<Alert>("POST", `/v1/alerts/${id}/acknowledge`),
  };

  readonly presence = {
    list: (users?: string[]) =>
      this.get<Schemas["PresenceView"]>("/v1/presence", {
        users: users?.join(","),
      }),
  };

  readonly devices = {
    list: () => this.get<Schemas["DeviceList"]>("/v1/devices"),
    register: (device: DeviceAddress & { platform?: Platform }) => this.call<Device>("PUT", "/v1/devices", device),
    forget: (id: string) => this.call<Schemas["Deleted"]>("DELETE", `/v1/devices/${id}`),
  };

  get<T>(path: string, query: Query = {}): Promise<T> {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [[name, `${value}`]],
    );
    return this.call<T>("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
  }

  /** Throws CarillonError, with the code of the problem if the server sent one. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let answer = await this.#fetch(method, path, body, false);
    if (answer.status === 401) answer = await this.#fetch(method, path, body, true);
    if (answer.ok) return (await answer.json()) as T;
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string };
    const wait = Number(answer.headers.get("Retry-After")) * 1000 || undefined;
    const message = problem.detail ?? `the server answered with status ${answer.status}`;
    throw new CarillonError(problem.code ?? "http_error", message, answer.status, wait);
  }

  async #fetch(method: string, path: string, body: unknown, fresh: boolean): Promise<Response> {
    const headers: Record<string, string> = { Authorization: `Bearer ${await this.tokens.get(fresh)}` };
    const sent = body === undefined && method === "POST" ? {} : body;
    if (sent !== undefined) headers["Content-Type"] = "application/json";
    const request: RequestInit = { method, headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT) };
    if (sent !== undefined) request.body = JSON.stringify(sent);
    try {
      return await fetch(this.url + path, request);
    } catch (error) {
      throw asError(error);
    }
  }
}
