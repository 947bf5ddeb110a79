// Services that ask as fast as they are answered, each over one kept connection.
//   {"port": 8000, "path": "/v1/notifications", "key": "ck_…", "connections": 4, "seconds": 10, "body": {…}}
// answers {"rate": per second, "p50": ms, "p99": ms, "refused": how many were not answered 202}
import { randomUUID } from "node:crypto";
import http from "node:http";
import readline from "node:readline";

function ask(agent, { port, path, key, body }) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": randomUUID() };
    const request = http.request({ host: "127.0.0.1", port, path, method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const took = [];
  let refused = 0;
  const end = performance.now() + asked.seconds * 1000;
  const caller = async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (performance.now() < end) {
      const began = performance.now();
      if ((await ask(agent, asked)) !== 202) refused++;
      took.push(performance.now() - began);
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: asked.connections }, caller));
  took.sort((a, b) => a - b);
  const at = (share) => took[Math.floor(share * (took.length - 1))];
  console.log(JSON.stringify({ rate: took.length / asked.seconds, p50: at(0.5), p99: at(0.99), refused }));
}
process.exit();
