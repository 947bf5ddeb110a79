// How a Node program would take the same request: Express validates it, looks the key up by its hash, stores the
// notification in PostgreSQL (once for each idempotency key), enqueues a BullMQ job, and answers 202 after both.
//   node express.mjs REDIS_URL DATABASE KEY     prints {"port": …}; KEY is the one key that exists
// DATABASE is the directory of PostgreSQL's socket and the name of a database: /tmp/pg:name
import { createHash, randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import express from "express";
import { Redis } from "ioredis";
import pg from "pg";

const [url, database, key] = process.argv.slice(2);
const [host, name] = database.split(":");
const pool = new pg.Pool({ host, database: name, user: "postgres", max: 20 });
const queue = new Queue("notifications", { connection: new Redis(url, { maxRetriesPerRequest: null }) });
const hashed = (text) => createHash("sha256").update(text).digest("hex");
await pool.query("INSERT INTO peer_keys VALUES ($1, 'acme')", [hashed(key)]);

const isText = (value, longest) => typeof value === "string" && value.length > 0 && value.length <= longest;
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function isNotification(body) {
  return (
    isObject(body) &&
    isObject(body.audience) &&
    Array.isArray(body.audience.users) &&
    body.audience.users.length > 0 &&
    body.audience.users.length <= 1000 &&
    body.audience.users.every((user) => isText(user, 64)) &&
    isText(body.title, 200) &&
    isText(body.message, 4000) &&
    (body.data === undefined || isObject(body.data))
  );
}

async function authenticate(request, response, next) {
  const [scheme, token] = (request.get("authorization") ?? "").split(" ");
  const found = await pool.query({
    name: "key",
    text: "SELECT tenant FROM peer_keys WHERE sha256 = $1",
    values: [hashed(scheme === "Bearer" && token ? token : "")],
  });
  if (!found.rowCount) return response.status(401).json({ error: "unknown key" });
  request.tenant = found.rows[0].tenant;
  next();
}

const app = express();
app.use(express.json());
app.post("/v1/notifications", authenticate, async (request, response) => {
  if (!isNotification(request.body)) return response.status(422).json({ error: "not a notification" });
  const { audience, title, message, data } = request.body;
  const id = randomUUID();
  const stored = await pool.query({
    name: "accept",
    text:
      "INSERT INTO peer_accepted (id, tenant, idempotency_key, audience, title, message, data) " +
      "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    values: [id, request.tenant, request.get("idempotency-key"), audience, title, message, data ?? {}],
  });
  if (!stored.rowCount) return response.status(409).json({ error: "the idempotency key is known" });
  await queue.add("notify", { id }, { removeOnComplete: true });
  response.status(202).location(`/v1/notifications/${id}`).json({ id, status: "accepted" });
});
const server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
