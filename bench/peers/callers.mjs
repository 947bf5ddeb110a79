// HTTP clients that send the next request as soon as the last is answered, each over one keep-alive connection.
//   {"port": 8000, "path": "/v1/notifications", "key": "ck_…", "connections": 4, "seconds": 10, "body": {…}}
// answers {"rate": requests per second, "p50": ms, "p99": ms, "refused": number of answers other than 202}
import { randomUUID } from "node:crypto";
import http from "node:http";
import readline from "node:readline";

function send(agent, { port, path, key, body }) {
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
  const command = JSON.parse(line);
  const latencies = [];
  let refused = 0;
  const end = performance.now() + command.seconds * 1000;
  const caller = async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (performance.now() < end) {
      const began = performance.now();
      if ((await send(agent, command)) !== 202) refused++;
      latencies.push(performance.now() - began);
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: command.connections }, caller));
  latencies.sort((a, b) => a - b);
  const percentile = (share) => latencies[Math.floor(share * (latencies.length - 1))];
  const rate = latencies.length / command.seconds;
  console.log(JSON.stringify({ rate, p50: percentile(0.5), p99: percentile(0.99), refused }));
}
process.exit();
