// How a Node program would do it: Socket.IO with the Redis adapter in one process, and the Redis emitter in another.
//   node socketio.mjs serve REDIS_URL     prints {"port": …}; every client joins "everybody" and user:<auth.user>
//   node socketio.mjs emit REDIS_URL      reads {"room": "everybody", …} or {"users": 1000, …}; prints {} when done
import { createServer } from "node:http";
import readline from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const [role, url] = process.argv.slice(2);

if (role === "serve") {
  const publisher = new Redis(url);
  const io = new Server(createServer(), { adapter: createAdapter(publisher, publisher.duplicate()) });
  io.on("connection", (socket) => socket.join(["everybody", `user:${socket.handshake.auth.user}`]));
  io.httpServer.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: io.httpServer.address().port })));
} else {
  const emitter = new Emitter(new Redis(url));
  let seq = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { room, users, payload } = JSON.parse(line);
    seq++;
    if (room) emitter.to(room).emit("news", { ...payload, room, seq });
    // One message per user, because each has its own seq.
    for (let i = 0; i < users; i++) emitter.to(`user:u${i}`).emit("news", { ...payload, room: `user:u${i}`, seq });
    console.log("{}");
  }
  process.exit();
}
