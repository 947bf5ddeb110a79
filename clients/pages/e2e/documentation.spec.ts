import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { failOnErrors, url } from "./support.ts";

const PAGES = ["/docs", "/docs/events", "/docs/guides", "/docs/guides/operations", "/docs/guides/http"];

for (const [width, colorScheme] of [
  [1280, "light"],
  [390, "dark"],
] as const) {
  test(`the documentation is accessible and fits, ${width} pixels, ${colorScheme}`, async ({ browser }) => {
    const page = await (await browser.newContext({ colorScheme, viewport: { width, height: 844 } })).newPage();
    failOnErrors(page);
    for (const path of PAGES) {
      await page.goto(url(path));
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow, path).toBeLessThanOrEqual(0);
      // The articles of a section are alike, and all of them take axe a minute.
      const { violations } = await new AxeBuilder({ page }).exclude("article:nth-of-type(n+2)").analyze();
      expect(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
        path,
      ).toEqual([]);
    }
  });
}

test("the language of the examples can be chosen", async ({ page }) => {
  await page.goto(url("/docs"));
  const operation = page.locator("#send_notification");
  await expect(operation.getByText("curl -X POST")).toBeVisible();
  await page.getByRole("radio", { name: "Python" }).check();
  await expect(operation.getByText("curl -X POST")).toBeHidden();
  await expect(operation.getByText("requests.post(")).toBeVisible();
  await page.getByRole("radio", { name: "JavaScript" }).check();
  await expect(operation.getByText("await fetch(")).toBeVisible();
});
