import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { eventually } from "../../e2e/installation.ts";
import { base, createDeadLetters, get, HOSTILE, open, put, send, writeToOutbox } from "./support.ts";

const VIEWS = [
  "",
  "/notifications",
  "/dead-letters",
  "/rejected",
  "/users",
  "/users/demo/alice",
  "/tenants",
  "/tenants/demo",
  "/audit",
];

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])).toEqual([]);
}

test("one click signs in to the demo, and signing out forgets the token", async ({ page }) => {
  await page.goto(`${base()}/console`);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Sign in to the demo" }).click();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Operator token")).toBeVisible();
  expect(await page.evaluate(() => sessionStorage.length + localStorage.length)).toBe(0);
});

test("a malformed token, or one of another kind, is refused with a message", async ({ page }) => {
  await page.goto(`${base()}/console`);
  const field = page.getByLabel("Operator token");
  await field.fill("rubbish");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("not a token");
  const claims = { aud: "carillon:operator", sub: "x", tenant: "*", exp: Date.now() / 1000 + 60 };
  await field.fill(`e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.forged`);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("status")).toContainText("session has ended");
});

test("hostile titles and messages are shown as text, everywhere", async ({ page }) => {
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  for (const text of HOSTILE) {
    const id = await send(["mallory"], text, {
      message: text,
      data: { [text.slice(0, 20)]: text },
      channels: ["in_app"],
    });
    await open(page, `/notifications/${id}?tenant=demo`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(text);
    await expect(page.locator(".message")).toHaveText(text);
    await page.getByText(/^Data/).click();
  }
  for (const path of ["/notifications?tenant=demo", "/users/demo/mallory"]) {
    await open(page, path);
    for (const text of HOSTILE) await expect(page.getByRole("link", { name: text, exact: true }).first()).toBeVisible();
    expect(await page.title()).toContain("Carillon console");
    expect(await page.locator("main img, main svg, main script").count()).toBe(0);
  }
  expect(errors).toEqual([]);
});

test("every view is accessible, light and wide, dark and narrow", async ({ page }) => {
  const id = await send(["alice", "bob"], "An accessibility check", { data: { a: 1 } });
  for (const [colorScheme, width] of [
    ["light", 1280],
    ["dark", 390],
  ] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 860 });
    for (const view of [...VIEWS, `/notifications/${id}`]) {
      await open(page, `${view}?tenant=demo`);
      await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
      await expectAccessible(page);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wider, `${view} at ${width}`).toBeLessThanOrEqual(0);
      const links = page.getByRole("navigation", { name: "Views" }).getByRole("link");
      const ends = await links.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().right));
      expect(Math.max(...ends), `navigation at ${width}`).toBeLessThanOrEqual(width);
    }
  }
});

test("a search finds by title, filter and ID, and its address can be reloaded", async ({ page }) => {
  const id = await send(["erin"], "A needle in the haystack", { priority: "high", category: "sewing" });
  await open(page, "/notifications?tenant=demo");
  await page.getByRole("searchbox", { name: /Search/ }).fill("NEEDLE");
  await expect(page.getByRole("link", { name: "A needle in the haystack" })).toBeVisible();
  await expect(page).toHaveURL(/q=NEEDLE/);
  await page.getByLabel("Priority").selectOption("low");
  await expect(page.getByText("Nothing found")).toBeVisible();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("button", { name: "More filters" }).click();
  await page.getByLabel("Category").fill("sewing");
  await page.getByLabel("User").fill("erin");
  await expect(page).toHaveURL(/category=sewing&user=erin/);
  await expect(page.getByRole("link", { name: "A needle in the haystack" })).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("Category")).toHaveValue("sewing");
  await expect(page.getByRole("link", { name: "A needle in the haystack" })).toBeVisible();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("searchbox", { name: /Search/ }).fill(id);
  await expect(page.getByRole("row")).toHaveCount(2);
});

test("a notification shows every attempt, and is recalled after a confirmation", async ({ page }) => {
  await put("/v1/users/frank", { email: "down9-frank@example.test" });
  const id = await send(["frank"], "To be recalled", { channels: ["in_app", "email"] });
  await open(page, `/notifications/${id}?tenant=demo`);
  await expect(page.getByText("Attempt 1 failed: provider down")).toBeVisible();
  await expect(page.getByText("Next attempt")).toBeVisible();
  await page.getByRole("button", { name: "Recall" }).click();
  const question = page.getByRole("dialog");
  await expect(question).toContainText("cannot be undone");
  await page.keyboard.press("Escape");
  await expect(question).toBeHidden();
  await expect(page.getByRole("button", { name: "Recall" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expectAccessible(page);
  await question.getByRole("button", { name: "Recall" }).click();
  await expect(page.locator(".facts").getByText("recalled")).toBeVisible();
  await expect(page.locator(".deliveries").getByText("cancelled").first()).toBeVisible();
});

test("a thousand dead letters are sent again with progress, and can be stopped", async ({ page }) => {
  test.slow();
  await createDeadLetters(1000, "mass");
  await open(page, "/dead-letters?tenant=demo");
  const row = page.getByRole("row", { name: /Bad request/i }).filter({ hasText: "Email" });
  await expect(row).toContainText("1,000");

  // Each batch waits until the test releases it, so that the test can stop between two of them.
  let release: () => void = () => {};
  const steps: number[] = [];
  await page.route("**/v1/dead-letters/redrive", async (route) => {
    await new Promise<void>((go) => (release = go));
    const answer = await route.fetch();
    steps.push((await answer.json()).redriven);
    await route.fulfill({ response: answer });
  });
  await row.getByRole("button", { name: /Send again/ }).click();
  await expect(page.getByRole("dialog")).toContainText("1,000 dead letters");
  await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
  const bar = page.getByRole("progressbar");
  await expect(bar).toHaveAttribute("max", "1000");
  const until = async (done: number) => {
    await expect(async () => {
      release();
      await expect(bar).toHaveJSProperty("value", done, { timeout: 300 });
    }).toPass();
  };
  await until(200);
  await until(400);
  await expectAccessible(page);
  // It continues while the operator uses other views.
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  release();
  await expect(page.getByRole("region", { name: "Sending again" })).toContainText("Stopped");
  const done = steps.reduce((sum, one) => sum + one, 0);
  expect(done).toBeGreaterThanOrEqual(400);
  expect(done).toBeLessThan(1000);
  await expect(page.getByRole("region", { name: "Sending again" })).toContainText(`${done} dead letters sent again`);

  // Those that were sent again are refused again, and the next time all are sent to the end.
  await page.unroute("**/v1/dead-letters/redrive");
  await page.getByRole("link", { name: "Dead letters", exact: true }).first().click();
  await expect(row).toContainText("1,000", { timeout: 60_000 });
  await row.getByRole("button", { name: /Send again/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
  const region = page.getByRole("region", { name: "Sending again" });
  await expect(region).toContainText("Done");
  await expect(region).toContainText("1,000 dead letters sent again");
  await expect(region).toContainText("1,000 dead again", { timeout: 60_000 });
  const redrive = await region.locator("code").textContent();
  expect((await get(`/v1/redrives/${redrive}`)).outcomes[0]).toMatchObject({ state: "dead", number: 1000 });
});

test("a dead letter that sending again would not help has no button", async ({ page }) => {
  const id = await createDeadLetters(3, "lost", "gone");
  await open(page, `/notifications/${id}?tenant=demo`);
  await expect(page.getByRole("region", { name: /Not delivered/ })).toContainText("No such mailbox");
  await expect(page.getByRole("button", { name: /again/ })).toHaveCount(0);
  await open(page, "/dead-letters?tenant=demo");
  const row = page.getByRole("row", { name: /Address gone/i }).filter({ hasText: "Email" });
  await expect(row).toContainText("address gone");
  await expect(row.getByRole("button")).toHaveCount(0);
});

test("a recalled notification does not show that it was sent", async ({ page }) => {
  const id = await send(["hank"], "To be taken back", { channels: ["in_app"] });
  await eventually(async () => (await get(`/v1/notifications/${id}`)).deliveries?.in_app?.sent === 1);
  await open(page, `/notifications/${id}?tenant=demo`);
  await page.getByRole("button", { name: "Recall" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Recall" }).click();
  const progress = page.getByRole("region", { name: "Progress by channel" });
  await expect(progress).toContainText("Sent before the recall");
  await expect(progress).toContainText(/Withdrawn\s*1\s*100 %/);
  await open(page, "/users/demo/hank");
  await expect(page.getByRole("region", { name: /What became/ })).toContainText("withdrawal");
  await open(page, "/audit");
  await expect(page.getByText("notification.recall").first()).toBeVisible();
});

test("a row of the outbox that is rejected is listed with the reason", async ({ page }) => {
  const id = writeToOutbox("notification", { audience: { users: ["alice"] }, title: "", message: "No title" });
  await eventually(async () => JSON.stringify(await get("/v1/outbox/rejected")).includes(id));
  await open(page, "/rejected?tenant=demo");
  await page.getByText("Notification", { exact: true }).first().click();
  await expect(page.getByText(id)).toBeVisible();
  await expect(page.locator("dt", { hasText: "title" })).toBeVisible();
  await expect(page.locator("details[open] pre")).toContainText("No title");
});

test("a key is shown once, copied, and revoked", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(page, "/tenants");
  await page.getByRole("button", { name: "New tenant" }).click();
  await page.getByLabel("Id").fill("nova");
  await page.getByLabel("Name").fill("Nova & Co");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("link", { name: "nova" }).click();
  await expect(page.getByText("No keys yet")).toBeVisible();
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByLabel("Name").fill("shop");
  await page.getByRole("button", { name: "Create key" }).click();
  const key = await page.getByRole("dialog").locator("code").textContent();
  expect(key).toMatch(/^ck_live_/);
  await page.getByRole("button", { name: "Copy the key" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key);
  await page.getByRole("button", { name: "I have stored it" }).click();
  await expect(page.getByText(String(key).slice(0, 16))).toBeVisible();
  expect(await page.content()).not.toContain(String(key));
  await page.getByRole("button", { name: /^Revoke/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText("revoked", { exact: true })).toBeVisible();
});

test("a tenant's page shows what was used by day", async ({ page }) => {
  await send(["ida"], "To be counted", { channels: ["in_app"] });
  const today = new Date().toISOString().slice(0, 10);
  const counted = () => get("/v1/usage").then(({ data }) => data[0]?.day === today && data[0]);
  const day = await eventually(async () => {
    const found = await counted();
    return found?.notifications > 0 && found?.deliveries.in_app?.sent > 0 && found;
  });
  await open(page, "/tenants/demo");
  const usage = page.getByRole("region", { name: "Usage by day" });
  await expect(usage.getByRole("row").nth(1)).toContainText(new Intl.NumberFormat("en").format(day.notifications));
  await expect(usage.getByRole("row").last()).toContainText("Total");
  await usage.getByLabel("Mode").selectOption("test");
  await expect(usage).toContainText("Nothing was used");
});

test("a tenant's page shows its quotas", async ({ page }) => {
  await open(page, "/tenants/demo");
  const quotas = page.getByRole("region", { name: "Quotas" });
  const { data } = await get("/v1/operator/tenants/demo/quotas");
  const [users] = data;
  expect(users.used).toBeGreaterThan(0);
  await expect(quotas.getByRole("row", { name: /^Users/ })).toContainText(
    new Intl.NumberFormat("en").format(users.used),
  );
  await expect(quotas.getByRole("row", { name: /^Recipients per day/ })).toContainText("10,000,000");
});

test("the page of a user shows how to reach them", async ({ page }) => {
  await put("/v1/users/grace", { email: "grace@example.test" });
  await open(page, "/users?tenant=demo");
  await page.getByRole("searchbox", { name: /Search/ }).fill("grac");
  await page.getByRole("link", { name: "grace" }).click();
  const reach = page.getByRole("region", { name: /would be sent/ });
  await expect(reach.getByRole("listitem").filter({ hasText: "Email" })).toContainText("grace@example.test");
  await expect(reach.getByRole("listitem").filter({ hasText: "Push" })).toContainText("Not reachable: no device");
});

test("the page of a user says why an email address is disabled, and enables it", async ({ page }) => {
  const email = "gone-iris@example.test";
  await put("/v1/users/iris", { email });
  await send(["iris"], "To nobody", { channels: ["email"] });
  await eventually(async () => (await get("/v1/users/iris")).email_disabled_at, 80_000);
  // A service that sends its list of users again changes nothing.
  await put("/v1/users/iris", { email });
  await open(page, "/users?tenant=demo&q=iris");
  await expect(page.getByRole("row", { name: "iris" })).toContainText("disabled");
  await page.getByRole("link", { name: "iris" }).click();
  const details = page.getByRole("region", { name: "Details" });
  await expect(details).toContainText(/Disabled since .*: 550 /);
  await expect(page.getByRole("region", { name: /would be sent/ })).toContainText("the mailbox is disabled: 550");
  await details.getByRole("button", { name: "Use again" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Use again" }).click();
  await expect(details).not.toContainText("Disabled");
  await expect(page.getByRole("region", { name: /would be sent/ })).toContainText(email);
  await open(page, "/audit");
  await expect(page.getByText("email.enable").first()).toBeVisible();
});

test("the keyboard alone gets to the content and through the views", async ({ page }) => {
  await open(page);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
  await page.getByRole("link", { name: "Users" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Users" })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
});

test("a failed request is reported and can be repeated", async ({ page }) => {
  await page.route(/v1\/notifications/, (route) => route.abort());
  await open(page, "/notifications?tenant=demo");
  await expect(page.getByRole("alert")).toContainText("does not answer");
  await page.unroute(/v1\/notifications/);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("alert")).toHaveCount(0);
});
