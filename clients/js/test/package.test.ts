/** What npm publishes: the built package, as `npm run build` in clients/ leaves it. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const PACKAGE = resolve(import.meta.dirname, "..");
const { exports } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { exports: object };
const DROPINS = ["hub", "tenant", "simple", "window-ws"];

const entries = Object.keys(exports).flatMap((name) =>
  name.includes("*") ? DROPINS.map((dropin) => name.replace("*", dropin)) : [name],
);

test.each(entries)(
  "%s can be imported in Node, which has no document",
  (entry) => {
    const name = join("carillon-client", entry);
    const program = `console.log(Object.keys(await import(${JSON.stringify(name)})).length)`;
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { cwd: PACKAGE });
    expect(Number(output)).toBeGreaterThan(0);
  },
  60_000,
);

test("npm packs the license, the types and the scripts", () => {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: PACKAGE });
  const packed = new Set(
    (JSON.parse(String(output)) as [{ files: { path: string }[] }])[0].files.map(({ path }) => path),
  );
  for (const path of ["LICENSE", "README.md", "dist/index.js", "dist/types/index.d.ts", "dist/browser/carillon.js"])
    expect(packed).toContain(path);
  expect(readFileSync(join(PACKAGE, "LICENSE"), "utf8")).toBe(readFileSync(resolve(PACKAGE, "../../LICENSE"), "utf8"));
}, 60_000);
