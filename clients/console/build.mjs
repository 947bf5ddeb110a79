/** The console, in web/static/build/console: one script and one style sheet. `--watch` builds again at every change. */

import { rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { context } from "esbuild";

const outdir = fileURLToPath(new URL("../../web/static/build/console", import.meta.url));
const watch = process.argv.includes("--watch");

rmSync(outdir, { recursive: true, force: true });
const builder = await context({
  entryPoints: { console: "src/main.tsx" },
  outdir,
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watch,
  sourcemap: watch,
  legalComments: "none",
  logLevel: "warning",
});

if (watch) {
  await builder.watch();
} else {
  await builder.rebuild();
  await builder.dispose();
  console.log(`carillon-console built, script ${Math.round(statSync(`${outdir}/console.js`).size / 1024)} KiB`);
}
