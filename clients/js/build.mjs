/**
 * dist/: modules for bundlers, with their libraries left out. dist/browser/: whole scripts for pages without one, which
 * the server gives out under /static/build/ as well.
 */

import { cpSync, existsSync, rmSync, statSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });

const common = { bundle: true, format: "esm", target: "es2022", sourcemap: true, logLevel: "warning" };

await build({
  ...common,
  entryPoints: {
    index: "src/index.ts",
    react: "src/react.ts",
    bell: "src/bell/index.ts",
    "dropins/hub": "src/dropins/hub.ts",
    "dropins/tenant": "src/dropins/tenant.ts",
    "dropins/simple": "src/dropins/simple.ts",
    "dropins/window-ws": "src/dropins/window-ws.ts",
  },
  outdir: "dist",
  splitting: true,
  packages: "external",
});

const browser = { ...common, minify: true, outdir: "dist/browser" };
await build({ ...browser, entryPoints: { carillon: "src/bell/index.ts" } });
// Inline scripts that follow it expect window.ws, so it cannot be a module.
await build({ ...browser, format: "iife", entryPoints: { websocket: "src/dropins/window-ws.ts" } });

const served = new URL("../../web/static/", import.meta.url);
if (existsSync(served)) cpSync("dist/browser", new URL("build", served), { recursive: true });

console.log(`carillon-client built, browser script ${Math.round(statSync("dist/browser/carillon.js").size / 1024)} KiB`);
