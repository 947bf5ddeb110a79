/** What every view can use. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "./api/client.ts";
import type { Config, Scope, Tenant } from "./api/types.ts";
import type { Session } from "./session.ts";

export interface ConsoleState {
  api: Api;
  config: Config;
  session: Session;
  tenants: Tenant[];
  reloadTenants: () => void;
  /** The selected tenant and mode. The tenant is "" while none exists. */
  scope: Scope;
}

export const ConsoleContext = createContext<ConsoleState | null>(null);

export function useConsole(): ConsoleState {
  const state = useContext(ConsoleContext);
  if (!state) throw new Error("useConsole needs a ConsoleContext.Provider");
  return state;
}
