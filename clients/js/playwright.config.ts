import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!chromium) throw new Error("these tests need Chromium (Debian: apt-get install chromium)");

export default defineConfig({
  testDir: "e2e",
  outputDir: "e2e/.results",
  globalSetup: "./e2e/stand.ts",
  // A machine of two cores on which other tests run as well.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  workers: process.env["CI"] ? 1 : 2,
  fullyParallel: true,
  forbidOnly: true,
  reporter: "list",
  use: {
    viewport: { width: 1000, height: 760 },
    launchOptions: { executablePath: chromium, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] },
  },
});
