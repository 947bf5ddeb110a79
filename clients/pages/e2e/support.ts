/** The page at / of a running copy, with somebody of the demo signed in. */

import { type Browser, type BrowserContextOptions, expect, type Page } from "@playwright/test";
import { port } from "../../e2e/installation.ts";

export const url = (path = "/"): string => `http://127.0.0.1:${port()}${path}`;

/** A browser of their own, with the board before them. Fails the test for whatever the browser complains about. */
export async function signIn(browser: Browser, person: string, look: BrowserContextOptions = {}): Promise<Page> {
  const page = await (await browser.newContext(look)).newPage();
  complain(page);
  await page.goto(url());
  await page.getByRole("button", { name: person }).click();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  return page;
}

export function complain(page: Page): void {
  page.on("pageerror", (error) => {
    throw error;
  });
  page.on("console", (message) => {
    if (message.type() === "error") throw new Error(`the browser says: ${message.text()}`);
  });
}

export const section = (page: Page, name: string) => page.getByRole("region", { name: new RegExp(`^${name}`) });
