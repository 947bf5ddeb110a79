/** What every view has at hand. */

import { createContext } from "preact";
import type { Api, Config, Scope, Tenant } from "./api.ts";
import type { Session } from "./session.ts";

export interface Shared {
  api: Api;
  config: Config;
  session: Session;
  tenants: Tenant[];
  reloadTenants: () => void;
  /** The tenant and mode that are chosen; "" where there is no tenant yet. */
  scope: Scope;
}

export const Console = createContext<Shared>(null as unknown as Shared);
