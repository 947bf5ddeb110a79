import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!chromium) throw new Error("these tests need Chromium (Debian: apt-get install chromium)");

export default defineConfig({
  testDir: "e2e",
  outputDir: "e2e/.results",
  globalSetup: "../js/e2e/stand.ts",
  timeout: 60_000,
  expect: { timeout: 15_000 },
  // The demo has three people, whom the tests share.
  workers: 1,
  forbidOnly: true,
  reporter: "list",
  use: {
    viewport: { width: 1280, height: 900 },
    launchOptions: { executablePath: chromium, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] },
  },
});
