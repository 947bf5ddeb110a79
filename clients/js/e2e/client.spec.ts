/** The client in Node against a whole installation. */

import { expect, test } from "@playwright/test";
import { eventually, newUser, notify, request, token } from "../../e2e/installation.ts";
import type {} from "../src/dropins/window-ws.ts";
import { type ClientOptions, createClient, type Item } from "../src/index.ts";
import { NetworkProxy } from "./proxy.ts";

let proxy: NetworkProxy;
let user: string;
const stops: (() => void)[] = [];

test.beforeEach(async () => {
  proxy = await NetworkProxy.start();
  user = newUser();
});

test.afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  proxy.close();
});

async function start(options: Partial<ClientOptions> = {}, wanted = "live") {
  const client = createClient({ url: proxy.url, getToken: () => token(user), storage: null, ...options });
  stops.push(() => client.close());
  const received: string[] = [];
  const names: string[] = [];
  client.onAny((name, payload) => {
    if (!name.startsWith("notification") || !(payload as { title?: string }).title) return;
    names.push(name);
    received.push((payload as { title: string }).title);
  });
  await eventually(() => client.state === wanted);
  return { client, received, names };
}

test("all events arrive once and in order, despite interruptions", async () => {
  test.slow();
  const { client, received } = await start();
  const numbers: number[] = [];
  client.on("notification:new", ({ seq }) => numbers.push(Number(seq)));
  const titles = Array.from({ length: 60 }, (_, n) => `n${n}`);
  for (const [n, title] of titles.entries()) {
    if (n % 12 === 5) proxy.cut(n % 24 === 5 ? "nothing" : "http");
    if (n % 12 === 11) proxy.restore();
    await notify(user, title);
  }
  proxy.restore();
  await eventually(() => client.state === "live" && received.length >= titles.length, 60_000);
  // The order is that of the log. Two notifications may be expanded at the same time.
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect([...received].sort()).toEqual([...titles].sort());
});

test("a later visit receives what it missed", async () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  const first = await start({ storage });
  await notify(user, "one");
  await eventually(() => first.received.length === 1);
  first.client.close();
  await notify(user, "two");
  const second = await start({ storage });
  await eventually(() => second.received.length === 1);
  expect(second.received).toEqual(["two"]);
});

test("a position of another log causes a reset", async () => {
  const cursor = Buffer.from(JSON.stringify(["beefbeef", { [`user:${user}`]: 7 }])).toString("base64url");
  const kept = JSON.stringify({ epoch: "beefbeef", positions: { [`user:${user}`]: 7 }, cursor });
  const client = createClient({
    url: proxy.url,
    getToken: () => token(user),
    storage: { getItem: () => kept, setItem: () => undefined },
  });
  stops.push(() => client.close());
  await new Promise((reset) => client.on("reset", reset));
});

test("a token is replaced without a new connection", async () => {
  const given: boolean[] = [];
  const { client, received } = await start({
    getToken: (fresh) => {
      given.push(fresh);
      return token(user, 8);
    },
  });
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  await new Promise((later) => setTimeout(later, 12_000));
  await notify(user, "still here");
  await eventually(() => received.length === 1);
  expect(states).not.toContain("connecting");
  expect(given.slice(0, 2)).toEqual([false, true]);
});

test("notifications are acknowledged, on the socket and by polling", async () => {
  const { id: one } = await notify(user, "before");
  const { received } = await start();
  const { id: two } = await notify(user, "on the socket");
  const state = async (id: string) => (await request(`/v1/notifications/${id}/deliveries`)).data[0]?.state;
  await eventually(async () => (await state(two)) === "acked");
  proxy.cut("http");
  const { id: three } = await notify(user, "by polling");
  await eventually(() => received.length === 2, 30_000);
  await eventually(async () => (await state(three)) === "acked");
  expect(await state(one)).toBe("acked");
});

test("polled events have the names of the dialect", async () => {
  proxy.cut("http");
  const { names, client } = await start({ dialect: "tenant" }, "polling");
  await notify(user, "one");
  await eventually(() => names.length === 1, 30_000);
  proxy.restore();
  await eventually(() => client.state === "live", 60_000);
  await notify(user, "two");
  await eventually(() => names.length === 2);
  expect(names).toEqual(["notification:created", "notification:created"]);
});

test("the methods of the HTTP API work", async () => {
  const { client } = await start();
  for (const title of ["a", "b", "c"]) await notify(user, title, { category: title === "c" ? "special" : "usual" });
  const { inbox } = client;
  await eventually(async () => (await inbox.counts()).unread === 3);
  const page = await inbox.list({}, undefined, 2);
  expect([page.data.map(({ title }) => title), page.page.has_more]).toEqual([["c", "b"], true]);
  expect((await inbox.list({}, page.page.next ?? "")).data.map(({ title }) => title)).toEqual(["a"]);
  expect((await inbox.list({ category: "special" })).data).toHaveLength(1);
  const [c, b] = page.data as Item[] as [Item, Item];
  expect((await inbox.read(c.id)).status).toBe("read");
  expect((await inbox.unread(c.id)).status).toBe("unread");
  expect((await inbox.seen(c.id)).seen_at).not.toBeNull();
  expect((await inbox.archive(b.id)).status).toBe("archived");
  expect((await inbox.unarchive(b.id)).status).toBe("unread");
  expect((await inbox.get(b.id)).title).toBe("b");
  expect((await inbox.seeAll()).counts.unseen).toBe(0);
  expect((await inbox.readAll({ category: "usual" })).count).toBe(2);
  await inbox.delete(b.id);
  expect((await inbox.clear()).counts.total).toBe(0);
  await expect(inbox.get(b.id)).rejects.toMatchObject({ name: "CarillonError", status: 404, code: "not_found" });

  const { id } = await request("/v1/alerts", { title: "Fire", message: "Everywhere." });
  expect((await client.alerts.get(id)).acknowledged).toBe(false);
  expect((await client.alerts.acknowledge(id)).acknowledged_by).toBe(user);
  expect((await client.alerts.list({ state: "acknowledged" })).data.map((one) => one.id)).toContain(id);
  expect((await client.alerts.count()).unacknowledged).toBeGreaterThanOrEqual(0);

  await client.setPresence("busy");
  await eventually(async () => (await client.presence.list([user])).data[0]?.status === "busy");

  const device = await client.devices.register({ token: `token-of-${user}`, platform: "web" });
  expect((await client.devices.list()).data.map((one) => one.id)).toEqual([device.id]);
  await client.devices.forget(device.id);
  expect((await client.devices.list()).data).toEqual([]);
});

test("window.ws works in a page that has one script and an auth_token", async ({ page }) => {
  proxy.pages.set("/old", {
    type: "text/html",
    body: '<!doctype html><title>Old</title><script src="/static/build/websocket.js"></script>',
  });
  await page.addInitScript((given) => localStorage.setItem("auth_token", given), token(user));
  await page.goto(`${proxy.url}/old`);
  const received = page.evaluate(
    () =>
      new Promise<{ title: string; title_html: string }>((hear) => window.ws.on("notifications", "notification", hear)),
  );
  await expect.poll(() => page.evaluate(() => window.ws.isConnected)).toBe(true);
  await notify(user, "a < b");
  expect(await received).toMatchObject({ title: "a < b", title_html: "a &lt; b" });
  const answered = page.evaluate(
    () => new Promise((hear) => window.ws.on("sns", "publish_started", hear)) as Promise<{ post_id: number }>,
  );
  await page.evaluate(() => window.ws.emit("sns", "publish_start", { post_id: 123, platforms: ["instagram"] }));
  expect(await answered).toMatchObject({ post_id: 123, platforms: ["instagram"] });
});
