import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { connect, useRealtimeAlerts, useRealtimeNotifications, wsService } from "./hub_client.mjs";
import { A, ALICE, B, BOB, KEY, MALLORY, api, ask, balance, carillon, enqueue, eventually, killA, listen, publish, refused } from "./stage.mjs";
import { io, mount, sockets, world } from "./support.mjs";

const toasts = [];
globalThis.showToast = (toast) => toasts.push(toast);

let bell;
let board;
let heard;
let bob;
const titles = () => bell.shown.notifications.map(({ title }) => title);
const last = (name) => heard.findLast(([one]) => one === name)?.[1];
const named = (list, ...names) => list.filter(([name]) => names.includes(name));

before(async () => {
  // The other user's page is on the other process.
  world.url = B;
  bob = connect(BOB);
  await new Promise((resolve) => bob.once("session:ready", resolve));
  await balance();
  bell = mount(useRealtimeNotifications);
  board = mount(useRealtimeAlerts);
  wsService.connect(ALICE);
  heard = listen(wsService.socket);
  await eventually(() => last("session:ready"));
});
after(() => sockets.forEach((socket) => socket.close()));

test("a notification of the hub's own handler is on the bell and counted", async () => {
  await carillon("NotificationHandler.create_and_emit", {
    account_key: "acme",
    target_user_key: "alice",
    title: "New Task",
    message: "You have a new task assigned",
  });
  const [shown] = await eventually(() => bell.shown.notifications.length && bell.shown.notifications);
  for (const member of ["notification_id", "title", "message", "type", "created_at"]) assert.ok(shown[member], member);
  assert.equal(shown.id, shown.notification_id);
  await eventually(() => last("notification:count")?.unread === 1);
  assert.equal(bell.shown.unreadCount, 1);
  const first = (name) => heard.findIndex(([one, { unread }]) => one === name && unread !== 0);
  assert.ok(first("notification:new") < first("notification:count"), "the count follows");
});

test("so are those of emit_to_user and of the API, and counts put the bell right", async () => {
  const event = { notification_id: "n-1", title: "Emitted", message: "by the emitter", type: "task" };
  await carillon("EventEmitter.emit_to_user", { user_key: "alice", event: "notification:new", data: event });
  await enqueue("alice", { title: "Enqueued" });
  await eventually(() => titles().length === 3 && bell.shown.unreadCount === 3);
  assert.deepEqual(titles().sort(), ["Emitted", "Enqueued", "New Task"]);
});

test("what is read over REST or on the socket is read on the bell", async () => {
  const [first, second] = bell.shown.notifications;
  const { status } = await api("POST", `/v1/inbox/${first.id}/read`, { token: ALICE });
  assert.equal(status, 200);
  await eventually(() => bell.shown.notifications.find(({ id }) => id === first.id).read);
  wsService.emit("notification:read", { notification_id: second.id });
  await eventually(() => bell.shown.notifications.find(({ id }) => id === second.id).read);
  await eventually(() => bell.shown.unreadCount === 1 && last("notification:count").unread === 1);
});

test("all are read and one is deleted", async () => {
  const { status } = await api("POST", "/v1/inbox/read-all", { token: ALICE, body: {} });
  assert.equal(status, 200);
  await eventually(() => last("notification:read_all") && bell.shown.unreadCount === 0);
  const { id } = bell.shown.notifications[0];
  await api("DELETE", `/v1/inbox/${id}`, { token: ALICE });
  await eventually(() => last("notification:deleted")?.notification_id === id);
});

test("a notification and an alert keep the ids that the service gave them, live and in every change", async () => {
  const data = { notification_id: "n-7", title: "Known", message: "by its own id", type: "task", pond: "A" };
  await carillon("EventEmitter.emit_to_user", { user_key: "alice", event: "notification:new", data });
  const mine = () => bell.shown.notifications.find(({ title }) => title === "Known");
  await eventually(() => mine());
  assert.deepEqual([mine().id, mine().notification_id], ["n-7", "n-7"]);
  // The page knows no other id.
  wsService.emit("notification:read", { notification_id: "n-7" });
  await eventually(() => mine().read);
  assert.equal(last("notification:read").notification_id, "n-7");
  const alert = { alert_id: 17, title: "Own", message: "It has a number", severity: "high", type: "pump", pond: "A" };
  await carillon("EventEmitter.emit_to_account", { account_key: "acme", event: "alert:new", data: alert });
  const raised = () => board.shown.alerts.find(({ title }) => title === "Own");
  await eventually(() => raised());
  assert.deepEqual([raised().id, raised().alert_id, raised().severity, raised().level], [17, 17, "high", "error"]);
  assert.equal(raised().data.pond, "A");
  assert.equal((await ask(bob, "alert:acknowledge", { alert_id: 17 })).ok, true);
  await eventually(() => raised().acknowledged);
  toasts.length = 0;
  board.unmount();
  board = mount(useRealtimeAlerts);
});

test("what the service marks as read or deletes by its own id is so on every page, once and counted", async () => {
  const emit = (event, data) => carillon("EventEmitter.emit_to_user", { user_key: "alice", event, data });
  const told = (name) => named(heard, name).length;
  await emit("notification:new", { notification_id: 31, title: "First", message: "m" });
  await emit("notification:new", { notification_id: 32, title: "Second", message: "m" });
  const of = (id) => bell.shown.notifications.find((one) => one.id === id);
  await eventually(() => of(31) && of(32) && bell.shown.unreadCount === 2);
  const before = ["notification:read", "notification:deleted", "notification:read_all"].map(told);
  assert.equal(await emit("notification:read", { notification_id: 31 }), 1);
  assert.equal(await emit("notification:read", { notification_id: 31 }), 1);
  await eventually(() => of(31).read && bell.shown.unreadCount === 1);
  assert.equal(await emit("notification:deleted", { notification_id: 31 }), 1);
  await eventually(() => last("notification:deleted")?.notification_id === 31);
  assert.equal(await emit("notification:read_all", {}), 1);
  await eventually(() => last("notification:count").unread === 0 && bell.shown.unreadCount === 0);
  assert.equal(await emit("notification:read", { notification_id: "nobody's" }), 0);
  const after = ["notification:read", "notification:deleted", "notification:read_all"].map(told);
  assert.deepEqual(after, before.map((n) => n + 1));
});

test("an alert is toasted to everybody and acknowledged for everybody", async () => {
  const other = listen(bob);
  await carillon("AlertHandler.create_and_emit", {
    account_key: "acme",
    title: "Low Oxygen",
    message: "Oxygen in Pond A is below threshold",
    severity: "critical",
  });
  await eventually(() => toasts.length);
  assert.deepEqual(toasts, [{ type: "critical", title: "Low Oxygen", message: "Oxygen in Pond A is below threshold" }]);
  const [alert] = board.shown.alerts;
  for (const member of ["alert_id", "title", "message", "severity", "type"]) assert.ok(alert[member], member);
  assert.equal(board.shown.unacknowledgedCount, 1);
  await eventually(() => last("alert:count")?.unacknowledged === 1 && named(other, "alert:new").length === 1);
  assert.equal((await ask(bob, "alert:acknowledge", { alert_id: alert.alert_id })).ok, true);
  await eventually(() => board.shown.alerts[0].acknowledged);
  assert.equal(board.shown.unacknowledgedCount, 0);
  await eventually(() => last("alert:count").unacknowledged === 0);
});

test("emit_to_account raises an alert too, and a deleted one is gone", async () => {
  const data = { alert_id: "a-1", title: "Pump", message: "It stands", severity: "warning", type: "pump" };
  await carillon("EventEmitter.emit_to_account", { account_key: "acme", event: "alert:new", data });
  const alert = await eventually(() => board.shown.alerts.find(({ title }) => title === "Pump"));
  assert.deepEqual([alert.severity, alert.type], ["warning", "pump"]);
  await api("DELETE", `/v1/alerts/${alert.alert_id}`);
  await eventually(() => last("alert:deleted")?.alert_id === alert.alert_id);
});

test("streams reach the whole account, whoever emits them", async () => {
  const other = listen(bob);
  const task = { task_id: "t1", status: "done", updated_by: "bob" };
  const pond = { pond_id: "p1", field: "oxygen_level", value: 6.5, timestamp: "2026-01-16T10:00:00Z" };
  await carillon("EventEmitter.emit_to_account", { account_key: "acme", event: "stream:task_update", data: task });
  await carillon("EventEmitter.emit_to_account", { account_key: "acme", event: "stream:pond_update", data: pond });
  await carillon("EventEmitter.broadcast", { event: "stream:data", data: { any: "thing" } });
  await publish("stream:expense_update", { expense_id: 5, status: "paid" });
  await carillon("EventEmitter.emit_to_room", { room_id: "user:alice", event: "stream:data", data: { only: "alice" } });
  const names = ["stream:task_update", "stream:pond_update", "stream:data", "stream:expense_update"];
  await eventually(() => named(heard, ...names).length === 5 && named(other, ...names).length === 4);
  const like = (whole, part) => assert.deepEqual({ ...whole, ...part }, whole);
  like(last("stream:task_update"), task);
  like(last("stream:pond_update"), pond);
});

test("presence is told as people come, are away or busy, and go", async () => {
  const carol = connect(ALICE);
  await new Promise((resolve) => carol.once("session:ready", resolve));
  const about = (status) => named(heard, `presence:${status}`).some(([, { userKey }]) => userKey === "bob");
  for (const status of ["away", "busy", "online"]) {
    bob.emit(`presence:${status}`);
    await eventually(() => about(status));
  }
  assert.ok(named(heard, "chat:presence").some(([, { userKey, status }]) => userKey === "bob" && status === "online"));
  bob.disconnect();
  await eventually(() => about("offline"));
  carol.disconnect();
  bob.connect();
});

test("each domain is told in its namespace too", async () => {
  const spaces = ["/notification", "/alert", "/presence", "/stream"];
  const opened = spaces.map((name) => io(`http://localhost:5000${name}`, { auth: { token: ALICE } }));
  const told = opened.map((socket) => listen(socket));
  await eventually(() => told.every((list) => named(list, "session:ready").length));
  await enqueue("alice", { title: "In its namespace" });
  await carillon("AlertHandler.create_and_emit", { account_key: "acme", title: "x", message: "y" });
  await publish("stream:data", { n: 1 });
  bob.emit("presence:away");
  const expected = ["notification:new", "alert:new", "presence:away", "stream:data"];
  await eventually(() => told.every((list, i) => named(list, expected[i]).length === 1));
  told.forEach((list, i) => {
    const domain = expected[i].split(":")[0];
    assert.deepEqual(list.filter(([name]) => !name.startsWith(domain) && !name.startsWith("session:")), []);
  });
  opened.forEach((socket) => socket.close());
});

test("who has no token is refused, and who is of another tenant hears nothing", async () => {
  assert.equal((await refused(connect("no.such.token"))).data.code, "invalid_token");
  const errors = listen(wsService.socket, "error");
  wsService.emit("room:join", { room: "tenant:other" });
  await eventually(() => errors.length);
  assert.equal(errors[0][1].code, "not_found");
  const stranger = connect(MALLORY);
  const list = listen(stranger);
  await eventually(() => list.length);
  await publish("stream:data", { secret: true });
  await eventually(() => last("stream:data").secret);
  assert.deepEqual(named(list, "stream:data"), []);
  assert.equal((await ask(stranger, "room:join", { room: "tenant:acme" })).ok, false);
});

test("a listener that was taken back hears nothing more", async () => {
  const list = [];
  const unsubscribe = wsService.on("stream:data", (data) => list.push(data));
  await publish("stream:data", { n: 1 });
  await eventually(() => list.length === 1);
  unsubscribe();
  await publish("stream:data", { n: 2 });
  await eventually(() => last("stream:data").n === 2);
  assert.equal(list.length, 1);
});

test("when a web process is killed, the next one tells what came meanwhile, once", async () => {
  const before = bell.shown.notifications.length;
  const alerts = board.shown.alerts.length;
  const reconnects = named(heard, "reconnect").length;
  await killA(wsService.socket);
  for (const n of [1, 2, 3]) await enqueue("alice", { title: `meanwhile ${n}` });
  await carillon("AlertHandler.create_and_emit", { account_key: "acme", title: "meanwhile", message: "alert" });
  await publish("stream:data", { meanwhile: true });
  await eventually(() => wsService.socket.connected);
  await enqueue("alice", { title: "afterwards" });
  await eventually(() => titles()[0] === "afterwards");
  await eventually(() => last("stream:data").meanwhile);
  // Asked for at the same moment they may be numbered in any order.
  assert.deepEqual(titles().slice(0, 4).sort(), ["afterwards", "meanwhile 1", "meanwhile 2", "meanwhile 3"]);
  assert.equal(bell.shown.notifications.length, before + 4);
  assert.equal(new Set(bell.shown.notifications.map(({ id }) => id)).size, before + 4);
  assert.equal(board.shown.alerts.length, alerts + 1);
  await eventually(() => bell.shown.unreadCount === last("notification:count").unread);
  assert.equal(named(heard, "reconnect").length, reconnects + 1);
});

test("the service ends its connection", async () => {
  bell.unmount();
  board.unmount();
  wsService.disconnect();
  assert.equal(wsService.socket, null);
  wsService.emit("presence:away");
});
