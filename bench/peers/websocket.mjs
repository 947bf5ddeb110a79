// Socket.IO clients over plain WebSockets, with as little work as possible for each message.
import { randomBytes } from "node:crypto";
import net from "node:net";

const CONCURRENT_CONNECTS = 64;

export function maskedFrame(text) {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length])
    : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255]);
  for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
  return Buffer.concat([head, mask, payload]);
}
const pong = () => maskedFrame("3");

function client(port, greeting, ready, take) {
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
      else if (take(data, from, to)) return;
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

// Opens a connection for each greeting, and returns them in that order. `take(data, from, to)` is called with each
// message of the server; it returns whether it was one that it waits for.
export async function connectAll(port, greetings, ready, take) {
  const sockets = [];
  let next = 0;
  const connectNext = async () => {
    while (next < greetings.length) {
      const at = next++;
      sockets[at] = await client(port, greetings[at], ready, take);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_CONNECTS }, connectNext));
  return sockets;
}
