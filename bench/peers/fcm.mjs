// A stand-in for FCM that accepts every message. It serves HTTP/2 with TLS, and HTTP/1.1 with TLS on a second port for
// clients without HTTP/2. Prints {"h2": port, "h1": port}.
//
// Node's http2 server answers about 9,000 requests/s, which would limit the measurement. So this parses HTTP/2 frames
// itself, and only as much as it needs to find the end of a request. It also leaves more CPU time to the sender, as
// Google's servers, which run elsewhere, would.
import { readFileSync } from "node:fs";
import https from "node:https";
import tls from "node:tls";

const keyAndCertificate = readFileSync(process.argv[2]);
const options = { key: keyAndCertificate, cert: keyAndCertificate };
let accepted = 0;
const answer = () => `{"name":"projects/bench/messages/${String(++accepted).padStart(9, "0")}"}`;

const [DATA, HEADERS, SETTINGS, PING] = [0, 1, 4, 6];
const [ACK, END_STREAM, END_HEADERS] = [1, 1, 4];
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

function frame(type, flags, stream, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

// SETTINGS: MAX_CONCURRENT_STREAMS is 100, as at Google. WINDOW_UPDATE: a window that the benchmark never fills.
const HELLO = Buffer.concat([
  frame(SETTINGS, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100])),
  frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0, 0])),
]);
// HPACK: ":status: 200" is the static table's eighth entry; "content-type: application/json", not indexed.
const type = Buffer.from("application/json");
const ANSWER = Buffer.concat([
  frame(HEADERS, END_HEADERS, 0, Buffer.concat([Buffer.from([0x88, 0x0f, 0x10, type.length]), type])),
  frame(DATA, END_STREAM, 0, Buffer.from(answer())),
]);
const DATA_FRAME = ANSWER.indexOf(type) + type.length; // where the second frame begins

function serve(socket) {
  let rest = Buffer.alloc(0);
  let greeted = false;
  socket.setNoDelay(true);
  socket.write(HELLO);
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    let data = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    const out = [];
    if (!greeted) {
      if (data.length < PREFACE) return void (rest = data);
      [greeted, at] = [true, PREFACE];
    }
    while (data.length - at >= 9) {
      const length = data.readUIntBE(at, 3);
      if (data.length - at < 9 + length) break;
      const [kind, flags] = [data[at + 3], data[at + 4]];
      if (kind === SETTINGS && !(flags & ACK)) out.push(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
      if (kind === PING && !(flags & ACK)) out.push(frame(PING, ACK, 0, data.subarray(at + 9, at + 17)));
      if ((kind === DATA || kind === HEADERS) && flags & END_STREAM) {
        const reply = Buffer.from(ANSWER);
        reply.writeUInt32BE(data.readUInt32BE(at + 5), 5);
        reply.writeUInt32BE(data.readUInt32BE(at + 5), DATA_FRAME + 5);
        reply.write(answer(), DATA_FRAME + 9);
        out.push(reply);
      }
      at += 9 + length;
    }
    rest = data.subarray(at);
    if (out.length) socket.write(Buffer.concat(out));
  });
}

const h2 = tls.createServer({ ...options, ALPNProtocols: ["h2"] }, serve);
const h1 = https.createServer({ ...options, keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  request.on("end", () => {
    response.setHeader("content-type", "application/json; charset=UTF-8");
    response.end(answer());
  });
});
h2.listen(0, "127.0.0.1", () =>
  h1.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ h2: h2.address().port, h1: h1.address().port }))),
);
