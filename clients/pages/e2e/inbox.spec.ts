import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { notify, request } from "../../e2e/installation.ts";
import { failOnErrors, section, signIn, url } from "./support.ts";

const unique = (what: string) => `${what} ${Date.now().toString(36)}`;
const badge = (page: Page) => page.locator("carillon-bell .badge");
const item = (page: Page, title: string) => section(page, "Inbox").getByRole("listitem").filter({ hasText: title });

async function hasNoViolations(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
}

test("one click signs in, and another sends on every channel", async ({ browser }) => {
  const page = await signIn(browser, "Carol");
  await section(page, "Send a notification").getByRole("button", { name: "All channels" }).click();
  const title = (await section(page, "Send a notification").locator("dt").first().textContent()) ?? "";
  expect(title).not.toBe("");
  await expect(item(page, title).first()).toBeVisible();
  await expect(badge(page)).not.toHaveText("");
  await expect(section(page, "Phone").getByText(title).first()).toBeVisible();
  await expect(section(page, "Mailbox").getByText(title).first()).toBeVisible();
  const receipt = section(page, "Send a notification").locator("dl");
  for (const [channel, state] of Object.entries({ "In app": "acked", Push: "sent", Email: "sent" })) {
    await expect(receipt.locator("div").filter({ hasText: channel })).toContainText(state);
  }
});

test("a notification of one's own words is sent, shown as curl, and recalled", async ({ browser }) => {
  const page = await signIn(browser, "Carol");
  const form = section(page, "Send a notification");
  const title = unique("It's mine");
  await form.getByLabel("Title").fill(title);
  await form.getByLabel("Link").fill("https://shop.example/orders/1");
  await form.getByText("The same with curl").click();
  await expect(form.locator("pre")).toContainText(`"title":"${title.replace("'", "'\\''")}"`);
  await form.getByRole("button", { name: "In app" }).click();
  await expect(item(page, title)).toHaveCount(1);
  await form.getByRole("button", { name: "Recall" }).click();
  await expect(form.getByText("recalled")).toBeVisible();
  await expect(item(page, title)).toHaveCount(0);
});

test("notifications sent during a disconnection arrive in order afterwards", async ({ browser }) => {
  const page = await signIn(browser, "Alice");
  const titles = [1, 2, 3].map((number) => unique(`Missed ${number}`));
  await page.getByRole("switch", { name: "Connected" }).click();
  await expect(page.getByText(/This page is disconnected\./)).toBeVisible();
  // What the page fetches when its connection ends must not have the notifications yet.
  await page.waitForLoadState("networkidle");
  for (const title of titles) await notify("alice", title);
  await expect(item(page, titles[0] ?? "")).toHaveCount(0);
  await page.getByRole("switch", { name: "Connected" }).click();
  for (const title of titles) await expect(item(page, title)).toHaveCount(1);
  const replayed = section(page, "Event log")
    .getByRole("listitem")
    .filter({ hasText: "notification:new" })
    .filter({ hasText: "replayed" });
  await expect(replayed).toHaveCount(3);
  const numbers = (await replayed.allTextContents()).map((text) => Number(/#(\d+)/.exec(text)?.[1]));
  const [newest = 0] = numbers;
  expect(numbers).toEqual([newest, newest - 1, newest - 2]);
});

test("a notification read in one window is read in the other", async ({ browser }) => {
  const [here, there] = [await signIn(browser, "Bob"), await signIn(browser, "Bob")];
  const title = unique("Both");
  await notify("bob", title);
  for (const page of [here, there]) await expect(item(page, title)).toHaveClass(/unread/);
  await here.getByRole("button", { name: `Mark read: ${title}` }).click();
  for (const page of [here, there]) await expect(item(page, title)).not.toHaveClass(/unread/);
  await there.getByRole("button", { name: `Delete: ${title}` }).click();
  await expect(item(here, title)).toHaveCount(0);
});

test("users see each other, and an alert is acknowledged for everybody", async ({ browser }) => {
  const [alice, bob] = [await signIn(browser, "Alice"), await signIn(browser, "Bob")];
  await expect(section(alice, "People").getByRole("listitem").filter({ hasText: "Bob" })).toContainText("online");
  await section(bob, "People").getByRole("button", { name: "Busy" }).click();
  await expect(section(alice, "People").getByRole("listitem").filter({ hasText: "Bob" })).toContainText("busy");
  const title = unique("Alarm");
  await request("/v1/alerts", { title, message: "Look.", level: "critical" });
  const seen = (page: Page) => section(page, "Alerts").getByRole("listitem").filter({ hasText: title });
  await seen(bob).getByRole("button", { name: "Acknowledge" }).click();
  await expect(seen(alice)).toContainText("Acknowledged by bob");
});

test("markup in a message is shown as text", async ({ browser }) => {
  const page = await signIn(browser, "Carol");
  const corpus = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "{{constructor.constructor('alert(1)')()}}",
    "<iframe srcdoc='<script>alert(1)</script>'>",
  ];
  page.on("dialog", () => {
    throw new Error("markup in a message was executed");
  });
  for (const title of corpus) await notify("carol", title, { message: title });
  for (const title of corpus) await expect(item(page, title).locator(".title").first()).toContainText(title);
  expect(await page.locator("main :is(svg, iframe, img[src='x'])").count()).toBe(0);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the page is accessible, ${colorScheme}`, async ({ browser }) => {
    const before = await (await browser.newContext({ colorScheme })).newPage();
    failOnErrors(before);
    await before.goto(url());
    await expect(before.getByRole("button", { name: "Alice" })).toBeVisible();
    await hasNoViolations(before);
    const page = await signIn(browser, "Alice", { colorScheme });
    await request("/v1/alerts", { title: "Alarm", message: "Look.", level: "critical" });
    for (const level of ["info", "success", "warning", "error"]) await notify("alice", unique(level), { level });
    await expect(section(page, "Inbox").getByRole("listitem").first()).toBeVisible();
    await hasNoViolations(page);
  });
}

test("a wrong token is refused with a reason", async ({ page }) => {
  await page.goto(url());
  await page.getByText("Or sign in with a token").click();
  await page.getByRole("textbox").fill("nonsense");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert")).toHaveText("This is not a token.");
});

test("the documentation of both interfaces is shown", async ({ page }) => {
  await page.goto(url("/docs"));
  await expect(page.getByRole("heading", { name: "Send a notification" }).first()).toBeVisible();
  await page.goto(url("/docs/events"));
  await expect(page.getByRole("heading", { name: "notification:new" })).toBeVisible();
});

for (const [colorScheme, width] of [
  ["light", 1280],
  ["dark", 390],
] as const) {
  test(`the page of events has an anchor for each and is accessible, ${colorScheme}, ${width} pixels`, async ({
    browser,
  }) => {
    const page = await (await browser.newContext({ colorScheme, viewport: { width, height: 800 } })).newPage();
    failOnErrors(page);
    await page.goto(url("/docs/events"));
    await hasNoViolations(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    await page.goto(url("/docs/events#notification.new"));
    await expect(page.getByRole("article", { name: "notification:new" })).toBeInViewport();
  });
}
