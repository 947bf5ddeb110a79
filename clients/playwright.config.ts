import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!chromium) throw new Error("The browser tests need Chromium (Debian: apt-get install chromium).");

export default defineConfig({
  outputDir: "node_modules/.cache/playwright",
  globalSetup: "./e2e/installation.ts",
  // These machines have two cores and run other tests at the same time.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  workers: process.env.CI ? 1 : 2,
  forbidOnly: true,
  reporter: "list",
  use: {
    launchOptions: { executablePath: chromium, args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] },
  },
  projects: [
    // Not fully parallel: an alert, which one test raises, shows on the pages of all.
    { name: "js", testDir: "js/e2e", use: { viewport: { width: 1000, height: 760 } } },
    // The tests of the console share the dead letters of the installation, those of the page its three users.
    { name: "console", testDir: "console/e2e", workers: 1, use: { viewport: { width: 1280, height: 860 } } },
    { name: "pages", testDir: "pages/e2e", workers: 1, use: { viewport: { width: 1280, height: 900 } } },
  ],
});
