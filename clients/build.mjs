/**
 * Builds everything:
 * - js/dist: ES modules for bundlers, without their dependencies
 * - js/dist/browser: whole scripts for pages without a bundler
 * - ../web/static/build: the same scripts, the console and the page at /, as the server serves them
 *
 * With --watch, the console and the page are built again at every change.
 */

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, context } from "esbuild";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));

const watch = process.argv.includes("--watch");
const served = "../web/static/build";
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  sourcemap: true,
  legalComments: "none",
  logLevel: "warning",
};

const size = (file) => `${Math.round(statSync(file).size / 1024)} KiB`;

async function buildClient() {
  rmSync("js/dist", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: {
      index: "js/src/index.ts",
      react: "js/src/react.ts",
      preact: "js/src/preact.ts",
      chat: "js/src/chat/index.ts",
      bell: "js/src/bell/index.ts",
      openapi: "js/src/openapi.ts",
      "dropins/hub": "js/src/dropins/hub.ts",
      "dropins/tenant": "js/src/dropins/tenant.ts",
      "dropins/simple": "js/src/dropins/simple.ts",
      "dropins/window-ws": "js/src/dropins/window-ws.ts",
    },
    outdir: "js/dist",
    splitting: true,
    packages: "external",
  });
  const browser = { ...common, minify: true, outdir: "js/dist/browser" };
  await build({ ...browser, entryPoints: { carillon: "js/src/bell/index.ts" } });
  // Inline scripts after this one expect window.ws to exist, so it cannot be a module, which would run later.
  await build({ ...browser, format: "iife", entryPoints: { websocket: "js/src/dropins/window-ws.ts" } });
  if (existsSync("../web/static")) cpSync("js/dist/browser", served, { recursive: true });
  console.log(`carillon-client built, browser script ${size("js/dist/browser/carillon.js")}`);
}

async function buildPages() {
  for (const name of ["console", "inbox", "chat"]) rmSync(`${served}/${name}`, { recursive: true, force: true });
  const builder = await context({
    ...common,
    entryPoints: {
      "console/console": "console/src/main.tsx",
      "inbox/inbox": "pages/src/inbox/main.tsx",
      "chat/chat": "pages/src/chat/main.tsx",
    },
    outdir: served,
    conditions: ["@carillon/source"],
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: !watch,
  });
  if (watch) return builder.watch();
  await builder.rebuild();
  await builder.dispose();
  for (const name of ["console/console", "inbox/inbox", "chat/chat"])
    console.log(`${name} built, script ${size(`${served}/${name}.js`)}`);
}

/** The server sends these to browsers that can read them. They are removed where a build would outdate them. */
function compressServed() {
  for (const name of readdirSync(served, { recursive: true })) {
    const file = `${served}/${name}`;
    if (/\.(br|gz)$/.test(name)) rmSync(file);
    if (watch || !/\.(js|css)$/.test(name)) continue;
    const text = readFileSync(file);
    writeFileSync(`${file}.br`, brotliCompressSync(text));
    writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
  }
}

await buildClient();
await buildPages();
if (existsSync(served)) compressServed();
