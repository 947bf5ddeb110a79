/** The client in Node against a whole installation, to confirm what the fake server assumes. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import start, { eventually, newUser, notify, port, token } from "../../e2e/installation.ts";
import { type Client, createClient } from "../src/index.ts";

let stop: () => Promise<void>;

beforeAll(async () => {
  stop = await start();
}, 150_000);

afterAll(() => stop(), 60_000);

/** The storage of a page, in memory. */
function memory(): Pick<Storage, "getItem" | "setItem"> {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

interface Visit {
  client: Client;
  titles: string[];
  numbers: number[];
}

async function visit(user: string, storage = memory(), getToken = () => token(user)): Promise<Visit> {
  const client = createClient({ url: `http://127.0.0.1:${port()}`, getToken, storage });
  const visit: Visit = { client, titles: [], numbers: [] };
  client.on("notification:new", ({ title, seq }) => {
    visit.titles.push(String(title));
    visit.numbers.push(Number(seq));
  });
  await eventually(() => client.state === "live");
  return visit;
}

describe("against a running server", () => {
  it("receives events once and in order, and continues at its position on the next visit", async () => {
    const [user, storage] = [newUser(), memory()];
    const first = await visit(user, storage);
    for (const title of ["One", "Two"]) {
      await notify(user, title);
      await eventually(() => first.titles.includes(title));
    }
    first.client.close();
    for (const title of ["Three", "Four"]) await notify(user, title);
    const second = await visit(user, storage);
    await eventually(() => second.titles.length === 2);
    expect(first.titles).toEqual(["One", "Two"]);
    expect([...second.titles].sort()).toEqual(["Four", "Three"]);
    expect(second.numbers).toEqual([...second.numbers].sort((a, b) => a - b));
    expect(await second.client.inbox.counts()).toMatchObject({ unread: 4, total: 4 });
    second.client.close();
  }, 60_000);

  it("acknowledges, reads and counts", async () => {
    const user = newUser();
    const { client, titles } = await visit(user);
    const counts: number[] = [];
    client.on("notification:count", ({ unread }) => void counts.push(Number(unread)));
    const { id } = await notify(user, "Read me");
    await eventually(() => titles.length === 1);
    await client.inbox.read(id);
    await eventually(() => counts.at(-1) === 0);
    expect((await client.inbox.get(id)).read).toBe(true);
    client.close();
  }, 60_000);

  it("is refused with a code if the token is not valid", async () => {
    const errors: string[] = [];
    const client = createClient({
      url: `http://127.0.0.1:${port()}`,
      getToken: () => `${token(newUser())}x`,
      storage: null,
    });
    client.on("error", ({ code }) => void errors.push(code));
    await eventually(() => errors.includes("invalid_token"));
    expect(client.state).not.toBe("live");
    client.close();
  }, 60_000);
});
