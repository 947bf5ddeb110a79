// Many Socket.IO clients over plain WebSockets, the same for every server that is measured. They only connect and count
// events. Reads commands, one JSON object per line, and answers each with one:
//
//   {"do": "connect", "port": 8000, "greetings": ["40{…}", …], "ready": "42[\"session:ready\""}
//       opens a connection for each greeting; answers {"connected": 1000}
//   {"do": "count", "event": "42[\"news\"", "number": 1000}
//       starts counting messages that begin with `event`; answers {"counting": true}
//   {"do": "wait", "seconds": 30}
//       waits until `number` messages have arrived; answers {"counted": 1000}
import readline from "node:readline";
import { connectAll } from "./websocket.mjs";

let [prefix, wanted, counted, done] = [Buffer.from("\0"), Infinity, 0, () => {}];

function count(data, from) {
  if (data.length - from < prefix.length || data.compare(prefix, 0, prefix.length, from, from + prefix.length) !== 0) return false;
  if (++counted === wanted) done();
  return true;
}

const commands = {
  connect: ({ port, greetings, ready }) => connectAll(port, greetings, ready, count),
  count({ event, number }) {
    [prefix, wanted, counted] = [Buffer.from(event), number, 0];
    return { counting: true };
  },
  async wait({ seconds }) {
    if (counted < wanted) {
      await new Promise((resolve) => {
        done = resolve;
        setTimeout(resolve, seconds * 1000).unref();
      });
      done = () => {};
    }
    return { counted };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = await commands[command.do](command);
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
process.exit();
