import AxeBuilder from "@axe-core/playwright";
import { type Browser, type BrowserContextOptions, expect, type Page, test } from "@playwright/test";
import { request } from "../../e2e/installation.ts";
import { section, signIn } from "./support.ts";

const EVERYBODY = ["alice", "bob", "carol"];

let groups = 0;

/** A group of the three users that no other test uses. Alice owns it. */
async function group(): Promise<string> {
  groups += 1;
  const name = `Group ${Date.now().toString(36)}-${groups}`;
  await request("/v1/conversations", { type: "group", name, participants: EVERYBODY, created_by: "alice" });
  return name;
}

const chat = (browser: Browser, person: string, options: BrowserContextOptions = {}) =>
  signIn(browser, person, options, "/chat");
const entry = (page: Page, name: string) => section(page, "Conversations").getByRole("link", { name });
const field = (page: Page) => page.getByRole("textbox", { name: "Message" });
const message = (page: Page, text: string) =>
  page
    .getByRole("log")
    .getByRole("listitem")
    .filter({ has: page.locator(".text, .deleted").filter({ hasText: text }) });
const texts = (page: Page) => page.getByRole("log").locator(".text");

async function open(page: Page, name: string): Promise<Page> {
  await entry(page, name).click();
  await expect(page.getByRole("heading", { name })).toBeVisible();
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press("Enter");
}

test("two users talk: typing, receipts, reactions, replies, edits and deletions arrive at once", async ({
  browser,
}) => {
  const [alice, bob] = [await chat(browser, "Alice"), await chat(browser, "Bob")];
  const name = await group();
  await open(alice, name);
  await say(alice, "Is anybody here?");
  await expect(message(alice, "Is anybody here?")).toContainText(/Sent|Delivered/);
  await expect(entry(bob, name)).toContainText("1 unread");
  await open(bob, name);
  await expect(message(bob, "Is anybody here?")).toBeVisible();
  await expect(entry(bob, name)).not.toContainText("unread");
  await expect(message(alice, "Is anybody here?")).toContainText("Read by Bob");

  await field(bob).pressSequentially("Yes", { delay: 20 });
  await expect(alice.getByText("Bob is typing")).toBeVisible();
  await field(bob).press("Shift+Enter");
  await field(bob).pressSequentially("I am");
  await field(bob).press("Enter");
  await expect(message(alice, "Yes\nI am")).toBeVisible();
  await expect(alice.getByText("Bob is typing")).toBeHidden();

  // With keys alone: to the message, to its buttons, and what they open.
  await message(alice, "Yes").focus();
  await alice.keyboard.press("ArrowUp");
  await expect(message(alice, "Is anybody here?")).toBeFocused();
  await alice.keyboard.press("ArrowDown");
  await alice.keyboard.press("Tab");
  await expect(alice.getByRole("button", { name: "React" }).last()).toBeFocused();
  await alice.keyboard.press("Enter");
  await alice.getByRole("button", { name: "React with 👍" }).press("Enter");
  await expect(message(bob, "Yes").getByRole("button", { name: "👍 1" })).toBeVisible();
  await message(alice, "Yes").getByRole("button", { name: "Reply" }).press("Enter");
  await expect(field(alice)).toBeFocused();
  await say(alice, "Good.");
  await expect(message(bob, "Good.").locator(".quote")).toContainText("Bob Yes");

  await message(alice, "Good.").hover();
  await message(alice, "Good.").getByRole("button", { name: "Edit" }).click();
  await alice.getByRole("textbox", { name: "New text" }).fill("Very good.");
  await alice.getByRole("textbox", { name: "New text" }).press("Enter");
  await expect(message(bob, "Very good.")).toContainText("(edited)");
  await message(alice, "Very good.").getByRole("button", { name: "Delete" }).press("Enter");
  await message(alice, "Very good.").getByRole("button", { name: "Delete for everyone" }).press("Enter");
  await expect(message(bob, "This message was deleted.")).toBeVisible();
  await expect(message(bob, "Very good.")).toHaveCount(0);
});

test("a private message is seen by two", async ({ browser }) => {
  const pages = await Promise.all(EVERYBODY.map((person) => chat(browser, person[0]?.toUpperCase() + person.slice(1))));
  const [alice, bob, carol] = pages as [Page, Page, Page];
  const name = await group();
  for (const page of pages) await open(page, name);
  const word = `secret${Date.now().toString(36)}`;
  await alice.getByRole("combobox", { name: /^To/ }).selectOption("Only Bob");
  await say(alice, `The ${word} is out`);
  await alice.getByRole("combobox", { name: /^To/ }).selectOption("Everyone");
  await say(alice, "Hello, both");
  await expect(message(bob, word)).toContainText("Only you see this");
  await expect(message(alice, word)).toContainText("Only Bob sees this");
  await expect(message(carol, "Hello, both")).toBeVisible();
  await expect(message(carol, word)).toHaveCount(0);
});

test("messages that could not be sent survive a reload, and are sent once and in order", async ({ browser }) => {
  const [alice, bob] = [await chat(browser, "Alice"), await chat(browser, "Bob")];
  const name = await group();
  for (const page of [alice, bob]) await open(page, name);
  const isSending = (url: URL) => url.pathname.endsWith("/messages");
  // What is sent gets no answer, as when a phone has left its network.
  await alice.context().route(isSending, (route) => {
    if (route.request().method() !== "POST") return route.continue();
  });
  for (const text of ["one", "two", "three"]) await say(alice, text);
  await expect(message(alice, "three")).toContainText("Sending…");
  await alice.reload();
  for (const text of ["one", "two", "three"]) await expect(message(alice, text)).toContainText("Sending…");
  await alice.context().unrouteAll({ behavior: "ignoreErrors" });
  await alice.reload();
  await expect(texts(bob)).toHaveText(["one", "two", "three"]);
  await expect(texts(alice)).toHaveText(["one", "two", "three"]);
  await expect(message(alice, "three")).toContainText(/Sent|Delivered|Read by Bob/);
});

test("a conversation is begun, and a group is left", async ({ browser }) => {
  const [alice, carol] = [await chat(browser, "Alice"), await chat(browser, "Carol")];
  const name = `Trip ${Date.now().toString(36)}`;
  await alice.getByRole("button", { name: "New" }).click();
  await alice.getByRole("checkbox", { name: "Carol" }).check();
  await alice.getByLabel("Name of the group").fill(name);
  await alice.getByRole("button", { name: "Begin the group" }).click();
  await expect(alice.getByRole("heading", { name })).toBeVisible();
  await open(carol, name);
  await carol.getByRole("button", { name: "Details" }).click();
  await carol.getByRole("button", { name: "Leave the group" }).click();
  await expect(entry(carol, name)).toHaveCount(0);
  await expect(alice.getByText("1 member", { exact: true })).toBeVisible();
});

for (const [width, colorScheme] of [
  [1280, "light"],
  [390, "dark"],
] as const) {
  test(`the page is accessible and fits, ${width} pixels, ${colorScheme}`, async ({ browser }) => {
    const page = await chat(browser, "Alice", { colorScheme, viewport: { width, height: 844 } });
    const name = await group();
    const isFine = async () => {
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    };
    await expect(entry(page, name)).toBeVisible();
    await isFine();
    await open(page, name);
    await say(page, `A long word: ${"abcdefghij".repeat(20)}`);
    await page.getByRole("combobox", { name: /^To/ }).selectOption("Only Bob");
    await say(page, "https://shop.example/orders/1 is for you, @bob.");
    await expect(message(page, "is for you")).toContainText(/Sent|Delivered/);
    await message(page, "A long word").focus();
    await isFine();
    await page.getByRole("button", { name: "Details" }).click();
    await expect(page.getByRole("dialog").getByText("owner")).toBeVisible();
    await isFine();
    await page.keyboard.press("Escape");
    if (width < 1000) await page.getByRole("button", { name: "Back to the conversations" }).click();
    await page.getByRole("button", { name: "New" }).click();
    await isFine();
  });
}
