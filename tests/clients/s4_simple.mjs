import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { page, initializeSocket, addSocketEventHandler, markRead } from "./simple_client.mjs";
import { A, ALICE, B, BOB, MALLORY, api, ask, balance, carillon, enqueue, eventually, killA, listen, refused } from "./stage.mjs";
import { io, sockets, world } from "./support.mjs";

const shown = [];
globalThis.showNotification = (notification) => shown.push(notification);
const texts = () => shown.map(({ message }) => message);

let alice;
let bob;
let heardByBob;

before(async () => {
  world.url = B;
  localStorage.setItem("token", BOB);
  bob = await initializeSocket("bob");
  heardByBob = listen(bob);
  await balance();
  localStorage.setItem("token", ALICE);
  await page("alice");
  alice = sockets.at(-1);
});
after(() => sockets.forEach((socket) => socket.close()));

test("a notification has its message, its type and what else was given", async () => {
  await carillon("send_notification", {
    user_id: "alice",
    notification: { message: "Your form was submitted", type: "success", form_id: 7, category: "immigration" },
  });
  const [notification] = await eventually(() => shown.length && shown);
  const { message, type, form_id, category, timestamp, id, notification_id } = notification;
  assert.deepEqual({ message, type, form_id, category }, { message: "Your form was submitted", type: "success", form_id: 7, category: "immigration" });
  assert.ok(Date.parse(timestamp));
  assert.equal(id, notification_id);
});

test("a notification of the enqueue API is the same to it", async () => {
  await enqueue("alice", { message: "Your case status has been updated", level: "info" });
  await eventually(() => texts().includes("Your case status has been updated"));
  assert.equal(shown.at(-1).type, "info");
});

test("everybody hears of a broadcast, once, on both processes", async () => {
  await carillon("send_broadcast_notification", { notification: { message: "System maintenance", type: "warning" } });
  await eventually(() => texts().includes("System maintenance"));
  await eventually(() => heardByBob.some(([name]) => name === "notification"));
  assert.deepEqual(heardByBob.filter(([name]) => name === "notification").map(([, n]) => [n.message, n.type]), [["System maintenance", "warning"]]);
  assert.equal(texts().filter((text) => text === "System maintenance").length, 1);
});

test("a direct message reaches one session", async () => {
  const direct = [];
  addSocketEventHandler("direct_message", (message) => direct.push(message));
  const other = listen(bob, "direct_message");
  await carillon("send_direct_message", { session_id: alice.id, message: { message: "Server is restarting" } });
  await eventually(() => direct.length);
  assert.equal(direct[0].message, "Server is restarting");
  assert.deepEqual(other, []);
});

test("who registers as another is told so", async () => {
  const errors = listen(alice, "error");
  assert.equal((await ask(alice, "register", { user_id: "alice" })).success, true);
  const answer = await ask(alice, "register", { user_id: "bob" });
  assert.deepEqual([answer.success, answer.error.code], [false, "not_found"]);
  await eventually(() => errors.length);
});

test("what is marked as read is read", async () => {
  const ids = shown.slice(0, 2).map(({ id }) => id);
  markRead(ids);
  const read = async () => (await carillon("get_notifications_for_user", { user_id: "alice", unread_only: true })).map(({ id }) => id);
  await eventually(async () => !(await read()).some((id) => ids.includes(id)));
  const all = await carillon("get_notifications_for_user", { user_id: "alice", unread_only: false });
  assert.deepEqual(all.filter(({ read }) => read).map(({ id }) => id).sort(), ids.sort());
});

test("a notification is known by the id that the service gave it, live and in the history", async () => {
  const notification = { id: 4711, message: "It has a number", type: "warn" };
  await carillon("save_notification", { user_id: "alice", notification });
  const mine = await eventually(() => shown.find(({ message }) => message === "It has a number"));
  assert.deepEqual([mine.id, mine.notification_id, mine.type], [4711, 4711, "warn"]);
  const history = async () => carillon("get_notifications_for_user", { user_id: "alice", unread_only: true });
  assert.ok((await history()).some(({ id }) => id === 4711));
  markRead([4711]);
  await eventually(async () => !(await history()).some(({ id }) => id === 4711));
});

test("a text sent to try things out is shown", async () => {
  const { status } = await api("POST", "/api/test/notification/alice", { body: { message: "Test notification", type: "info" } });
  assert.equal(status, 202);
  await eventually(() => texts().includes("Test notification"));
});

test("only the user's own token may connect, and only a service may send", async () => {
  assert.equal((await refused(io(A, { auth: { token: "no.such.token" } }))).data.code, "invalid_token");
  assert.equal((await refused(io(A))).data.code, "token_missing");
  const { status } = await api("POST", "/api/test/notification/bob", { token: ALICE, body: { message: "x" } });
  assert.equal(status, 403);
  const stranger = io(A, { auth: { token: MALLORY } });
  const heard = listen(stranger, "notification");
  assert.equal((await ask(stranger, "register", { user_id: "alice" })).success, false);
  await carillon("send_broadcast_notification", { notification: { message: "Not for other tenants", type: "info" } });
  await eventually(() => texts().includes("Not for other tenants"));
  assert.deepEqual(heard, []);
});

test("when a web process is killed, the next one shows what came meanwhile, once", async () => {
  await killA(alice);
  for (const n of [1, 2, 3]) await enqueue("alice", { message: `meanwhile ${n}` });
  await eventually(() => alice.connected);
  await enqueue("alice", { message: "afterwards" });
  await eventually(() => texts().includes("afterwards"));
  // Asked for at the same moment they may be numbered in any order.
  assert.deepEqual(texts().slice(-4).sort(), ["afterwards", "meanwhile 1", "meanwhile 2", "meanwhile 3"]);
  assert.equal(new Set(shown.map(({ id }) => id)).size, shown.length);
});
