/** Takes pictures of all pages: npm run screenshots. They are no tests, and `npm run e2e` does not run them. */

import { defineConfig } from "@playwright/test";
import tests from "../playwright.config.ts";

const { projects: _, ...common } = tests;

export default defineConfig({
  ...common,
  testDir: ".",
  // The console's pictures need a lot of traffic, which would fill the inboxes in the others.
  projects: ["bell", "pages", "chat", "console"].map((name) => ({ name, testMatch: `${name}.ts` })),
  globalSetup: "../e2e/installation.ts",
  outputDir: "../node_modules/.cache/screenshots",
  workers: 1,
  timeout: 600_000,
});
