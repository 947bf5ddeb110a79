/** Every view of the console, for docs/screens. */

import { resolve } from "node:path";
import { expect, test } from "@playwright/test";
import {
  base,
  createDeadLetters,
  get,
  notify,
  open,
  operator,
  put,
  send,
  writeToOutbox,
} from "../console/e2e/support.ts";

const SCREENS = resolve(import.meta.dirname, "../../docs/screens");
/** Seconds of traffic before the first picture, so that the charts have data. */
const TRAFFIC = 240;
const NAMES = [
  "nora",
  "jonas",
  "li-wei",
  "amara",
  "piotr",
  "ines",
  "tomas",
  "yuki",
  "fatima",
  "oleg",
  "greta",
  "mateo",
];
const PAGES = ["alice", "bob", "carol"];
const SHIPPED: [string, object] = [
  "Your order has shipped",
  {
    message: "Parcel 4711 left the warehouse in Graz. It arrives on Tuesday.",
    type: "orders:order_updated",
    category: "orders",
    reference: "order 4711",
    data: { order_id: "4711", status: "shipped", carrier: "Post" },
    url: "https://shop.example.test/orders/4711",
  },
];
const SAMPLES: [string, object][] = [
  SHIPPED,
  ["Invoice 2026-118 is due", { message: "€ 84.20 until 30 November.", category: "billing", priority: "high" }],
  ["Nora mentioned you", { message: "“@jonas could you look at the wording?”", category: "comments" }],
  [
    "New sign-in from Vienna",
    { message: "If this was not you, end all sessions.", category: "security", priority: "critical" },
  ],
  ["Pump 3 lost pressure", { message: "2.1 bar at 04:12, expected 3.5.", category: "operations", priority: "high" }],
  ["Your weekly summary", { message: "12 orders, 3 returns, 1 question.", category: "news", priority: "low" }],
  [
    "Tom & Jerry <b>liked</b> your photo",
    { message: "Names and titles are text here, whatever is in them.", category: "comments" },
  ],
];

test("pictures of every view", async ({ browser }) => {
  test.setTimeout(600_000);
  for (const name of NAMES) {
    await put(`/v1/users/${name}`, { email: `${name}@example.test`, locale: name.length % 2 ? "de" : "en" });
    await put(`/v1/users/${name}/devices`, { token: `${name}-phone`, platform: name.length % 2 ? "ios" : "android" });
  }
  await put("/v1/users/nora/devices", { token: "gone-noras-old-phone", platform: "android" });
  await put("/v1/users/petra", { email: "down2-petra@example.test" });
  await put("/v1/topics/product-news/members", { users: ["nora", "jonas"] });
  for (const name of ["Alice", "Bob", "Carol"]) {
    const inbox = await (await browser.newContext()).newPage();
    await inbox.goto(base());
    await inbox.getByRole("button", { name }).click();
    await expect(inbox.getByText("Live", { exact: true })).toBeVisible();
  }
  await createDeadLetters(240, "moved");
  await notify({
    audience: { users: Array.from({ length: 60 }, (_, n) => ({ id: `full-${n}`, email: `full-${n}@example.test` })) },
    channels: ["in_app", "email"],
    title: "Planned maintenance on Sunday",
    message: "We are away from 02:00 to 02:30 UTC.",
    category: "operations",
    priority: "bulk",
  });
  const end = Date.now() + TRAFFIC * 1000;
  for (let turn = 0; Date.now() < end; turn++) {
    const [title, more] = SAMPLES[turn % SAMPLES.length] ?? SHIPPED;
    const others = NAMES.filter((_, n) => (n * 7 + turn) % 5 < 2);
    await send([...PAGES, ...others], title, more);
    await new Promise((later) => setTimeout(later, 300 + 250 * Math.sin(turn / 12)));
  }
  await notify({
    audience: { users: ["petra", "nora", "alice"] },
    title: SHIPPED[0],
    ...SHIPPED[1],
  });
  writeToOutbox("notification", { audience: { users: ["nora"] }, title: "", message: "Your parcel has arrived." });
  writeToOutbox("event", { audience: { tenant: true }, type: "invoice:paid", data: { invoice: "2026-118" } });
  const token = await operator();
  const tenant = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  for (const [id, name] of [
    ["harbour", "Harbour Logistics"],
    ["nova", "Nova & Co"],
  ]) {
    await fetch(`${base()}/v1/operator/tenants`, {
      method: "POST",
      headers: tenant,
      body: JSON.stringify({ id, name }),
    });
  }
  const shipped = (await get("/v1/notifications?q=shipped&limit=1")).data[0].id;
  const bulk = (await get("/v1/notifications?q=maintenance&limit=1")).data[0].id;
  const views: [string, string][] = [
    ["overview", "?minutes=5"],
    ["notifications", "/notifications?tenant=demo"],
    ["notification", `/notifications/${shipped}?tenant=demo`],
    ["notification-dead", `/notifications/${bulk}?tenant=demo`],
    ["dead-letters", "/dead-letters?tenant=demo&failure=bad_request&channel=email"],
    ["users", "/users?tenant=demo"],
    ["user", "/users/demo/nora?tenant=demo"],
    ["tenants", "/tenants"],
    ["keys", "/tenants/demo"],
    ["audit", "/audit"],
    ["rejected", "/rejected?tenant=demo"],
  ];
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 390]) {
      const picture = (name: string) => resolve(SCREENS, `console-${name}-${width}-${colorScheme}.png`);
      const context = await browser.newContext({ colorScheme, viewport: { width, height: width > 1000 ? 900 : 844 } });
      const page = await context.newPage();
      await page.goto(`${base()}/console`);
      await expect(page.getByLabel("Operator token")).toBeVisible();
      await page.screenshot({ path: picture("sign-in") });
      for (const [name, path] of views) {
        await open(page, path);
        await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
        await page.waitForTimeout(300);
        const attempt = page.locator(".deliveries details", { hasText: name === "notification" ? "petra" : "moved" });
        if (name === "notification") await attempt.filter({ hasText: "Email" }).locator("summary").click();
        if (name === "dead-letters") await attempt.first().locator("summary").click();
        if (name.startsWith("notification-")) await page.getByLabel("State").selectOption("dead");
        await page.waitForTimeout(300);
        await page.screenshot({ path: picture(name) });
      }
      await open(page, "/dead-letters?tenant=demo");
      // Only the first batch is answered.
      let steps = 0;
      await page.route("**/v1/dead-letters/redrive", async (route) => {
        if (steps++ === 0) await route.fulfill({ json: { id: "", redriven: 60, not_redriven: {}, remaining: true } });
      });
      await page.getByRole("button", { name: /^Send again: bad request, Email/ }).click();
      await page.screenshot({ path: picture("question") });
      await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
      await expect(page.getByRole("progressbar")).toHaveJSProperty("value", 60);
      await page.screenshot({ path: picture("progress") });
      await context.close();
    }
  }
});
