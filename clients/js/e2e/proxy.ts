/** A proxy before the server that a test can interrupt, completely or for WebSockets only. It can add pages. */

import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from "node:http";
import { connect, type Socket } from "node:net";
import { port } from "../../e2e/installation.ts";

export interface Document {
  type: string;
  body: string;
  headers?: Record<string, string>;
}

export class NetworkProxy {
  /** What the proxy lets through: everything, nothing, or HTTP without WebSockets. */
  passes: "all" | "nothing" | "http" = "all";
  readonly pages = new Map<string, Document>();
  #open = new Set<Socket>();
  #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#forward(request, response));
    this.#server.on("upgrade", (request, client: Socket, head: Buffer) => this.#connect(request, client, head));
    this.#server.on("connection", (client) => {
      this.#open.add(client);
      client.on("error", () => undefined).on("close", () => this.#open.delete(client));
      if (this.passes === "nothing") client.destroy();
    });
  }

  static async start(): Promise<NetworkProxy> {
    const proxy = new NetworkProxy();
    await new Promise<void>((ready) => proxy.#server.listen(0, "127.0.0.1", ready));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(passes: "nothing" | "http"): void {
    this.passes = passes;
    for (const socket of this.#open) socket.destroy();
  }

  restore(): void {
    this.passes = "all";
  }

  close(): void {
    this.cut("nothing");
    this.#server.close();
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const page = this.pages.get(String(request.url));
    if (page) return void response.writeHead(200, { "Content-Type": page.type, ...page.headers }).end(page.body);
    const { method, url: path, headers } = request;
    const upstream = send({ host: "127.0.0.1", port: port(), method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    request.pipe(upstream);
  }

  #connect(request: IncomingMessage, client: Socket, head: Buffer): void {
    if (this.passes !== "all") return void client.destroy();
    const server = connect(port(), "127.0.0.1");
    server.on("error", () => client.destroy()).on("close", () => client.destroy());
    client.on("close", () => server.destroy());
    const lines = Array.from({ length: request.rawHeaders.length / 2 }, (_, n) =>
      request.rawHeaders.slice(2 * n, 2 * n + 2).join(": "),
    );
    server.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    server.write(head);
    client.pipe(server).pipe(client);
  }
}
