/** The bell: closed, open, with toasts, empty. */

import { test } from "@playwright/test";
import { newUser, notify } from "../e2e/installation.ts";
import { NetworkProxy } from "../js/e2e/proxy.ts";
import { serve } from "../js/e2e/site.ts";

const SAMPLES: [string, object][] = [
  [
    "Your export is ready",
    {
      level: "success",
      message: "The report “Q3 revenue by region” can be downloaded until Friday.",
      category: "reports",
      url: "https://example.test/r",
    },
  ],
  [
    "Nora mentioned you",
    {
      level: "info",
      message: "@alice could you look at the wording of the second paragraph before we send it?",
      category: "comments",
    },
  ],
  [
    "Disk almost full",
    { level: "warning", message: "db-2 has 6 % left. At this rate it is full in 9 hours.", category: "operations" },
  ],
  [
    "Payment failed",
    { level: "error", message: "The card ending in 4242 was declined. We try again tomorrow.", category: "billing" },
  ],
  [
    "Service down in eu-west",
    {
      level: "critical",
      message: "Checkout answers with errors since 09:41 UTC. On-call was paged.",
      category: "operations",
    },
  ],
  [
    "Welcome aboard",
    {
      message:
        "Everything that concerns you appears here: on this page, on your phone, and in your mailbox if you miss it.\nChange what you want to hear of in the settings.",
      category: "comments",
    },
  ],
];

for (const [name, scheme, attributes, width] of [
  ["light", "light", "", 1000],
  ["dark", "dark", "", 1000],
  ["arabic", "light", 'lang="ar"', 1000],
  ["phone", "light", 'lang="de"', 380],
  ["narrow-light", "light", "", 320],
  ["narrow-dark", "dark", "", 320],
  ["wide-light", "light", "", 1280],
  ["wide-dark", "dark", "", 1280],
] as const) {
  test(name, async ({ browser }) => {
    const proxy = await NetworkProxy.start();
    const user = newUser();
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 760 } });
    serve(proxy, user, { attributes });
    const page = await context.newPage();
    for (const [title, more] of SAMPLES) await notify(user, title, more);
    await page.goto(`${proxy.url}/site`);
    await page.waitForTimeout(2000);
    await page.screenshot({ path: `node_modules/.cache/bell/${name}-closed.png` });
    await page
      .getByRole("button", { name: /unread|ungelesen|غير/ })
      .first()
      .click();
    await page.waitForTimeout(500);
    await page.locator("article").nth(2).hover();
    await page
      .locator("article")
      .nth(3)
      .getByRole("button")
      .first()
      .evaluate((button: HTMLElement) => button.click());
    await page.waitForTimeout(300);
    await page.screenshot({ path: `node_modules/.cache/bell/${name}-open.png` });
    await page.keyboard.press("Escape");
    for (const [title, more] of SAMPLES.slice(0, 3)) await notify(user, title, more);
    await page.waitForTimeout(2500);
    await page.screenshot({ path: `node_modules/.cache/bell/${name}-toasts.png` });
    await page.locator("carillon-bell .bell").click();
    await page.locator("carillon-bell .filters button").last().click();
    proxy.cut("nothing");
    await page.waitForTimeout(8000);
    await page.screenshot({ path: `node_modules/.cache/bell/${name}-empty.png` });
    await context.close();
    proxy.close();
  });
}
