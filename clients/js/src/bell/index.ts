/** Defines `<carillon-bell>`. In a browser without a bundler this is the one script to load; it has the client as well. */

import { CarillonBell } from "./element.ts";

if (!customElements.get("carillon-bell")) customElements.define("carillon-bell", CarillonBell);

declare global {
  interface HTMLElementTagNameMap {
    "carillon-bell": CarillonBell;
  }
}

export * from "../index.ts";
export { CarillonBell };
export type { Labels } from "./labels.ts";
