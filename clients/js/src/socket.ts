/** One Socket.IO connection. Only this file uses the library. It does not reconnect; connection.ts does. */

import { io } from "socket.io-client";
import { CarillonError } from "./errors.ts";
import type { Payload, ServerEvent } from "./log.ts";

/** The answer of the server to an event. */
export type Answer = Record<string, unknown>;

/** Reports of a connection. */
export interface Listener {
  event(event: ServerEvent): void;
  /** The connection has ended, or could not be opened. */
  closed(error: CarillonError): void;
}

export interface Socket {
  /** Try once to connect. `auth` is sent in the handshake. */
  open(auth: Record<string, unknown>): void;
  /** Send an event and wait for the answer. Rejects with CarillonError. */
  request(name: string, payload: unknown, timeout: number): Promise<Answer>;
  close(): void;
}

export type OpenSocket = (url: string, listener: Listener) => Socket;

export const socketIo: OpenSocket = (url, listener) => {
  let auth: Record<string, unknown> = {};
  const socket = io(url || undefined, {
    // Without sticky sessions, only WebSocket reaches the same process again. If it is blocked, the client polls.
    transports: ["websocket"],
    reconnection: false,
    autoConnect: false,
    forceNew: true,
    timeout: 10_000,
    auth: (send) => send(auth),
  });
  socket.onAny((name: string, payload: Payload | undefined) => listener.event({ name, payload: payload ?? {} }));
  socket.on("disconnect", (reason) => listener.closed(new CarillonError("disconnected", reason)));
  socket.on("connect_error", (error: Error & { data?: { code?: string } }) =>
    listener.closed(new CarillonError(error.data?.code ?? "unreachable", error.message)),
  );
  return {
    open(given) {
      auth = given;
      socket.connect();
    },
    async request(name, payload, timeout) {
      if (!socket.connected) throw new CarillonError("disconnected", "there is no connection");
      const answer = await socket
        .timeout(timeout)
        .emitWithAck(name, payload)
        .catch(() => {
          throw new CarillonError("timeout", `${name} was not answered in time`);
        });
      if (answer?.ok) return answer;
      throw new CarillonError(answer?.error?.code ?? "internal", answer?.error?.message ?? "the event was refused");
    },
    close() {
      socket.disconnect();
    },
  };
};
