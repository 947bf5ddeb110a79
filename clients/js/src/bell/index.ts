/** Defines `<carillon-bell>`. Pages without a bundler load only this script, which includes the client. */

import { CarillonBell } from "./element.ts";

if (typeof customElements !== "undefined" && !customElements.get("carillon-bell"))
  customElements.define("carillon-bell", CarillonBell);

declare global {
  interface HTMLElementTagNameMap {
    "carillon-bell": CarillonBell;
  }
}

export * from "../index.ts";
export type { Labels } from "./labels.ts";
export { CarillonBell };
