/** One Socket.IO connection: the only file that knows the library. Who connects again, and when, is said elsewhere. */

import { io } from "socket.io-client";
import { CarillonError } from "./errors.ts";
import type { Payload, Told } from "./log.ts";

/** What a server answers to an event. */
export type Answer = Record<string, unknown>;

/** What becomes of a connection. */
export interface Listener {
  told(told: Told): void;
  /** It has ended, or did not come about. */
  down(error: CarillonError): void;
}

export interface Socket {
  /** Try once. `auth` is what the handshake shows. */
  open(auth: Record<string, unknown>): void;
  /** Send an event and wait for the answer. Rejects with CarillonError. */
  request(name: string, payload: unknown, timeout: number): Promise<Answer>;
  close(): void;
}

export type OpenSocket = (url: string, listener: Listener) => Socket;

export const socketIo: OpenSocket = (url, listener) => {
  let auth: Record<string, unknown> = {};
  const socket = io(url || undefined, {
    // Without sticky sessions only WebSocket reaches the same process twice; where it is blocked, we poll the log.
    transports: ["websocket"],
    reconnection: false,
    autoConnect: false,
    forceNew: true,
    timeout: 10_000,
    auth: (give) => give(auth),
  });
  socket.onAny((name: string, payload: Payload | undefined) => listener.told({ name, payload: payload ?? {} }));
  socket.on("disconnect", (reason) => listener.down(new CarillonError("disconnected", reason)));
  socket.on("connect_error", (error: Error & { data?: { code?: string } }) =>
    listener.down(new CarillonError(error.data?.code ?? "unreachable", error.message)),
  );
  return {
    open(shown) {
      auth = shown;
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
