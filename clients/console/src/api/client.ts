/** The requests that the console makes. */

import { Problem, readProblem } from "./problem.ts";
import { type Answer, type Method, type Options, type Path, request } from "./request.ts";
import type { Config, Mode, Redrive, Scope } from "./types.ts";

type Query<P extends Path, M extends Method<P>> = NonNullable<Options<P, M>["query"]>;

/** The API for a signed-in operator. `onUnauthorized` is called when the server no longer accepts the token. */
export class Api {
  constructor(
    private readonly token: string,
    private readonly onUnauthorized: () => void,
  ) {}

  overview = (minutes: number, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/overview", { query: { minutes }, signal });

  notifications = (scope: Scope, query: Query<"/v1/notifications", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/notifications", { scope, query, signal });

  notification = (scope: Scope, id: string, signal?: AbortSignal) =>
    this.send("get", "/v1/notifications/{notification}", { scope, params: { notification: id }, signal });

  deliveries = (
    scope: Scope,
    id: string,
    query: Query<"/v1/notifications/{notification}/deliveries", "get">,
    signal?: AbortSignal,
  ) =>
    this.send("get", "/v1/notifications/{notification}/deliveries", {
      scope,
      params: { notification: id },
      query,
      signal,
    });

  recall = (scope: Scope, id: string) =>
    this.send("delete", "/v1/notifications/{notification}", { scope, params: { notification: id } });

  deadLetterGroups = (signal?: AbortSignal) => this.send("get", "/v1/operator/dead-letters/summary", { signal });

  deadLetters = (scope: Scope, query: Query<"/v1/dead-letters", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/dead-letters", { scope, query, signal });

  redrive = (scope: Scope, selection: Redrive, limit: number) =>
    this.send("post", "/v1/dead-letters/redrive", { scope, body: { ...selection, limit } });

  redriveOutcomes = (scope: Scope, redrive: string, signal?: AbortSignal) =>
    this.send("get", "/v1/redrives/{redrive}", { scope, params: { redrive }, signal });

  deliveriesOf = (scope: Scope, query: Query<"/v1/deliveries", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/deliveries", { scope, query, signal });

  audit = (query: Query<"/v1/audit", "get">, signal?: AbortSignal) => this.send("get", "/v1/audit", { query, signal });

  rejected = (scope: Scope, query: Query<"/v1/outbox/rejected", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/outbox/rejected", { scope, query, signal });

  usage = (scope: Scope, query: Query<"/v1/usage", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/usage", { scope, query, signal });

  usageByTenant = (query: Query<"/v1/operator/usage", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/usage", { query, signal });

  tenants = (signal?: AbortSignal) => this.send("get", "/v1/operator/tenants", { signal });

  createTenant = (id: string, name: string) =>
    this.send("post", "/v1/operator/tenants", { body: name ? { id, name } : { id } });

  keys = (tenant: string, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/tenants/{tenant}/keys", { params: { tenant }, signal });

  quotas = (tenant: string, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/tenants/{tenant}/quotas", { params: { tenant }, signal });

  createKey = (tenant: string, name: string, mode: Mode, expiresAt: string | null) =>
    this.send("post", "/v1/operator/tenants/{tenant}/keys", {
      params: { tenant },
      body: { name, mode, expires_at: expiresAt },
    });

  revokeKey = (tenant: string, prefix: string) =>
    this.send("delete", "/v1/operator/tenants/{tenant}/keys/{prefix}", { params: { tenant, prefix } });

  users = (query: Query<"/v1/operator/users", "get">, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/users", { query, signal });

  user = (tenant: string, id: string, signal?: AbortSignal) =>
    this.send("get", "/v1/operator/users/{user}", { params: { user: id }, query: { tenant }, signal });

  enableEmail = (scope: Scope, id: string) =>
    this.send("post", "/v1/users/{user}/email/enable", { scope, params: { user: id } });

  private async send<P extends Path, M extends Method<P>>(
    method: M,
    path: P,
    options: Options<P, M>,
  ): Promise<Answer<P, M>> {
    try {
      return await request(this.token, method, path, options);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.onUnauthorized();
      throw error;
    }
  }
}

/** The configuration of the console. Needs no token. */
export async function fetchConfig(): Promise<Config> {
  const response = await fetch("/console/config.json");
  if (!response.ok) throw await readProblem(response);
  return (await response.json()) as Config;
}

/** A token for the demo's operator. Only a development server issues one. */
export async function fetchDemoToken(): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/demo/sign-in", { method: "POST", headers, body: JSON.stringify({ operator: true }) });
  if (!response.ok) throw await readProblem(response);
  return ((await response.json()) as { operator_token: string }).operator_token;
}
