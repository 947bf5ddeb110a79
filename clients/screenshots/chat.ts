/** The page at /chat, for docs/screens. */

import { resolve } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { request } from "../e2e/installation.ts";
import { section, signIn, url } from "../pages/e2e/support.ts";

const SCREENS = resolve(import.meta.dirname, "../../docs/screens");

const field = (page: Page) => page.getByRole("textbox", { name: "Message" });

async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press("Enter");
  await expect(page.getByText("Sending…")).toHaveCount(0);
}

let groups = 1;

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 390]) {
    test(`${width} pixels, ${colorScheme}`, async ({ browser }) => {
      const look = { colorScheme, viewport: { width, height: width > 1000 ? 800 : 844 } };
      const picture = (name: string) => resolve(SCREENS, `${name}-${width}-${colorScheme}.png`);
      const [alice, bob, carol] = [
        await signIn(browser, "Alice", look, "/chat"),
        await signIn(browser, "Bob", {}, "/chat"),
        await signIn(browser, "Carol", {}, "/chat"),
      ];
      groups += 1;
      const name = `Release 4.${groups}`;
      const participants = ["alice", "bob", "carol"];
      const { id } = await request("/v1/conversations", { type: "group", name, participants, created_by: "alice" });
      for (const page of [alice, bob, carol]) await page.goto(url(`/chat#${id}`));
      await say(bob, "The build is on staging: https://staging.example/builds/421");
      await say(carol, "Thank you! I will go through the checkout this afternoon.");
      await carol.getByRole("combobox", { name: /^To/ }).selectOption("Only Alice");
      await say(carol, "Between us: the demo has moved to Thursday.");
      await say(alice, "@bob, could you look at the page for payments once more?");
      const question = bob.getByRole("log").getByRole("listitem").filter({ hasText: "could you look" });
      await question.getByRole("button", { name: "Reply" }).press("Enter");
      await say(bob, "It was the currency. Fixed.");
      await say(alice, "Great, then we ship it tomorrow.");
      await expect(alice.getByText("Read by everyone")).toBeVisible();
      await request(`/v1/conversations/${id}/messages`, { content: "Build 422 has passed all tests." });
      await section(bob, "Conversations")
        .getByRole("link", { name: /^Alice\b/ })
        .first()
        .click();
      await expect(bob.getByRole("heading", { name: "Alice" })).toBeVisible();
      await say(bob, "Have you seen the new numbers?");
      await field(carol).pressSequentially("I am ");
      await expect(alice.getByText("Carol is typing")).toBeVisible();
      await alice.screenshot({ path: picture("chat") });
      await alice.getByRole("button", { name: "Details" }).click();
      await alice.waitForTimeout(300);
      await alice.screenshot({ path: picture("chat-details") });
      await alice.keyboard.press("Escape");
      if (width > 1000) return;
      await alice.getByRole("button", { name: "Back to the conversations" }).click();
      await alice.waitForTimeout(300);
      await alice.screenshot({ path: picture("chat-conversations") });
    });
  }
}
