/** Pictures of the pages, for docs/screens and for whoever changes how they look: npm run screenshots. */

import { defineConfig } from "@playwright/test";
import tests from "../playwright.config.ts";

const { projects: _, ...common } = tests;

export default defineConfig({
  ...common,
  testDir: ".",
  testMatch: ["bell.ts", "console.ts", "pages.ts"],
  workers: 1,
  timeout: 600_000,
});
