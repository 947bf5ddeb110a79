import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { type BrowserContext, expect, type Page, test } from "@playwright/test";
import { eventually, inbox, newUser, notify, port, request, token } from "../../e2e/installation.ts";
import { NetworkProxy } from "./proxy.ts";
import { type SiteOptions, serve, watchRings } from "./site.ts";

let proxy: NetworkProxy;
let user: string;

test.beforeEach(async () => {
  proxy = await NetworkProxy.start();
  user = newUser();
});

test.afterEach(() => proxy.close());

/** A page of the site, with a bell that is connected. */
async function visit(context: BrowserContext, options: SiteOptions = {}): Promise<Page> {
  serve(proxy, user, options);
  const page = await context.newPage();
  await page.goto(`${proxy.url}/site`);
  await state(page, "live");
  return page;
}

const bell = (page: Page) =>
  page
    .locator("carillon-bell")
    .getByRole("button", { name: /Notifications/ })
    .first();
const badge = (page: Page) => page.locator("carillon-bell .badge");
const panel = (page: Page) => page.getByRole("dialog", { name: "Notifications" });
const items = (page: Page) => panel(page).getByRole("article");
const titles = (page: Page) =>
  items(page)
    .locator("h3")
    .evaluateAll((all) => all.map((h) => h.lastChild?.textContent));

async function state(page: Page, wanted: string) {
  await expect
    .poll(() => page.evaluate(() => document.querySelector("carillon-bell")?.client?.state), { timeout: 30_000 })
    .toBe(wanted);
}

test("a new notification is counted, shown first and announced", async ({ context }) => {
  const page = await visit(context);
  await expect(badge(page)).toBeHidden();
  await notify(user, "First");
  await expect(badge(page)).toHaveText("1");
  await expect(page.getByRole("status").filter({ hasText: "New notification: First" })).toBeAttached();
  await notify(user, "Second");
  await expect(bell(page)).toHaveAccessibleName("Notifications, 2 unread");
  await bell(page).click();
  await expect(items(page)).toHaveCount(2);
  await notify(user, "Third");
  await expect.poll(() => titles(page)).toEqual(["Third", "Second", "First"]);
});

test("the lines of the README are all that a page needs", async ({ context }) => {
  const readme = readFileSync(resolve(import.meta.dirname, "../README.md"), "utf8");
  const lines = /```html\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const body = lines.replaceAll("https://carillon.example", `http://127.0.0.1:${port()}`).replace("…", token(user));
  proxy.pages.set("/pasted", { type: "text/html; charset=utf-8", body });
  const page = await context.newPage();
  await page.goto(`${proxy.url}/pasted`);
  await state(page, "live");
  await notify(user, "First");
  await expect(badge(page)).toHaveText("1");
});

test("two tabs, one socket, one sound", async ({ context }) => {
  const sockets: string[] = [];
  context.on("page", (page) => page.on("websocket", (socket) => sockets.push(socket.url())));
  const [one, two] = [await visit(context), await visit(context)];
  const rings = [await watchRings(one), await watchRings(two)];
  for (const page of [one, two]) {
    await page.reload();
    await state(page, "live");
    // Browsers play sounds only after an interaction.
    await page.mouse.click(500, 500);
  }
  const before = sockets.length;
  await notify(user, "Ding");
  for (const page of [one, two]) await expect(badge(page)).toHaveText("1");
  const rung = async () => (await Promise.all(rings.map((count) => count()))).reduce((a, b) => a + b);
  await expect.poll(rung).toBe(1);
  await one.waitForTimeout(500);
  expect(await rung()).toBe(1);
  expect(sockets.length).toBe(before);
});

test("the sound setting is kept", async ({ context }) => {
  const page = await visit(context);
  const rings = await watchRings(page);
  await page.reload();
  await bell(page).click();
  await panel(page).getByRole("button", { name: "Sound on" }).click();
  await expect(panel(page).getByRole("button", { name: "Sound off" })).toBeFocused();
  await page.reload();
  await state(page, "live");
  await page.mouse.click(500, 500);
  await notify(user, "Hush");
  await expect(badge(page)).toHaveText("1");
  await page.waitForTimeout(400);
  expect(await rings()).toBe(0);
});

test("a cut connection loses nothing and repeats nothing", async ({ context }) => {
  const page = await visit(context);
  await bell(page).click();
  await notify(user, "n1");
  await expect(items(page)).toHaveCount(1);
  proxy.cut("nothing");
  await state(page, "offline");
  await expect(panel(page).getByText("The notification server cannot be reached.")).toBeVisible();
  for (const n of [2, 3, 4]) await notify(user, `n${n}`);
  proxy.restore();
  await state(page, "live");
  await notify(user, "n5");
  await expect.poll(() => titles(page)).toEqual(["n5", "n4", "n3", "n2", "n1"]);
  await expect(badge(page)).toHaveText("5");
});

test("without sockets it polls, and returns to a socket when possible", async ({ context }) => {
  const page = await visit(context);
  const received: string[] = [];
  await page.exposeFunction("received", (title: string) => received.push(title));
  await page.evaluate(() => {
    const { received } = window as unknown as { received(title: string): void };
    document.querySelector("carillon-bell")?.client?.on("notification:new", ({ title }) => received(title));
  });
  await notify(user, "n1");
  proxy.cut("http");
  await notify(user, "n2");
  await state(page, "polling");
  await expect.poll(() => received).toEqual(["n1", "n2"]);
  proxy.restore();
  await state(page, "live");
  await notify(user, "n3");
  await expect.poll(() => received).toEqual(["n1", "n2", "n3"]);
});

test("reading and archiving applies to other browsers of the user", async ({ context, browser }) => {
  await notify(user, "One");
  await notify(user, "Two");
  const here = await visit(context);
  const elsewhere = await browser.newContext();
  const there = await visit(elsewhere);
  await bell(here).click();
  await bell(there).click();
  await expect(badge(there)).toHaveText("2");
  await items(here).first().hover();
  await items(here).first().getByRole("button", { name: "Mark as read" }).click();
  await expect(badge(there)).toHaveText("1");
  await expect(
    items(there).first().getByRole("button", { name: "Mark as unread", includeHidden: true }),
  ).toBeAttached();
  await items(here).first().getByRole("button", { name: "Archive" }).click();
  await expect.poll(() => titles(there)).toEqual(["One"]);
  await panel(there).getByRole("button", { name: "Mark all as read" }).click();
  await expect(badge(here)).toBeHidden();
  await panel(here).getByRole("button", { name: "Archived" }).click();
  await expect.poll(() => titles(here)).toEqual(["Two"]);
  await elsewhere.close();
});

test("texts are shown as text, whatever they contain", async ({ context }) => {
  const corpus = [
    "<script>window.ran = 1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg/onload=window.ran=1>",
    '"><iframe srcdoc="<script>parent.ran=1</script>">',
    "</h3></article><style>*{display:none}</style>",
    "{{constructor.constructor('window.ran=1')()}}",
    "&lt;b&gt;&amp;#60;b&#62;",
    "javascript:window.ran=1",
  ];
  for (const text of corpus) await notify(user, text, { message: text, category: "c", data: { html: text } });
  const page = await visit(context);
  await bell(page).click();
  await expect(items(page)).toHaveCount(corpus.length);
  expect(await titles(page)).toEqual([...corpus].reverse());
  await notify(user, corpus[1] ?? "", { message: corpus[0] });
  await expect(items(page)).toHaveCount(corpus.length + 1);
  const made = await page.evaluate(() => {
    const root = document.querySelector("carillon-bell")?.shadowRoot;
    return [
      (window as unknown as { ran?: number }).ran,
      root?.querySelectorAll("script, img, iframe, style, b, [onload], [onerror]").length,
    ];
  });
  expect(made).toEqual([undefined, 0]);
});

test("links lead to pages and email addresses only", async ({ context }) => {
  const page = await visit(context);
  // The server refuses other links. The client does not rely on that.
  const links = await page.evaluate(() => {
    const urls = [
      "https://a.test/x",
      "/orders/1",
      "mailto:a@b.test",
      "javascript:alert(1)",
      " JaVaScRiPt:alert(1)",
      "data:text/html,x",
      "vbscript:x",
      "blob:x",
    ];
    const element = document.querySelector("carillon-bell");
    const base = {
      message: "m",
      level: "info",
      category: null,
      type: "t",
      data: {},
      seq: 1,
      created_at: new Date().toISOString(),
      expires_at: "",
    };
    const client = element?.client as unknown as { inbox: { list: unknown } };
    client.inbox.list = async () => ({
      data: urls.map((url, n) => ({ ...base, id: String(n), title: url, url, read: true })),
      page: { next: null, has_more: false },
    });
    element?.show();
    const feed = [...(element?.shadowRoot?.querySelectorAll<HTMLButtonElement>(".filters button") ?? [])];
    feed[1]?.click();
    return new Promise<(string | undefined)[]>((resolve) =>
      setTimeout(
        () =>
          resolve(
            [...(element?.shadowRoot?.querySelectorAll("article") ?? [])].map((one) => one.querySelector("a")?.href),
          ),
        500,
      ),
    );
  });
  expect(links).toEqual([
    "https://a.test/x",
    `${proxy.url}/orders/1`,
    "mailto:a@b.test",
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("the keyboard does everything", async ({ context }) => {
  for (const n of [1, 2, 3]) await notify(user, `n${n}`);
  const page = await visit(context);
  await bell(page).focus();
  await page.keyboard.press("Enter");
  await expect(items(page).first()).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(items(page).nth(1)).toBeFocused();
  await page.keyboard.press("End");
  await expect(items(page).nth(2)).toBeFocused();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await expect(badge(page)).toHaveText("2");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  await expect(items(page).nth(1).getByRole("button", { name: "Mark as read" })).toBeFocused();
  await page.keyboard.press("Space");
  await expect(items(page).nth(1).getByRole("button", { name: "Mark as unread" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Delete");
  await expect.poll(() => titles(page)).toEqual(["n3", "n1"]);
  await expect(items(page).nth(1)).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(panel(page)).toBeHidden();
  await expect(bell(page)).toBeFocused();
  await expect(bell(page)).toHaveAttribute("aria-expanded", "false");
});

test("the panel closes when the focus or the pointer goes elsewhere", async ({ context }) => {
  const page = await visit(context);
  await bell(page).click();
  await expect(panel(page)).toBeVisible();
  await page.locator("#other").focus();
  await expect(panel(page)).toBeHidden();
  await bell(page).click();
  await page.mouse.click(300, 500);
  await expect(panel(page)).toBeHidden();
});

for (const scheme of ["light", "dark"] as const) {
  test(`the bell is accessible, ${scheme}`, async ({ browser }) => {
    const levels = ["info", "success", "warning", "error", "critical"];
    const context = await browser.newContext({ colorScheme: scheme, reducedMotion: "reduce" });
    const page = await visit(context);
    const check = async () => {
      const { violations } = await new AxeBuilder({ page }).include("carillon-bell").analyze();
      expect(
        violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => [html, failureSummary])]),
      ).toEqual([]);
    };
    await check();
    await bell(page).click();
    await expect(panel(page).getByText("No notifications")).toBeVisible();
    await check();
    for (const level of levels) await notify(user, `A title, ${level}`, { level, category: "news" });
    await expect(items(page)).toHaveCount(5);
    await items(page).first().getByRole("button", { name: "Mark as read" }).click();
    await check();
    await page.keyboard.press("Escape");
    await notify(user, "A toast", { level: "warning", url: "https://example.test/" });
    await expect(page.locator(".toast")).toBeVisible();
    await check();
    proxy.cut("nothing");
    await state(page, "offline");
    await bell(page).click();
    await panel(page).getByRole("button", { name: "Unread", exact: true }).click();
    await expect(panel(page).getByRole("alert")).toContainText("could not be loaded");
    await check();
    await panel(page).getByRole("button", { name: "Try again" }).click();
    await expect(panel(page).getByRole("alert")).toContainText("could not be loaded");
    // The list is loaded automatically when the connection is back.
    proxy.restore();
    await state(page, "live");
    await expect(items(page)).not.toHaveCount(0);
    await context.close();
  });
}

test("the leading tab can be closed", async ({ context }) => {
  const [first, second, third] = [await visit(context), await visit(context), await visit(context)];
  await first.close();
  for (const n of [1, 2, 3]) await notify(user, `n${n}`);
  for (const page of [second, third]) {
    await expect(badge(page)).toHaveText("3");
    await state(page, "live");
  }
});

test("the layout is mirrored for languages written from right to left", async ({ context }) => {
  await notify(user, "مرحبا");
  await notify(user, "In English", { message: "Short." });
  const page = await visit(context, { attributes: 'lang="ar"' });
  await page.getByRole("button", { name: "الإشعارات، 2 غير مقروءة" }).or(page.locator("carillon-bell .bell")).click();
  const box = async (selector: string) =>
    (await page.locator(`carillon-bell ${selector}`).first().boundingBox()) ?? { x: 0, width: 0 };
  expect((await box("article .level")).x).toBeGreaterThan((await box("article h3")).x);
  expect((await box(".badge")).x + 9).toBeLessThan((await box(".bell")).x + 20);
  // A text of the other direction is aligned like the others, and keeps its own direction.
  const ends = await page
    .locator("carillon-bell p bdi")
    .evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().right)));
  expect(new Set(ends).size).toBe(1);
  const shown = await box(".panel");
  expect(shown.x).toBeGreaterThanOrEqual(0);
  expect(shown.x + shown.width).toBeLessThanOrEqual(1000);
  await expect(page.locator("carillon-bell h2")).toHaveText("الإشعارات");
});

test("the theme follows the system unless the page sets one", async ({ browser }) => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await visit(context);
  await bell(page).click();
  const surface = () => panel(page).evaluate((element) => getComputedStyle(element).backgroundColor);
  expect(await surface()).toBe("rgb(27, 29, 34)");
  await page.evaluate(() => document.querySelector("carillon-bell")?.setAttribute("theme", "light"));
  expect(await surface()).toBe("rgb(255, 255, 255)");
  await context.close();
});

test("the list loads more as it is scrolled, and is filtered by category", async ({ context }) => {
  test.slow();
  for (let n = 1; n <= 70; n += 1) await notify(user, `n${n}`, { category: n % 10 ? "often" : "seldom" });
  await eventually(async () => (await inbox(user, "/counts")).unread === 70);
  const page = await visit(context);
  await expect(badge(page)).toHaveText("70");
  await bell(page).click();
  await expect(items(page)).toHaveCount(50);
  await items(page).last().scrollIntoViewIfNeeded();
  await expect(items(page)).toHaveCount(70);
  await panel(page).getByRole("button", { name: "seldom" }).click();
  await expect.poll(() => titles(page)).toEqual([70, 60, 50, 40, 30, 20, 10].map((n) => `n${n}`));
  await panel(page).getByRole("button", { name: "Mark all as read" }).click();
  await expect(badge(page)).toHaveText("63");
});

test("toasts disappear after a time, and stay if they are critical", async ({ context }) => {
  const page = await visit(context);
  await page.clock.install();
  await notify(user, "Mild");
  await notify(user, "Grave", { level: "critical" });
  await expect(page.locator(".toast")).toHaveCount(2);
  await page.clock.runFor(7_000);
  await expect(page.locator(".toast .title")).toHaveText(["Grave"]);
  await expect(page.getByRole("alert").filter({ hasText: "Grave" })).toBeAttached();
  await page.locator(".toast").getByRole("button", { name: "Dismiss" }).click();
  await expect(page.locator(".toast")).toHaveCount(0);
});

test("an alert rings the bell", async ({ context }) => {
  const page = await visit(context);
  await request("/v1/alerts", { title: "Disk almost full", message: "4 % left.", level: "critical" });
  await expect(page.locator(".toast .title")).toHaveText(["Disk almost full"]);
  await expect(page.getByRole("alert").filter({ hasText: "Disk almost full" })).toBeAttached();
});

test("critical toasts stay when others follow", async ({ context }) => {
  const page = await visit(context);
  await notify(user, "Grave", { level: "critical" });
  for (const n of [1, 2, 3, 4, 5]) await notify(user, `Mild ${n}`);
  const shown = page.locator(".toast .title");
  await expect(shown).toHaveText(["Grave", "Mild 4", "Mild 5"]);
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    await notify(user, `Grave ${n}`, { level: "critical" });
    // Two that are sent at once can arrive in any order.
    await expect(shown.last()).toHaveText(`Grave ${n}`);
  }
  await expect(shown).toHaveCount(10);
  // They do not leave the screen: the first one can be reached and dismissed.
  const first = page.locator(".toast").first();
  await first.getByRole("button", { name: "Dismiss" }).click();
  await expect(shown.first()).toHaveText("Grave 1");
});

test("the panel says why there is no connection", async ({ context }) => {
  serve(proxy, user, { seconds: -60 });
  const page = await context.newPage();
  await page.goto(`${proxy.url}/site`);
  await bell(page).click();
  await expect(panel(page).getByText("Sign in again")).toBeVisible();
  // A token of today, and no network.
  serve(proxy, user);
  await page.reload();
  await state(page, "live");
  await bell(page).click();
  await expect(panel(page).locator(".offline")).toBeHidden();
  await context.setOffline(true);
  proxy.cut("nothing");
  await expect(panel(page).getByText("You are offline.")).toBeVisible();
  // The network is back, but not the server.
  await context.setOffline(false);
  await expect(panel(page).getByText("cannot be reached")).toBeVisible();
  proxy.restore();
  await state(page, "live");
  await expect(panel(page).locator(".offline")).toBeHidden();
});

test("the panel says when the server does not allow the site", async ({ context }) => {
  // The same address by another name is another origin, which the server does not know.
  const site = proxy.url.replace("127.0.0.1", "site.localhost");
  serve(proxy, user, { server: proxy.url });
  const page = await context.newPage();
  await page.goto(`${site}/site`);
  await bell(page).click();
  await expect(panel(page).getByText(`does not allow ${site}.`)).toBeVisible();
  proxy.cut("nothing");
  await page.keyboard.press("Escape");
  await bell(page).click();
  await expect(panel(page).getByText("cannot be reached")).toBeVisible();
});

test("styles of the page do not change the bell", async ({ context }) => {
  const styled = (page: Page) =>
    page.evaluate(() => {
      const root = document.querySelector("carillon-bell")?.shadowRoot;
      const names = [
        ...["color", "font-family", "font-size", "font-style", "font-weight", "line-height", "letter-spacing"],
        ...["text-align", "text-transform", "text-indent", "white-space", "word-spacing", "direction", "cursor"],
      ];
      return ["h2", ".panel", ".filters button", ".note strong"].map((selector) => {
        const style = getComputedStyle(root?.querySelector(selector) as Element);
        return names.map((name) => [selector, name, style.getPropertyValue(name)]);
      });
    });
  const page = await visit(context);
  await bell(page).click();
  await expect(panel(page).getByText("No notifications")).toBeVisible();
  const plain = await styled(page);
  const styles = `nav, nav * { color: #fff; font: italic 700 40px/3 serif; letter-spacing: 9px; text-align: right;
    text-transform: uppercase; text-indent: 30px; white-space: nowrap; word-spacing: 9px; direction: rtl; cursor: wait }`;
  serve(proxy, user, { styles });
  await page.reload();
  await state(page, "live");
  await bell(page).click();
  await expect(panel(page).getByText("No notifications")).toBeVisible();
  expect(await styled(page)).toEqual(plain);
});

test("nothing is wider than the screen, at any width and wherever the bell is", async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 320, height: 568 } });
  const page = await visit(context, { styles: "nav { flex-wrap: wrap; padding: 0 }" });
  const long = "Donaudampfschifffahrtsgesellschaftskapitaensmuetze".repeat(3);
  const fits = async (width: number, where: string) => {
    const edges = await page.evaluate(() =>
      [
        ...(document
          .querySelector("carillon-bell")
          ?.shadowRoot?.querySelectorAll(".panel, .panel *, .toast, .toast *") ?? []),
      ]
        .filter((one) => !one.closest(".filters button, .visually-hidden"))
        .map((one) => one.getBoundingClientRect())
        .map(({ left, right }) => [left, right]),
    );
    expect(edges.length, where).toBeGreaterThan(5);
    expect(Math.min(...edges.map(([left]) => left ?? 0)), where).toBeGreaterThanOrEqual(0);
    expect(Math.max(...edges.map(([, right]) => right ?? 0)), where).toBeLessThanOrEqual(width);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), where).toBeLessThanOrEqual(width);
  };
  const everywhere = async (check: (width: number, where: string) => Promise<void>) => {
    for (const width of [320, 360, 480, 481, 540, 640, 720, 780, 1024]) {
      await page.setViewportSize({ width, height: 568 });
      for (const place of ["flex-start", "center", "flex-end"]) {
        await page.evaluate((to) => {
          const nav = document.querySelector("nav");
          if (nav) nav.style.justifyContent = to;
        }, place);
        await check(width, `${place} at ${width}`);
      }
    }
  };
  await notify(user, long, { message: long, level: "critical", category: long.slice(0, 60) });
  await expect(page.locator(".toast")).toBeVisible();
  await everywhere(fits);
  await page.locator(".toast .icon").click();
  const button = page.locator("carillon-bell .bell");
  for (const language of ["en", "ar"]) {
    await page.evaluate((to) => document.querySelector("carillon-bell")?.setAttribute("lang", to), language);
    await everywhere(async (width, where) => {
      await button.click();
      await expect(page.locator("carillon-bell article")).toHaveCount(1);
      await fits(width, `${language}: ${where}`);
      // On a phone, the panel covers the bell.
      await page.keyboard.press("Escape");
    });
  }
  // The window changes while the panel is open.
  await button.click();
  for (const width of [1024, 500, 320, 640]) {
    await page.setViewportSize({ width, height: 568 });
    await expect(() => fits(width, `resized to ${width}`)).toPass();
  }
  await context.close();
});

test("a page can handle the selection, and replace texts", async ({ context }) => {
  const { id } = await notify(user, "Choose me", { url: "https://example.test/" });
  const page = await visit(context);
  const chosen = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const element = document.querySelector("carillon-bell");
        if (element) element.labels = { title: "Notifications for you" };
        element?.addEventListener("carillon-open", (event) => {
          event.preventDefault();
          resolve((event as CustomEvent<{ id: string }>).detail.id);
        });
      }),
  );
  await page.getByRole("button", { name: "Notifications for you, 1 unread" }).click();
  await page.getByRole("link", { name: "Choose me" }).click();
  expect(await chosen).toBe(id);
  expect(page.url()).toBe(`${proxy.url}/site`);
  await expect(badge(page)).toBeHidden();
});

test("a notification deleted elsewhere disappears", async ({ context }) => {
  const { id } = await notify(user, "A mistake");
  const page = await visit(context);
  await bell(page).click();
  await expect(items(page)).toHaveCount(1);
  await page.evaluate((one) => document.querySelector("carillon-bell")?.client?.inbox.delete(one), id);
  await expect(panel(page).getByText("No notifications")).toBeVisible();
});
