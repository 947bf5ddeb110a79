/** A wire to the server that a test can cut, as a whole or for sockets alone; and pages that stand on the way. */

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { port } from "../../e2e/installation.ts";

export interface Document {
  type: string;
  body: string;
  headers?: Record<string, string>;
}

export class Wire {
  /** What passes: everything, nothing, or all but WebSockets. */
  passes: "all" | "nothing" | "http" = "all";
  readonly pages = new Map<string, Document>();
  #open = new Set<Socket>();
  #server: Server;

  private constructor() {
    this.#server = createServer((asked, answer) => this.#ask(asked, answer));
    this.#server.on("upgrade", (asked, near: Socket, head: Buffer) => this.#join(asked, near, head));
    this.#server.on("connection", (near) => {
      this.#open.add(near);
      near.on("error", () => undefined).on("close", () => this.#open.delete(near));
      if (this.passes === "nothing") near.destroy();
    });
  }

  static async lay(): Promise<Wire> {
    const wire = new Wire();
    await new Promise<void>((ready) => wire.#server.listen(0, "127.0.0.1", ready));
    return wire;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(passes: "nothing" | "http"): void {
    this.passes = passes;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.passes = "all";
  }

  close(): void {
    this.cut("nothing");
    this.#server.close();
  }

  #ask(asked: IncomingMessage, answer: ServerResponse): void {
    const page = this.pages.get(String(asked.url));
    if (page) return void answer.writeHead(200, { "Content-Type": page.type, ...page.headers }).end(page.body);
    const { method, url: path, headers } = asked;
    const further = request({ host: "127.0.0.1", port: port(), method, path, headers }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      given.pipe(answer);
    });
    further.on("error", () => answer.destroy());
    asked.pipe(further);
  }

  #join(asked: IncomingMessage, near: Socket, head: Buffer): void {
    if (this.passes !== "all") return void near.destroy();
    const far = connect(port(), "127.0.0.1");
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    const lines = Array.from({ length: asked.rawHeaders.length / 2 }, (_, n) =>
      asked.rawHeaders.slice(2 * n, 2 * n + 2).join(": "),
    );
    far.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
  }
}
