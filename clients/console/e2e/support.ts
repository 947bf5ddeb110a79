/** The console in a browser, and requests that put data into the installation. */

import { execFileSync } from "node:child_process";
import { expect, type Page } from "@playwright/test";
import { eventually, port, ROOT } from "../../e2e/installation.ts";

export const base = (): string => `http://127.0.0.1:${port()}`;

async function request(path: string, method: string, body: object, headers: Record<string, string> = {}): Promise<any> {
  const answer = await fetch(base() + path, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

export async function operator(): Promise<string> {
  return (await request("/demo/sign-in", "POST", { operator: true })).operator_token as string;
}

let token: string | undefined;

async function asService(path: string, method: string, body: object): Promise<any> {
  token ??= (await request("/demo/sign-in", "POST", { user: "alice" })).service_token as string;
  return request(path, method, body, { Authorization: `Bearer ${token}` });
}

/** PUT as the service of the demo. */
export const put = (path: string, body: object): Promise<any> => asService(path, "PUT", body);

/** Send a notification as the service of the demo. Returns its ID. */
export const notify = async (body: object): Promise<string> => (await asService("/v1/notifications", "POST", body)).id;

/** GET as an operator. */
export async function get(path: string): Promise<any> {
  const headers = { Authorization: `Bearer ${await operator()}`, "Carillon-Tenant": "demo" };
  return (await fetch(base() + path, { headers })).json();
}

/** Open a view of the console, signed in. */
export async function open(page: Page, path = ""): Promise<void> {
  const mine = await operator();
  await page.addInitScript((kept) => sessionStorage.setItem("carillon.operator", kept), mine);
  await page.goto(`${base()}/console${path}`);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
}

export function send(to: string[], title: string, more: object = {}): Promise<string> {
  return notify({ audience: { users: to }, title, message: `About ${title}.`, ...more });
}

/** Create dead letters, by sending to mailboxes that have this fault in the lab. */
export async function createDeadLetters(
  number: number,
  prefix: string,
  fault: "full" | "gone" = "full",
): Promise<string> {
  const users = Array.from({ length: number }, (_, n) => ({
    id: `${prefix}-${n}`,
    email: `${fault}-${prefix}-${n}@example.test`,
  }));
  const id = await notify({
    audience: { users },
    channels: ["email"],
    title: `To ${number} bad mailboxes`,
    message: "This will not arrive.",
  });
  await eventually(async () => (await get(`/v1/notifications/${id}`)).deliveries?.email?.dead === number, 80_000);
  return id;
}

const INSERT = `
import sqlite3, sys, uuid
with sqlite3.connect(sys.argv[1], timeout=10) as database:
    insert = "INSERT INTO carillon_outbox (tenant_id, kind, body) VALUES ('demo', ?, ?) RETURNING id"
    [(row_id,)] = database.execute(insert, sys.argv[2:]).fetchall()
print(uuid.UUID(row_id))
`;

/** Write a row to the outbox, as a service that shares the database does. Returns its ID. */
export function writeToOutbox(kind: string, body: object): string {
  const database = `${process.env.E2E_VAR}/carillon.db`;
  const args = ["-c", INSERT, database, kind, JSON.stringify(body)];
  return execFileSync(`${ROOT}/.venv/bin/python`, args, { encoding: "utf8" }).trim();
}

/** Titles that try to run as markup or script. */
export const HOSTILE = [
  "<img src=x onerror=\"document.title='owned'\">",
  "<script>document.title='owned'</script>",
  "\"><svg onload=document.title='owned'>",
  "javascript:document.title='owned'",
  "{{constructor.constructor('document.title=1')()}}",
  "&lt;b&gt;entities&lt;/b&gt; &amp; more",
  "</title><script>document.title='owned'</script>",
];
