/** web/static/build/: the programs and styles of the page at /, and of /docs/events. */

import { cpSync, mkdirSync } from "node:fs";
import { build } from "esbuild";

const out = "../../web/static/build";

await build({
  entryPoints: { "inbox/inbox": "src/inbox/main.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  // The hooks are written for React; the page does not need the whole of it.
  alias: { react: "preact/compat" },
  logLevel: "warning",
});

mkdirSync(`${out}/docs`, { recursive: true });
const asyncapi = "node_modules/@asyncapi/react-component";
cpSync(`${asyncapi}/browser/standalone/index.js`, `${out}/docs/asyncapi.js`);
cpSync(`${asyncapi}/styles/default.min.css`, `${out}/docs/asyncapi.css`);

console.log("pages built");
