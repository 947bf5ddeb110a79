/** The properties of `<carillon-bell>` in JSX. */

import type { Client } from "../client.ts";
import type { GetToken } from "../tokens.ts";
import type { Labels } from "./labels.ts";

export interface BellProps {
  url?: string;
  token?: string;
  theme?: "light" | "dark";
  /** React 18 cannot set this, nor `getToken` and `labels`: it passes texts only. Set them on a ref there. */
  client?: Client | null;
  getToken?: GetToken;
  labels?: Partial<Labels>;
}
