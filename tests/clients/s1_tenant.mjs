import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { A, ALICE, B, BOB, MALLORY, api, ask, balance, carillon, enqueue, eventually, killA, listen, pause, publish, refused } from "./stage.mjs";
import { io, mount, sockets, world } from "./support.mjs";

const CATALOGUE = {
  "expense:created": { id: 1, userId: "alice" },
  "expense:updated": { id: 1 },
  "expense:deleted": { id: 1 },
  "expenses:bulk-deleted": { ids: [1, 2] },
  "goal:created": { id: "g" },
  "goal:achieved": { id: "g" },
  "goal:deleted": { id: "g" },
  "milestone:completed": { id: "m" },
  "budget:warning": { message: "80 %" },
  "budget:exceeded": { message: "Too much" },
  "member:joined": { id: "u" },
  "member:left": { id: "u" },
  "member:role-changed": { id: "u" },
  "sync:completed": {},
  "error:occurred": { message: "Something" },
};

// What the page has.
const called = [];
for (const name of ["joined", "updateExpenseList", "showCelebration", "showAlert", "updateTeamList", "updateUI", "updateOwnExpenses"]) {
  globalThis[name] = (...args) => called.push([name, ...args]);
}
const handled = [];
globalThis.handleEvent = (type, payload) => handled.push([type, payload]);
globalThis.tenantId = "acme";
globalThis.token = ALICE;
globalThis.currentUser = { id: "alice" };
const calls = (name) => called.filter(([one]) => one === name);

let client;
let list;
let heard;

before(async () => {
  // Bob's component is on the other process.
  world.url = B;
  process.env.REACT_APP_API_URL = "http://localhost:3000";
  await balance();
  const balanced = world.url;
  localStorage.setItem("jwt_token", ALICE);
  client = await import("./tenant_client.mjs");
  heard = listen(client.socket);
  localStorage.setItem("jwt_token", BOB);
  world.url = B;
  list = mount(client.ExpenseList, { tenantId: "acme" });
  list.socket = sockets.at(-1);
  world.url = balanced;
  await eventually(() => heard.some(([name]) => name === "session:ready") && list.shown.connected === "Yes");
});
after(() => {
  client.stopPolling();
  sockets.forEach((socket) => socket.close());
});

test("its room is joined with an answer", async () => {
  await eventually(() => calls("joined").length);
  const [[, response]] = calls("joined");
  assert.deepEqual([response.ok, response.success, response.room], [true, true, "tenant:acme"]);
  assert.equal(typeof response.seq, "number");
});

test("another tenant's room is refused, and nothing of it is heard", async () => {
  const response = await ask(client.socket, "join-tenant", "other");
  assert.deepEqual([response.success, response.error.code], [false, "not_found"]);
  const stranger = io("http://localhost:3000", { auth: { token: MALLORY } });
  const secret = listen(stranger, "sync:completed");
  assert.equal((await ask(stranger, "join-tenant", "acme")).success, false);
  await publish("sync:completed", {});
  await eventually(() => heard.some(([name]) => name === "sync:completed"));
  assert.deepEqual(secret, []);
  stranger.close();
});

test("every event of the catalogue is heard by its name, on both processes", async () => {
  client.listenToMany(client.socket);
  client.onlyOwn(client.socket);
  client.monitor(client.socket);
  const mark = heard.length;
  for (const [type, data] of Object.entries(CATALOGUE)) await publish(type, data);
  await eventually(() => Object.keys(CATALOGUE).every((type) => heard.slice(mark).some(([name]) => name === type)));
  for (const [type, data] of Object.entries(CATALOGUE)) {
    const [, payload] = heard.findLast(([name]) => name === type);
    assert.deepEqual({ ...payload, ...data }, payload, type);
  }
  assert.deepEqual([calls("updateExpenseList").length, calls("showCelebration").length, calls("updateTeamList").length], [2, 2, 1]);
  assert.deepEqual(calls("showAlert"), [["showAlert", "Too much"], ["showAlert", "Too much"]]);
  assert.equal(calls("updateOwnExpenses").length, 1);
});

test("the component shows what was created and not what was deleted", async () => {
  await publish("expense:created", { id: 7, userId: "bob" });
  await publish("expense:created", { id: 8, userId: "bob" });
  await publish("expense:deleted", { id: 7 });
  await eventually(() => list.shown.expenses.map(({ id }) => id).join() === "8");
  assert.equal(calls("updateOwnExpenses").length, 1, "those of others are passed over");
});

test("a burst is one update of the page", async () => {
  client.batchUpdates(client.socket);
  for (const id of [11, 12, 13]) await carillon("EventEmitter.emit_to_account", { account_key: "acme", event: "expense:created", data: { id } });
  await eventually(() => calls("updateUI").flatMap(([, updates]) => updates).length === 3);
  assert.ok(calls("updateUI").length <= 3);
});

test("a notification is notification:created", async () => {
  const id = await enqueue("alice", { title: "Hello" });
  await eventually(() => heard.some(([name, payload]) => name === "notification:created" && payload.id === id));
});

test("what io.getStats() told is told over HTTP", async () => {
  const { json } = await eventually(async () => {
    const told = await api("GET", "/api/stats");
    return told.json.totalConnections > 0 && told;
  });
  // The room of the tenant, and one of each user.
  assert.ok(json.rooms >= 2);
  assert.equal((await api("GET", "/api/stats", { token: ALICE })).status, 403);
});

test("the echo answers", async () => {
  assert.deepEqual((await ask(client.socket, "test", "hello")).received, "hello");
});

test("who has no valid token is refused", async () => {
  for (const token of [undefined, "no.such.token"]) {
    const error = await refused(io("http://localhost:3000", { auth: { token } }));
    assert.match(error.data.code, /^(token_missing|invalid_token)$/);
  }
  const polled = await fetch("/api/polling/acme/events", { headers: { Authorization: "Bearer no.such.token" } });
  assert.equal(polled.status, 401);
  const other = await fetch("/api/polling/other/events", { headers: { Authorization: `Bearer ${ALICE}` } });
  assert.equal(other.status, 404);
});

test("after a web process is killed the client is back before it has to poll, and misses nothing", async () => {
  const mark = heard.length;
  await killA(client.socket);
  for (const id of [21, 22, 23]) await publish("expense:created", { id });
  await eventually(() => client.socket.connected);
  await publish("expense:created", { id: 24 });
  const ids = () => heard.slice(mark).filter(([name]) => name === "expense:created").map(([, { id }]) => id);
  await eventually(() => ids().includes(24));
  assert.deepEqual(ids(), [21, 22, 23, 24]);
  // "reconnect" has stopped the polling: the interval of 10 s passes and nothing is handled twice.
  assert.equal(heard.slice(mark).filter(([name]) => name === "reconnect").length, 1);
  await pause(11_000);
  assert.deepEqual(handled, []);
});

test("without a socket it polls, acknowledges, and is given each event once", async () => {
  await api("GET", "/api/polling/acme/events", { token: BOB });
  client.socket.disconnect();
  await publish("expense:created", { id: 31 });
  const ids = () => handled.filter(([type, { id }]) => type === "expense:created" && id > 30).map(([, { id }]) => id);
  await eventually(() => ids().includes(31));
  await publish("expense:created", { id: 32 });
  await eventually(() => ids().includes(32));
  assert.deepEqual(ids(), [31, 32]);
  client.stopPolling();
});

test("a component that is closed closes its connection", async () => {
  assert.equal(list.socket.connected, true);
  list.unmount();
  assert.equal(list.socket.connected, false);
});
