/** The page at / of the installation, with a user of the demo signed in. */

import { type Browser, type BrowserContextOptions, expect, type Page } from "@playwright/test";
import { port } from "../../e2e/installation.ts";

export const url = (path = "/"): string => `http://127.0.0.1:${port()}${path}`;

/** Sign in a user in a new browser context. Errors in the browser fail the test. */
export async function signIn(
  browser: Browser,
  person: string,
  options: BrowserContextOptions = {},
  path = "/",
): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  failOnErrors(page);
  await page.goto(url(path));
  await page.getByRole("button", { name: person }).click();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  return page;
}

export function failOnErrors(page: Page): void {
  page.on("pageerror", (error) => {
    throw error;
  });
  page.on("console", (message) => {
    if (message.type() === "error") throw new Error(`error in the browser: ${message.text()}`);
  });
}

export const section = (page: Page, name: string) => page.getByRole("region", { name: new RegExp(`^${name}`) });
