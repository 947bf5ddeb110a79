// Many Socket.IO clients over plain WebSockets, the same for every server that is measured. They connect, count events
// and send some. Reads commands, one JSON object per line, and answers each with one:
//
//   {"do": "connect", "port": 8000, "greetings": ["40{…}", …], "ready": "42[\"session:ready\""}
//       opens a connection for each greeting; answers {"connected": 1000}
//   {"do": "count", "event": "42[\"news\"", "number": 1000}
//       starts counting messages that begin with `event`; answers {"counting": true}
//   {"do": "wait", "seconds": 30}
//       waits until `number` messages have arrived; answers {"counted": 1000}
//   {"do": "send", "event": "chat:send", "payload": {…}, "clients": 10, "each": 20}
//       the first clients each send the event so many times, one after the other, and wait for every answer. "#" in a
//       text of the payload becomes a number; answers {"answered": 200, "milliseconds": [1.2, …]}
import readline from "node:readline";
import { connectAll, maskedFrame } from "./websocket.mjs";

let [prefix, wanted, counted, done] = [Buffer.from("\0"), Infinity, 0, () => {}];
// The connections, and what waits for the answer to each event that was sent.
const [sockets, waiting] = [[], new Map()];
let sent = 0;

function count(data, from) {
  if (data.length - from < prefix.length || data.compare(prefix, 0, prefix.length, from, from + prefix.length) !== 0) return false;
  if (++counted === wanted) done();
  return true;
}

function answered(data, from, to) {
  if (data[from] !== 0x34 || data[from + 1] !== 0x33) return false;
  const text = data.toString("utf8", from + 2, to);
  const number = Number.parseInt(text, 10);
  waiting.get(number)?.(JSON.parse(text.slice(String(number).length)));
  waiting.delete(number);
  return true;
}

function ask(socket, event, payload) {
  const number = sent++;
  const numbered = JSON.stringify([event, payload]).replaceAll("#", String(number));
  return new Promise((resolve) => {
    waiting.set(number, resolve);
    socket.write(maskedFrame(`42${number}${numbered}`));
  });
}

async function connect({ port, greetings, ready }) {
  const opened = await connectAll(port, greetings, ready, (data, from, to) => count(data, from) || answered(data, from, to));
  sockets.push(...opened);
  return { connected: opened.length };
}

const commands = {
  connect,
  count({ event, number }) {
    [prefix, wanted, counted] = [Buffer.from(event), number, 0];
    return { counting: true };
  },
  async send({ event, payload, clients, each }) {
    const milliseconds = [];
    const sendAll = async (socket) => {
      for (let i = 0; i < each; i++) {
        const began = performance.now();
        const [answer] = await ask(socket, event, payload);
        if (!answer.ok) throw new Error(JSON.stringify(answer));
        milliseconds.push(performance.now() - began);
      }
    };
    await Promise.all(sockets.slice(0, clients).map(sendAll));
    return { answered: milliseconds.length, milliseconds };
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
