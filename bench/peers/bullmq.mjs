// How a Node program would do it: one BullMQ job per recipient. The worker stores the notification and emits it.
//   node bullmq.mjs worker REDIS_URL DATABASE       prints {} when it is ready
//   node bullmq.mjs producer REDIS_URL DATABASE     reads {"recipients": 1000}; prints {} once the jobs are queued
// DATABASE is the directory of PostgreSQL's socket and the name of a database: /tmp/pg:name
import readline from "node:readline";
import { Emitter } from "@socket.io/redis-emitter";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";

const [role, url, database] = process.argv.slice(2);
const [host, name] = database.split(":");
const pool = new pg.Pool({ host, database: name, user: "postgres", max: 20 });
const connection = new Redis(url, { maxRetriesPerRequest: null });

if (role === "worker") {
  const emitter = new Emitter(new Redis(url));
  const work = async ({ data: { user, content } }) => {
    await pool.query({
      name: "insert",
      text: "INSERT INTO peer_notifications (user_name, title, message, data, sent_at) VALUES ($1, $2, $3, $4, now())",
      values: [user, content.title, content.message, JSON.stringify(content.data)],
    });
    emitter.to(`user:${user}`).emit("news", content);
  };
  const worker = new Worker("notifications", work, { connection, concurrency: 50 });
  await worker.waitUntilReady();
  console.log("{}");
} else {
  const queue = new Queue("notifications", { connection, defaultJobOptions: { removeOnComplete: true } });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { recipients, content } = JSON.parse(line);
    for (let first = 0; first < recipients; first += 1000) {
      const number = Math.min(1000, recipients - first);
      await queue.addBulk(
        Array.from({ length: number }, (_, i) => ({ name: "notify", data: { user: `u${first + i}`, content } })),
      );
    }
    console.log("{}");
  }
  process.exit();
}
