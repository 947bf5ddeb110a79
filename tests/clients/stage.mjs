// What the tests do beside the clients: ask the API, let the service speak, wait, kill a web process.

import assert from "node:assert/strict";
import net from "node:net";

import { world } from "./support.mjs";

export const { A, B, KEY, ALICE, BOB, MALLORY } = process.env;

/** Wait until `check` returns something true, and return it. */
export async function eventually(check, within = 30_000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < end, `not within ${within} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ask the API; the answer's status and JSON. */
export async function api(method, path, { token = KEY, body, url = B } = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) };
  const answer = await fetch(new URL(path, url), { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, json: await answer.json(), headers: answer.headers };
}

/** Enqueue a notification for a user, as any service would. */
export async function enqueue(user, fields) {
  const body = { audience: { users: [user] }, title: "Title", message: "Message", ...fields };
  const { status, json } = await api("POST", "/v1/notifications", { body });
  assert.equal(status, 202, JSON.stringify(json));
  return json.id;
}

/** Publish an event of the catalogue to the tenant, or to these users. */
export async function publish(type, data, users) {
  const audience = users ? { users } : { tenant: true };
  const { status, json } = await api("POST", "/v1/events", { body: { audience, type, data } });
  assert.equal(status, 202, JSON.stringify(json));
}

/** Call a function of `carillon` in the service's process. */
export async function carillon(name, fields) {
  const answer = await fetch(`${process.env.SERVICE}/${name}`, { method: "POST", body: JSON.stringify(fields) });
  const told = await answer.json();
  assert.equal(answer.status, 200, told);
  return told;
}

/** What is emitted and answered with an acknowledgement. */
export const ask = (socket, ...args) => new Promise((resolve) => socket.emit(...args, resolve));

/** What a socket heard of these events from now on, as [name, payload]. */
export function listen(socket, ...names) {
  const heard = [];
  socket.onAny((name, payload) => {
    if (!names.length || names.includes(name)) heard.push([name, payload]);
  });
  return heard;
}

/** How a client is refused that shows this token. */
export function refused(socket) {
  return new Promise((resolve, reject) => {
    socket.on("connect_error", (error) => (socket.close(), resolve(error)));
    socket.on("connect", () => reject(new Error("it was let in")));
  });
}

/** One address for both web processes: every connection goes to the first that is there. The clients are sent to it. */
export async function balance() {
  const server = net.createServer((from) => {
    const to = (urls) => {
      const { port } = new URL(urls[0]);
      const onward = net.connect(port, "127.0.0.1", () => from.pipe(onward).pipe(from));
      onward.on("error", () => (onward.readyState !== "open" && urls.length > 1 && !onward.bytesRead ? to(urls.slice(1)) : from.destroy()));
      onward.on("close", () => onward.bytesRead && from.destroy());
      from.on("close", () => onward.destroy());
    };
    from.on("error", () => from.destroy());
    to([A, B]);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  world.url = `http://127.0.0.1:${server.address().port}`;
  return server;
}

/**
 * SIGKILL for the web process A, with all its children, until the sockets have noticed that. Not at once: what came in the
 * last second before may be told twice to clients that keep no position (docs/realtime.md).
 */
export async function killA(...sockets) {
  await pause(2500);
  const away = sockets.map((socket) => new Promise((resolve) => socket.once("disconnect", resolve)));
  process.kill(-process.env.A_PID, "SIGKILL");
  await Promise.all(away);
}
