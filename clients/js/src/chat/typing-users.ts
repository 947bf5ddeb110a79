/** Who types in a conversation, for display, and telling the others that the user does. */

import type { Client } from "../client.ts";
import { Live } from "./live.ts";
import { apply, expire, type Told, type Typing, tell } from "./typing.ts";

export class TypingUsers extends Live<readonly string[]> {
  #typing: Typing = {};
  #told: Told = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly id: string,
    private readonly client: Client,
  ) {
    super([]);
  }

  /** Call it with true at each input, and with false when the user stops. It does not ask the server each time. */
  tell = (isTyping: boolean): void => {
    const { told, signal } = tell(this.#told, isTyping, Date.now());
    this.#told = told;
    if (signal === null || this.client.state !== "live") return;
    void this.client.request("chat:typing", { conversationId: this.id, isTyping: signal }).catch(() => undefined);
  };

  handle(name: string, payload: Record<string, unknown>): void {
    if (payload.userKey === this.client.user) return;
    this.#update(apply(this.#typing, name, payload, Date.now()));
  }

  #update(typing: Typing): void {
    if (typing === this.#typing) return;
    this.#typing = typing;
    const users = Object.keys(typing);
    if (users.join() !== this.state.join()) this.set(users);
    clearTimeout(this.#timer);
    if (!users.length) return;
    const first = Math.min(...Object.values(typing));
    this.#timer = setTimeout(() => this.#update(expire(this.#typing, Date.now())), Math.max(0, first - Date.now()));
  }
}
