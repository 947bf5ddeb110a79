// How a Node program would do chat: Socket.IO with the Redis adapter. It stores one row and emits to the room.
//   node chat.mjs REDIS_URL DATABASE     prints {"port": …}; every client joins the room of one conversation
// DATABASE is the directory of PostgreSQL's socket and the name of a database: /tmp/pg:name
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import pg from "pg";
import { Server } from "socket.io";

const [url, database] = process.argv.slice(2);
const [host, name] = database.split(":");
const pool = new pg.Pool({ host, database: name, user: "postgres", max: 20 });
const publisher = new Redis(url);
const io = new Server(createServer(), { adapter: createAdapter(publisher, publisher.duplicate()) });

io.on("connection", (socket) => {
  const { user } = socket.handshake.auth;
  socket.join("conversation");
  socket.on("chat:send", async ({ content, tempId }, answer) => {
    const { rows } = await pool.query({
      name: "insert",
      text: "INSERT INTO peer_messages (sender, content, sent_at) VALUES ($1, $2, now()) RETURNING id, sent_at",
      values: [user, content],
    });
    const message = { id: rows[0].id, sender: user, content, createdAt: rows[0].sent_at, tempId };
    io.to("conversation").emit("chat:message", message);
    answer({ ok: true, ...message });
  });
  socket.on("chat:typing", ({ isTyping }, answer) => {
    socket.to("conversation").emit(isTyping ? "chat:typing:start" : "chat:typing:stop", { user });
    answer({ ok: true });
  });
});
io.httpServer.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: io.httpServer.address().port })));
