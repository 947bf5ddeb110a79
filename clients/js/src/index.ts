/** carillon-client: events without gaps, in order and exactly once, on one connection for all tabs of a user. */

export {
  Client,
  type ClientOptions,
  type ClientPayloads,
  createClient,
  type EventName,
  type PayloadOf,
} from "./client.ts";
export type { Dialect, State } from "./connection.ts";
export { CarillonError } from "./errors.ts";
export * from "./events.ts";
export type { Payload, Position } from "./log.ts";
export * from "./rest.ts";
export type { Answer } from "./socket.ts";
export { claim } from "./tabs.ts";
export type { GetToken } from "./tokens.ts";
