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
import { randomBytes } from "node:crypto";
import net from "node:net";
import readline from "node:readline";

const CONCURRENT_CONNECTS = 64;
let [prefix, wanted, counted, done] = [Buffer.from("\0"), Infinity, 0, () => {}];
// The connections, and what waits for the answer to each event that was sent.
const [sockets, waiting] = [[], new Map()];
let sent = 0;

function maskedFrame(text) {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length])
    : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255]);
  for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
  return Buffer.concat([head, mask, payload]);
}
const pong = () => maskedFrame("3");

function client(port, greeting, ready) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let [rest, upgraded] = [Buffer.alloc(0), false];
    const isReady = Buffer.from(ready);
    socket.setNoDelay(true);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
    socket.write(
      `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
        `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
    const message = (data, from, to) => {
      if (data[from] === 0x30) socket.write(maskedFrame(greeting)); // Engine.IO: open
      else if (data[from] === 0x32) socket.write(pong()); // ping
      else if (data.length - from >= prefix.length && data.compare(prefix, 0, prefix.length, from, from + prefix.length) === 0) {
        if (++counted === wanted) done();
      } else if (data[from] === 0x34 && data[from + 1] === 0x33) answered(data.toString("utf8", from + 2, to));
      else if (data.subarray(from, to).indexOf(isReady) === 0) resolve(socket);
      else if (data[from + 1] === 0x34) reject(new Error(data.toString("utf8", from, to))); // connect error
    };
    socket.on("data", (chunk) => {
      const data = rest.length ? Buffer.concat([rest, chunk]) : chunk;
      let at = 0;
      if (!upgraded) {
        const end = data.indexOf("\r\n\r\n");
        if (end < 0) return void (rest = data);
        [upgraded, at] = [true, end + 4];
      }
      while (data.length - at >= 2) {
        let [length, head] = [data[at + 1] & 127, 2];
        if (length === 126) [length, head] = [data.length - at >= 4 ? data.readUInt16BE(at + 2) : Infinity, 4];
        else if (length === 127) [length, head] = [data.length - at >= 10 ? Number(data.readBigUInt64BE(at + 2)) : Infinity, 10];
        if (data.length - at < head + length) break;
        if ((data[at] & 15) === 1) message(data, at + head, at + head + length);
        at += head + length;
      }
      rest = at < data.length ? data.subarray(at) : Buffer.alloc(0);
    });
  });
}

function answered(text) {
  const number = Number.parseInt(text, 10);
  waiting.get(number)?.(JSON.parse(text.slice(String(number).length)));
  waiting.delete(number);
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
  let [next, connected] = [0, 0];
  const connectNext = async () => {
    while (next < greetings.length) {
      const at = next++;
      sockets[at] = await client(port, greetings[at], ready);
      connected++;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_CONNECTS }, connectNext));
  return { connected };
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
