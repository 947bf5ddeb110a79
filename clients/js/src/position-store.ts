/** Where a client keeps its position between two visits. */

import { EMPTY_LOG, type Position } from "./log.ts";

export type Store = Pick<Storage, "getItem" | "setItem">;

export class PositionStore {
  /** Without a store, the browser's localStorage is used. With null, nothing is kept. */
  constructor(
    private readonly key: string,
    private readonly store: Store | null | undefined,
  ) {}

  load(): Position {
    try {
      const kept = JSON.parse(this.#storage()?.getItem(this.key) ?? "null") as Position | null;
      if (typeof kept?.epoch === "string" && typeof kept.positions === "object") return kept;
    } catch {
      // Storage is blocked, or has something else: the same as on a first visit.
    }
    return positionOf(EMPTY_LOG);
  }

  save(position: Position): void {
    try {
      this.#storage()?.setItem(this.key, JSON.stringify(positionOf(position)));
    } catch {
      // Storage is full or blocked: the next visit starts with the current inbox.
    }
  }

  #storage(): Store | null {
    if (this.store !== undefined) return this.store;
    return typeof localStorage === "undefined" ? null : localStorage;
  }
}

/** The position alone, of an object that may have more. */
export function positionOf({ epoch, positions, cursor }: Position): Position {
  return { epoch, positions, cursor };
}
