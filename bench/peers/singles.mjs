// Sends notifications to one user each, at a steady rate whatever the answers take, and measures when each arrives on
// the user's screen.
//   {"port": 8000, "key": "ck_…", "users": ["u1", …], "greetings": ["40{…}", …], "ready": "42[\"session:ready\""}
//       opens a connection for each greeting; answers {"connected": 1000}
//   {"rate": 200, "seconds": 10}
//       answers {"sent": 2000, "shown": 2000, "refused": 0, "p50": ms, "p99": ms}, once all are shown or after a minute
import http from "node:http";
import readline from "node:readline";
import { connectAll } from "./websocket.mjs";

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const EVENT = Buffer.from('42["notification:new"');
const STAMP = '"sent_ms":';
let [target, latencies, refused, sent] = [null, [], 0, 0];

function take(data, from, to) {
  if (data.compare(EVENT, 0, EVENT.length, from, from + EVENT.length) !== 0) return false;
  const text = data.toString("utf8", from, to);
  const at = text.indexOf(STAMP);
  latencies.push(performance.now() - parseFloat(text.slice(at + STAMP.length).trimStart()));
  return true;
}

function post() {
  const { port, key, users } = target;
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const request = http.request({ host: "127.0.0.1", port, path: "/v1/notifications", method: "POST", agent, headers }, (response) => {
    response.resume();
    if (response.statusCode !== 202) refused++;
  });
  request.on("error", () => refused++);
  const audience = { users: [users[sent++ % users.length]] };
  const content = { title: "Backup finished", message: "All 3 volumes were saved.", data: { sent_ms: performance.now() } };
  request.end(JSON.stringify({ audience, channels: ["in_app"], ...content }));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function measure({ rate, seconds }) {
  [latencies, refused, sent] = [[], 0, 0];
  const began = performance.now();
  while (sent < rate * seconds) {
    if ((performance.now() - began) * rate >= sent * 1000) post();
    else await pause(1);
  }
  const end = performance.now() + 60_000;
  while (latencies.length + refused < sent && performance.now() < end) await pause(20);
  latencies.sort((a, b) => a - b);
  const percentile = (share) => latencies[Math.floor(share * (latencies.length - 1))] ?? null;
  return { sent, shown: latencies.length, refused, p50: percentile(0.5), p99: percentile(0.99) };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  if (command.greetings) {
    target = command;
    answer = { connected: (await connectAll(command.port, command.greetings, command.ready, take)).length };
  } else answer = await measure(command);
  console.log(JSON.stringify(answer));
}
process.exit();
