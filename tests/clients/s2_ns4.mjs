import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { A, ALICE, B, BOB, MALLORY, api, ask, balance, carillon, enqueue, eventually, killA, listen, publish, refused } from "./stage.mjs";
import { io, played, sockets, world } from "./support.mjs";

// What the page has.
const shown = [];
const orders = [];
globalThis.showNotification = (...args) => shown.push(args);
globalThis.updateOrderUI = (order) => orders.push(order);
const items = () => document.getElementById("notification-list").children.map(({ innerHTML }) => innerHTML);
const badge = () => document.getElementById("unread-count");
const named = (list, ...names) => list.filter(([name]) => names.includes(name));

let client;
let heard;
let bob;

before(async () => {
  world.url = B;
  bob = io("http://localhost:8000/sns", { auth: { token: BOB } });
  await balance();
  localStorage.setItem("auth_token", ALICE);
  client = await import("./ns4_client.mjs");
  heard = Object.fromEntries(Object.entries(window.ws.sockets).map(([name, socket]) => [name, listen(socket)]));
  await eventually(() => Object.values(heard).every((list) => named(list, "session:ready").length));
});
after(() => sockets.forEach((socket) => socket.close()));

test("a page with a token connects by itself to its four namespaces", () => {
  assert.equal(window.ws.isConnected, true);
  assert.deepEqual(Object.keys(window.ws.sockets), ["sns", "orders", "chat", "notifications"]);
  assert.ok(Object.values(window.ws.sockets).every(({ connected }) => connected));
});

test("a notification is on the bell, is counted and sounds", async () => {
  await carillon("broadcast_notification", { user_id: "alice", notification_type: "billing", title: "Invoice", message: "It is due" });
  await eventually(() => items().length === 1);
  assert.match(items()[0], /<strong>Invoice<\/strong>\s*<p>It is due<\/p>/);
  assert.doesNotMatch(items()[0], /Invalid Date|undefined/);
  assert.deepEqual([badge().textContent, badge().style.display], [1, "inline"]);
  assert.deepEqual(played, ["/sounds/notification.mp3"]);
  await enqueue("alice", { title: "Newest", message: "on top" });
  await eventually(() => items().length === 2);
  assert.match(items()[0], /Newest/);
});

test("every event of posts is told by its short name", async () => {
  const post = { post_id: 123, platforms: ["instagram", "twitter"], timestamp: "2026-02-26T10:00:00" };
  for (const event of ["publish_started", "publish_success", "publish_failed"]) {
    await carillon("broadcast_sns_event", { event, user_id: "alice", data: { ...post, message: "Well done" } });
  }
  for (const event of ["post_liked", "post_commented"]) await publish(`sns:${event}`, { post_id: 123 }, ["alice"]);
  const names = ["publish_started", "publish_success", "publish_failed", "post_liked", "post_commented"];
  await eventually(() => names.every((name) => named(heard.sns, name).length === 1));
  assert.deepEqual(shown, [["Published!", "Well done"]]);
  const [[, success]] = named(heard.sns, "publish_success");
  assert.deepEqual({ ...success, ...post }, success);
  await carillon("carillon_sns_publish_success", { user_id: "alice", post_id: 123, platforms: ["instagram"] });
  await eventually(() => items().some((item) => item.includes("Your post was published to instagram.")));
});

test("every event of orders is told by its short name", async () => {
  for (const event of ["order_updated", "shipment_update", "delivery_confirmed"]) {
    await carillon("broadcast_order_event", { event, user_id: "alice", data: { order_id: 5, status: "sent" } });
  }
  await eventually(() => named(heard.orders, "order_updated", "shipment_update", "delivery_confirmed").length === 3);
  assert.deepEqual([orders[0].order_id, orders[0].status], [5, "sent"]);
});

test("who comes and goes is told in both namespaces that know it", async () => {
  await eventually(() => named(heard.sns, "user_online").some(([, { user_id }]) => user_id === "bob") || bob.connected);
  bob.disconnect();
  await eventually(() => ["sns", "chat"].every((name) => named(heard[name], "user_offline").some(([, { user_id }]) => user_id === "bob")));
  bob.connect();
  await eventually(() => ["sns", "chat"].every((name) => named(heard[name], "user_online").some(([, { user_id }]) => user_id === "bob")));
});

test("a page starts to publish, and the user's pages hear of it", async () => {
  const before = named(heard.sns, "publish_started").length;
  client.publishStart();
  await eventually(() => named(heard.sns, "publish_started").length === before + 1);
  const [, started] = named(heard.sns, "publish_started").at(-1);
  assert.deepEqual([started.post_id, started.platforms], [123, ["instagram", "twitter"]]);
});

test("its REST calls answer, and what they change is told", async () => {
  const answered = async (call) => {
    const answer = await call;
    assert.equal(answer.status, 200);
    return answer.json();
  };
  const { status, json: sent } = await api("POST", "/api/notifications", { body: { user_id: "alice", title: "By REST", message: "posted" } });
  assert.equal(status, 202);
  await eventually(() => items().some((item) => item.includes("By REST")));
  const { notifications, unread_count } = await answered(client.rest.list());
  const ours = notifications.find(({ id }) => id === sent.id);
  assert.equal(ours.title, "By REST");
  assert.equal((await answered(client.rest.get(sent.id))).message, "posted");
  assert.equal((await answered(client.rest.stats())).unread_count, unread_count);
  await answered(client.rest.read(sent.id));
  await eventually(() => named(heard.notifications, "notification_read").some(([, { notification_id }]) => notification_id === sent.id));
  assert.equal((await answered(client.rest.stats())).unread_count, unread_count - 1);
  assert.equal((await answered(client.rest.readAll())).unread_count, 0);
  const own = await api("POST", "/api/notifications", { body: { id: 4711, user_id: "alice", title: "Numbered", message: "by the service" } });
  assert.equal(own.status, 202);
  const heardOf = (event) => named(heard.notifications, event).map(([, { id, notification_id }]) => [id, notification_id]);
  await eventually(() => heardOf("notification").some(([id, other]) => id === 4711 && other === 4711));
  assert.ok((await answered(client.rest.list())).notifications.some(({ id }) => id === 4711));
  assert.equal((await answered(client.rest.read(4711))).read, true);
  await answered(client.rest.remove(4711));
  for (const event of ["notification_read", "notification_deleted"]) await eventually(() => heardOf(event).some(([id]) => id === 4711));
  await answered(client.rest.remove(sent.id));
  await eventually(() => named(heard.notifications, "notification_deleted").some(([, { notification_id }]) => notification_id === sent.id));
  assert.equal((await client.rest.get(sent.id)).status, 404);
});

test("a device that is registered is pushed to, until it is not", async () => {
  const pushed = async (text) => {
    const answer = await fetch(`${process.env.LAB}/messages?outcome=accepted&limit=1000`);
    return (await answer.json()).messages.map((one) => JSON.stringify(one)).filter((one) => one.includes(text));
  };
  const devices = async () => (await (await client.rest.devices()).json()).devices;
  const ok = async (call) => assert.equal((await call).status, 200);
  await ok(client.rest.unregisterAll());
  await ok(client.rest.registerDevice("new-phone", "android"));
  assert.deepEqual((await devices()).map(({ platform }) => platform), ["android"]);
  await enqueue("alice", { title: "To the phone" });
  const [message] = await eventually(async () => (await pushed("To the phone")).find((one) => one.includes("new-phone")) && pushed("new-phone"));
  assert.match(message, /To the phone/);
  await ok(client.rest.registerDevice("old-phone", "ios"));
  await ok(client.rest.unregisterDevice("old-phone"));
  assert.equal((await devices()).length, 1);
  await ok(client.rest.unregisterAll());
  assert.deepEqual(await devices(), []);
});

test("who subscribes to a topic is told what is sent to it, until they unsubscribe", async () => {
  assert.equal((await client.rest.subscribe("news")).status, 404, "it is not open");
  await api("PUT", "/v1/topics/news", { body: { open: true } });
  assert.equal((await (await client.rest.subscribe("news")).json()).subscribed, true);
  const send = async (title) => {
    const body = { audience: { topic: "news" }, title, message: "m" };
    assert.equal((await api("POST", "/v1/notifications", { body })).status, 202);
  };
  await send("Of the topic");
  await eventually(() => items().some((item) => item.includes("Of the topic")));
  assert.equal((await (await client.rest.unsubscribe("news")).json()).subscribed, false);
  await send("No longer theirs");
  await enqueue("alice", { title: "Theirs" });
  await eventually(() => items().some((item) => item.includes("Theirs")));
  assert.ok(!items().some((item) => item.includes("No longer theirs")));
});

test("a listener that was taken off hears nothing more", async () => {
  let calls = 0;
  window.ws.on("orders", "shipment_update", () => calls++);
  window.ws.off("orders", "shipment_update", null);
  await carillon("broadcast_order_event", { event: "shipment_update", user_id: "alice", data: { order_id: 6 } });
  await eventually(() => named(heard.orders, "shipment_update").some(([, { order_id }]) => order_id === 6));
  assert.equal(calls, 0);
});

test("who has no valid token is refused in every namespace, and other tenants hear nothing", async () => {
  for (const name of ["sns", "orders", "chat", "notifications"]) {
    assert.equal((await refused(io(`http://localhost:8000/${name}`, { auth: { token: "no.such.token" } }))).data.code, "invalid_token");
  }
  const stranger = io("http://localhost:8000/orders", { auth: { token: MALLORY } });
  const list = listen(stranger);
  await eventually(() => list.length);
  await publish("orders:order_updated", { order_id: 9, status: "paid" });
  await eventually(() => orders.some(({ order_id }) => order_id === 9));
  assert.deepEqual(named(list, "order_updated"), []);
  const [{ id }] = (await (await client.rest.list()).json()).notifications;
  assert.equal((await api("GET", `/api/notifications/${id}`, { token: MALLORY })).status, 404);
});

test("when a web process is killed, the next one tells what came meanwhile in every namespace, once", async () => {
  const before = items().length;
  const { sns, orders: cart, notifications } = window.ws.sockets;
  await killA(sns, cart, notifications);
  for (const n of [1, 2]) await enqueue("alice", { title: `meanwhile ${n}` });
  await carillon("broadcast_order_event", { event: "order_updated", user_id: "alice", data: { order_id: 77, status: "sent" } });
  await eventually(() => sns.connected && cart.connected && notifications.connected);
  await enqueue("alice", { title: "afterwards" });
  await eventually(() => items()[0].includes("afterwards"));
  await eventually(() => orders.some(({ order_id }) => order_id === 77));
  assert.equal(items().length, before + 3);
  assert.equal(orders.filter(({ order_id }) => order_id === 77).length, 1);
});

test("it disconnects and connects again by hand", async () => {
  window.ws.disconnect();
  await eventually(() => !window.ws.isConnected);
  window.ws.connect();
  await eventually(() => Object.values(window.ws.sockets).every(({ connected }) => connected));
});
