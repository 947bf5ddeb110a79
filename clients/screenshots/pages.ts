/** The page at /, the bell on it and the documentation, for docs/screens. */

import { resolve } from "node:path";
import { expect, test } from "@playwright/test";
import { notify, request } from "../e2e/installation.ts";
import { section, signIn, url } from "../pages/e2e/support.ts";

const SCREENS = resolve(import.meta.dirname, "../../docs/screens");

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 390]) {
    test(`${width} pixels, ${colorScheme}`, async ({ browser }) => {
      test.setTimeout(120_000);
      const look = { colorScheme, viewport: { width, height: width > 1000 ? 900 : 844 } };
      const picture = (name: string) => resolve(SCREENS, `${name}-${width}-${colorScheme}.png`);
      const before = await (await browser.newContext(look)).newPage();
      await before.goto(url());
      await expect(before.getByRole("button", { name: "Alice" })).toBeVisible();
      await before.screenshot({ path: picture("sign-in") });
      const bob = await signIn(browser, "Bob");
      const page = await signIn(browser, "Alice", look);
      await page.waitForTimeout(500);
      await request("/v1/alerts", { title: "Disk almost full", message: "db-1 has 4 % left.", level: "critical" });
      await notify("alice", "Payment received", {
        level: "success",
        message: "Thank you. The receipt is in your mailbox.",
      });
      await notify("alice", "Nora mentioned you", {
        message: "Could you look at the second paragraph?",
        category: "comments",
      });
      await section(page, "Send a notification").getByRole("button", { name: "All channels" }).click();
      await expect(section(page, "Mailbox").getByRole("listitem").first()).toBeVisible();
      await page.waitForTimeout(7000);
      await page.screenshot({ path: picture("inbox"), fullPage: width < 1000 });
      await page.locator("carillon-bell").getByRole("button").first().click();
      await page.waitForTimeout(600);
      await page.screenshot({ path: picture("bell") });
      await bob.context().close();
      const docs = await (await browser.newContext(look)).newPage();
      for (const [path, name, shown] of [
        ["/docs", "docs", "Carillon"],
        ["/docs/events", "docs-events", "Socket events"],
      ] as const) {
        await docs.goto(url(path));
        await expect(docs.getByRole("heading", { name: shown }).first()).toBeVisible({ timeout: 60_000 });
        await docs.waitForTimeout(2000);
        await docs.screenshot({ path: picture(name) });
      }
    });
  }
}
