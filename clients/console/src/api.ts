/** The HTTP API as the console uses it. */

export type Mode = "live" | "test";
export type Channel = "in_app" | "push" | "email";

/** On whose behalf something is asked. */
export interface Scope {
  tenant: string;
  mode: Mode;
}

export interface Page {
  next: string | null;
  has_more: boolean;
}

export interface Paged<Row> {
  data: Row[];
  page: Page;
}

export interface Overview {
  counted: boolean;
  step_seconds: number;
  series: {
    at: number[];
    accepted: number[];
    requests: number[];
    sent: Record<string, number[]>;
    acked: Record<string, number[]>;
    dead: Record<string, number[]>;
    oldest: Record<string, (number | null)[]>;
    p50: (number | null)[];
    p95: (number | null)[];
    p99: (number | null)[];
  };
  latency: { p50: number | null; p95: number | null; p99: number | null; count: number; late: number };
  queues: { channel: string; due: number; oldest_seconds: number }[];
  dead_letters: Record<string, number>;
  web_processes: number;
  connections: number;
}

export interface Notification {
  id: string;
  state: "accepted" | "expanded" | "recalling" | "recalled";
  mode: Mode;
  recipients: number;
  title: string;
  message: string;
  data: Record<string, unknown>;
  level: string;
  priority: string;
  category: string | null;
  type: string;
  channels: string[] | null;
  collapse_key: string | null;
  reference: string | null;
  url: string | null;
  created_at: string;
  expires_at: string;
}

export interface NotificationStatus extends Notification {
  deliveries: Record<string, Record<string, number>>;
}

export interface Attempt {
  number: number;
  at: string;
  failure: string;
  reason: string;
}

export interface Delivery {
  id: number;
  user: string;
  channel: string;
  action: "show" | "withdraw";
  state: string;
  attempts: number;
  failure: string | null;
  reason: string | null;
  provider_id: string | null;
  created_at: string;
  sent_at: string | null;
  acked_at: string | null;
  next_attempt_at: string | null;
  expires_at: string;
  seq: number | null;
  failed_attempts: Attempt[];
}

export interface DeadLetter extends Delivery {
  notification_id: string;
}

export interface DeadGroup {
  tenant: string;
  mode: Mode;
  channel: string;
  failure: string;
  number: number;
}

export interface Tenant {
  id: string;
  name: string;
  dialect: string | null;
  weight: number;
  created_at: string;
}

export interface Key {
  prefix: string;
  mode: Mode;
  name: string;
  created_at: string;
  revoked_at: string | null;
}

export interface FoundUser {
  id: string;
  email: string | null;
  devices: number;
  created_at: string;
}

export interface Device {
  id: string;
  kind: string;
  platform: string | null;
  state: "active" | "stale" | "expired" | "disabled";
  created_at: string;
  last_seen_at: string;
  disabled_at: string | null;
  disabled_reason: string | null;
}

export interface UserPage {
  tenant: string;
  user: { id: string; email: string | null; locale: string | null; created_at: string; updated_at: string };
  presence: string | null;
  devices: Device[];
  topics: string[];
  reach: { channel: string; addresses: string[]; reason: string | null }[];
}

export interface Config {
  version: string;
  development: boolean;
  flower_url: string | null;
}

/** Which dead letters to send again. */
export interface Redrive {
  failure?: string;
  channel?: string;
  notification_id?: string;
  ids?: number[];
}

/** What the server refused, in its own words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfter = 0,
  ) {
    super(detail);
  }
}

/** Nobody answers for longer than this, in milliseconds. */
const PATIENCE = 20_000;
/** How often a request that came too soon is made again. */
const TRIES = 5;

const path = encodeURIComponent;

function queried(where: string, query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${where}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : where;
}

async function problemOf(response: Response): Promise<Problem> {
  const document = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const retryAfter = Number(response.headers.get("Retry-After") ?? 0);
  const detail = document.detail ?? `the server answered ${response.status}`;
  return new Problem(response.status, document.code ?? "unknown", detail, retryAfter);
}

/** Wait, unless it is not wanted any more. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Asks with an operator's token. `ended` is called once the server does not take it any more. */
export class Api {
  constructor(
    private readonly token: string,
    private readonly ended: () => void,
  ) {}

  overview = (minutes: number, signal?: AbortSignal) =>
    this.get<Overview>(queried("/v1/operator/overview", { minutes }), undefined, signal);

  notifications = (scope: Scope, query: object, signal?: AbortSignal) =>
    this.get<Paged<Notification>>(queried("/v1/notifications", query), scope, signal);

  notification = (scope: Scope, id: string, signal?: AbortSignal) =>
    this.get<NotificationStatus>(`/v1/notifications/${path(id)}`, scope, signal);

  deliveries = (scope: Scope, id: string, query: object, signal?: AbortSignal) =>
    this.get<Paged<Delivery>>(queried(`/v1/notifications/${path(id)}/deliveries`, query), scope, signal);

  recall = (scope: Scope, id: string) =>
    this.ask<{ status: string }>("DELETE", `/v1/notifications/${path(id)}`, { scope });

  deadGroups = (tenant: string | undefined, signal?: AbortSignal) =>
    this.get<{ data: DeadGroup[]; more: boolean }>(
      queried("/v1/operator/dead-letters/summary", { tenant }),
      undefined,
      signal,
    );

  deadLetters = (scope: Scope, query: object, signal?: AbortSignal) =>
    this.get<Paged<DeadLetter>>(queried("/v1/dead-letters", query), scope, signal);

  redrive = (scope: Scope, which: Redrive, limit: number, signal?: AbortSignal) =>
    this.ask<{ redriven: number; remaining: boolean }>("POST", "/v1/dead-letters/redrive", {
      scope,
      body: { ...which, limit },
      signal,
    });

  tenants = (signal?: AbortSignal) => this.get<{ data: Tenant[] }>("/v1/operator/tenants", undefined, signal);

  createTenant = (id: string, name: string) =>
    this.ask<Tenant>("POST", "/v1/operator/tenants", { body: name ? { id, name } : { id } });

  keys = (tenant: string, signal?: AbortSignal) =>
    this.get<{ data: Key[] }>(`/v1/operator/tenants/${path(tenant)}/keys`, undefined, signal);

  createKey = (tenant: string, name: string, mode: Mode) =>
    this.ask<Key & { key: string }>("POST", `/v1/operator/tenants/${path(tenant)}/keys`, { body: { name, mode } });

  revokeKey = (tenant: string, prefix: string) =>
    this.ask<Key>("DELETE", `/v1/operator/tenants/${path(tenant)}/keys/${path(prefix)}`);

  users = (tenant: string, query: object, signal?: AbortSignal) =>
    this.get<Paged<FoundUser>>(queried("/v1/operator/users", { tenant, ...query }), undefined, signal);

  user = (tenant: string, id: string, signal?: AbortSignal) =>
    this.get<UserPage>(queried(`/v1/operator/users/${path(id)}`, { tenant }), undefined, signal);

  private get<Answer>(where: string, scope?: Scope, signal?: AbortSignal): Promise<Answer> {
    return this.ask("GET", where, { scope, signal });
  }

  private async ask<Answer>(
    method: string,
    where: string,
    { scope, body, signal }: { scope?: Scope | undefined; body?: unknown; signal?: AbortSignal | undefined } = {},
  ): Promise<Answer> {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.token}` };
    if (scope) {
      headers["Carillon-Tenant"] = scope.tenant;
      headers["Carillon-Mode"] = scope.mode;
    }
    if (body !== undefined) headers["Content-Type"] = "application/json";
    for (let attempt = 1; ; attempt++) {
      const limit = AbortSignal.timeout(PATIENCE);
      const response = await fetch(where, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      }).catch((error: unknown) => {
        if (signal?.aborted) throw error;
        throw new Problem(0, "unreachable", "the server does not answer");
      });
      if (response.ok) return (await response.json()) as Answer;
      const problem = await problemOf(response);
      if (problem.status === 401) this.ended();
      if (problem.status !== 429 || attempt === TRIES) throw problem;
      await pause(Math.max(problem.retryAfter, 1) * 1000, signal);
    }
  }
}

/** What is known before anybody has signed in. */
export async function config(): Promise<Config> {
  const response = await fetch("/console/config.json");
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Config;
}

/** The token of the demo's operator; only a development server gives it out. */
export async function demoToken(): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/demo/sign-in", { method: "POST", headers, body: JSON.stringify({ operator: true }) });
  if (!response.ok) throw await problemOf(response);
  return ((await response.json()) as { operator_token: string }).operator_token;
}
