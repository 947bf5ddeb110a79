/** A whole installation for the tests, started as `make run` does, with its own data. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Playwright calls this before the tests, and the function that it returns after them. */
export default async function start(): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), "carillon-e2e-"));
  const ports: Record<string, string> = {};
  for (const name of ["PORT", "LAB_PORT", "LAB_SMTP_PORT", "FLOWER_PORT"]) ports[name] = String(await freePort());
  const environment = { PATH: process.env.PATH, HOME: process.env.HOME, CARILLON_VAR: directory, ...ports };
  const up = spawn(join(ROOT, ".venv/bin/python"), ["-m", "lab.up"], {
    cwd: ROOT,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  await ready(up);
  process.env.E2E_VAR = directory;
  process.env.E2E_PORT = ports.PORT;
  return async () => {
    const ended = new Promise((end) => up.once("exit", end));
    up.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
}

function ready(up: ChildProcess): Promise<void> {
  let output = "";
  return new Promise((started, failed) => {
    const timer = setTimeout(() => failed(new Error(`the installation was not ready in time:\n${output}`)), 120_000);
    const read = (data: Buffer) => {
      output += data;
      if (!output.includes("Carillon is ready")) return;
      clearTimeout(timer);
      started();
    };
    up.stdout?.on("data", read);
    up.stderr?.on("data", read);
    up.once("exit", () => failed(new Error(`the installation has ended:\n${output}`)));
  });
}

export const port = (): number => Number(process.env.E2E_PORT);

function read(name: string): Record<string, any> {
  return JSON.parse(readFileSync(join(String(process.env.E2E_VAR), name), "utf8"));
}

/** A token for a user of the demo, signed with the key of the installation. */
export function token(user: string, seconds = 3600): string {
  const key = read("jwks.json").keys[0];
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "carillon", aud: "carillon:client", sub: user, tenant: "demo", iat: now, exp: now + seconds };
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT", kid: key.kid })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", Buffer.from(key.k, "base64url")).update(signed).digest("base64url")}`;
}

/** Send a request as the service of the demo: GET, or POST with a body. */
export async function request(path: string, body?: object): Promise<any> {
  const headers = { Authorization: `Bearer ${read("demo-keys.json").live}`, "Content-Type": "application/json" };
  const options = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const answer = await fetch(`http://127.0.0.1:${port()}${path}`, { headers, ...options });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Send a notification to a user, in app only. */
export function notify(user: string, title: string, more: object = {}): Promise<{ id: string }> {
  return request("/v1/notifications", {
    audience: { users: [user] },
    channels: ["in_app"],
    title,
    message: `About ${title}.`,
    ...more,
  });
}

/** The answer of the inbox API for a user. */
export async function inbox(user: string, path: string): Promise<any> {
  const headers = { Authorization: `Bearer ${token(user)}` };
  return (await fetch(`http://127.0.0.1:${port()}/v1/inbox${path}`, { headers })).json();
}

let users = 0;

/** A user that no other test uses. */
export function newUser(): string {
  users += 1;
  return `user-${process.pid}-${Date.now().toString(36)}-${users}`;
}

/** Wait until a check returns something, and return it. */
export async function eventually<T>(check: () => T | Promise<T>, within = 30_000): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > end) throw new Error("the check did not pass in time");
    await new Promise((later) => setTimeout(later, 50));
  }
}
