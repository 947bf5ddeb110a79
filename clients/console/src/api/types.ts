/** The names that the console uses for the types of the API. The types themselves are generated from /openapi.json. */

import type { components } from "carillon-client/openapi";

type Schemas = components["schemas"];

export type AuditRecord = Schemas["AuditRecord"];
export type DeadLetter = Schemas["DeadLetter"];
export type DeadLetterGroup = Schemas["DeadGroup"];
export type Delivery = Schemas["DeliveryView"];
export type Failure = Schemas["Failure"];
export type Key = Schemas["KeyView"];
export type NewKey = Schemas["NewKeyView"];
export type Notification = Schemas["NotificationView"];
export type NotificationStatus = Schemas["NotificationStatus"];
export type Outcome = Schemas["OutcomeView"];
export type Overview = Schemas["OverviewView"];
export type RejectedRow = Schemas["RejectedRow"];
export type Redrive = Schemas["RedriveBody"];
export type Redriven = Schemas["Redriven"];
export type Tenant = Schemas["TenantView"];
export type UsageDay = Schemas["UsageDay"];
export type UserDelivery = Schemas["UserDelivery"];
export type UserDetails = Schemas["UserPage"];

export type Mode = Schemas["KeyView"]["mode"];

/** The tenant and mode that a request is about. */
export interface Scope {
  tenant: string;
  mode: Mode;
}

/** A page of a list. */
export interface Page<Row> {
  data: Row[];
  page: Schemas["Page"];
}

/** The configuration of the console, which the server gives out without a token. */
export interface Config {
  version: string;
  development: boolean;
  flower_url: string | null;
}
