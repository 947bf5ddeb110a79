import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!chromium) throw new Error("these tests need Chromium (Debian: apt-get install chromium)");

export default defineConfig({
  testDir: "e2e",
  outputDir: "e2e/.results",
  // The same that the tests of the client run on.
  globalSetup: "../js/e2e/stand.ts",
  // A machine of two cores on which other tests run as well.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  // One tells what another one sends: the dead letters are those of the whole installation.
  workers: 1,
  forbidOnly: true,
  reporter: "list",
  use: {
    viewport: { width: 1280, height: 860 },
    launchOptions: { executablePath: chromium, args: ["--no-sandbox"] },
  },
});
