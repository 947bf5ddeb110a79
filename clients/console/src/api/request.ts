/** One request to the API. Paths, parameters, bodies and answers are checked against the generated types. */

import type { paths } from "carillon-client/openapi";
import { Problem, readProblem } from "./problem.ts";
import type { Scope } from "./types.ts";

export type Path = keyof paths;
export type Method<P extends Path> = keyof paths[P] & ("get" | "post" | "put" | "delete");

type Parameters<P extends Path, M extends Method<P>> = paths[P][M] extends { parameters: infer Given }
  ? Given
  : unknown;

export type Answer<P extends Path, M extends Method<P>> = paths[P][M] extends { responses: infer Responses }
  ? Responses[keyof Responses] extends { content: { "application/json": infer Body } }
    ? Body
    : never
  : never;

/** Names are checked. Values may be strings, as they come from an address or a form; an empty one is left out. */
type Query<P extends Path, M extends Method<P>> =
  Parameters<P, M> extends { query?: infer Given }
    ? { [Name in keyof Given]?: Given[Name] | string | undefined }
    : never;

export interface Options<P extends Path, M extends Method<P>> {
  params?: Parameters<P, M> extends { path: infer Given } ? Given : never;
  query?: Query<P, M>;
  body?: paths[P][M] extends { requestBody: { content: { "application/json": infer Body } } } ? Body : never;
  scope?: Scope;
  signal?: AbortSignal | undefined;
}

/** Milliseconds after which a request without a response has failed. */
const TIMEOUT = 20_000;
/** How often a request is repeated that the server refused because of its rate limit. */
const MAX_ATTEMPTS = 5;

/** Send a request with an operator's token. Throws a Problem. */
export async function request<P extends Path, M extends Method<P>>(
  token: string,
  method: M,
  path: P,
  { params, query, body, scope, signal }: Options<P, M>,
): Promise<Answer<P, M>> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
  if (scope) {
    headers["Carillon-Tenant"] = scope.tenant;
    headers["Carillon-Mode"] = scope.mode;
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (let attempt = 1; ; attempt++) {
    const timeout = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(address(path, params ?? {}, query ?? {}), {
      method: method.toUpperCase(),
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    }).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw new Problem(0, "unreachable", "The server does not answer.");
    });
    if (response.ok) return (await response.json()) as Answer<P, M>;
    const problem = await readProblem(response);
    if (problem.status !== 429 || attempt === MAX_ATTEMPTS) throw problem;
    await delay(Math.max(problem.retryAfter, 1) * 1000, signal);
  }
}

function address(path: string, params: object, query: object): string {
  const values = params as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ""));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length
    ? `${filled}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
    : filled;
}

function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
