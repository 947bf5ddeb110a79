/** A page of another site that uses the bell: one script, one element. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Page } from "@playwright/test";
import { token } from "../../e2e/installation.ts";
import type { NetworkProxy } from "./proxy.ts";

const DIST = resolve(import.meta.dirname, "../dist/browser");

export interface SiteOptions {
  attributes?: string;
  /** The lifetime of the token. */
  seconds?: number;
  /** Styles of the page, after its own. */
  styles?: string;
  /** The server, if it is not the origin of the page. */
  server?: string;
}

/** Add the page and its script to the proxy, so that they have the origin of the server. */
export function serve(
  proxy: NetworkProxy,
  user: string,
  { attributes = "", seconds = 3600, styles = "", server = "" }: SiteOptions = {},
): void {
  const policy = `default-src 'none'; script-src 'self'; connect-src 'self' ${server} ${server.replace("http", "ws")}; style-src 'self'; img-src data:`;
  proxy.pages.set("/site", {
    type: "text/html; charset=utf-8",
    headers: { "Content-Security-Policy": policy },
    body: `<!doctype html><html lang="en"><title>A site</title><link rel="stylesheet" href="/site.css"><link rel="icon" href="data:,">
      <main><nav><h1>A site</h1><carillon-bell token="${token(user, seconds)}" url="${server}" ${attributes}></carillon-bell></nav>
      <p><button id="other">Something else</button></p></main><script type="module" src="/carillon.js"></script></html>`,
  });
  proxy.pages.set("/site.css", { type: "text/css", body: STYLE + styles });
  proxy.pages.set("/carillon.js", { type: "text/javascript", body: readFileSync(`${DIST}/carillon.js`, "utf8") });
}

const STYLE = `
  body { margin: 0; font-family: system-ui; background: #f3f4f7; }
  nav { display: flex; align-items: center; justify-content: space-between; padding: 8px 24px; background: #fff; }
  h1 { font-size: 16px; }
  main > p { padding: 0 24px; }
  @media (prefers-color-scheme: dark) { body { background: #101114; color: #eee } nav { background: #1b1d22 } }
`;

/** Count how often the bell of a page rings. */
export async function watchRings(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(() => {
    const counted = window as unknown as { rings: number };
    counted.rings = 0;
    document.addEventListener(
      "carillon-ring",
      () => {
        counted.rings += 1;
      },
      true,
    );
  });
  return () => page.evaluate(() => (window as unknown as { rings: number }).rings);
}
