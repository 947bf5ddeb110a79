/** A value that changes, and those who follow it. */

export class Live<State> {
  #state: State;
  readonly #listeners = new Set<() => void>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Whether anybody follows. */
  get isActive(): boolean {
    return this.#listeners.size > 0;
  }

  /** Call a function at every change. Returns a function that stops it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.started();
    return () => {
      if (this.#listeners.delete(listener) && !this.isActive) this.stopped();
    };
  };

  protected set(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }

  /** The first listener has come. */
  protected started(): void {}

  /** The last listener has gone. */
  protected stopped(): void {}
}
