/**
 * Order and loss: which events a page is told, in which order, and whether something is missing. Pure: no clock, no
 * network, no storage; every function returns a new state. What a server promises about numbers: docs/realtime.md.
 */

/** An event as it comes from the server. Only numbered ones (`room` and `seq`) are in the log. */
export interface Told {
  name: string;
  payload: Payload;
}

/** What every event may have beside its own members. */
export type Payload = Record<string, unknown> & { room?: string; seq?: number };

/** The highest number without a gap, by room. */
export type Positions = Readonly<Record<string, number>>;

/** Where a client stands: what the server calls its position. The cursor says the same, or a little less. */
export interface Position {
  readonly epoch: string;
  readonly positions: Positions;
  readonly cursor: string | null;
}

/** A position, and the events that came too early: beyond a gap, in the order of their numbers. */
export interface LogState extends Position {
  readonly waiting: Readonly<Record<string, readonly Numbered[]>>;
}

/** Numbers `first` to `last` of a room; `told` is null where they hold nothing for this client. */
interface Numbered {
  first: number;
  last: number;
  told: Told | null;
}

/** What follows from an input: the new state, the events to tell now, whether the client has to fetch its state anew. */
export interface Step {
  state: LogState;
  tell: Told[];
  reset: boolean;
}

/** So many may wait in a room; what is let go then, the server is asked for with the rest of the gap. */
export const MOST_WAITING = 200;

export const NOWHERE: LogState = { epoch: "", positions: {}, cursor: null, waiting: {} };

/** Go on from a position that was kept. */
export function resume(position: Position): LogState {
  return { ...position, waiting: {} };
}

/** Whether something came that follows something missing. */
export function hasGap(state: LogState): boolean {
  return Object.values(state.waiting).some((waiting) => waiting.length > 0);
}

/** An event has come. Where `most` are waiting already, one that has to wait is let go. */
export function receive(state: LogState, told: Told, most = MOST_WAITING): Step {
  const { room, seq } = told.payload;
  if (typeof room !== "string" || typeof seq !== "number") return { state, tell: [told], reset: false };
  const numbered = numberedOf(told, seq);
  // A room nobody spoke of begins with what is heard first.
  const known = state.positions[room] ?? numbered.first - 1;
  return drain(withWaiting(state, room, known, insert(state.waiting[room] ?? [], numbered, known, most)), room);
}

/**
 * The server says that everything up to `at` was sent to a client that stood at `since`, the last of it being `told`.
 * Whoever stood further back then cannot take its word for it, and goes on detecting what is missing. `complete` false:
 * part of it is gone.
 */
export function arrive(
  state: LogState,
  at: Position,
  since: Positions,
  complete: boolean,
  told: readonly Told[] = [],
): Step {
  const behind = Object.entries(since).some(([room, seq]) => (state.positions[room] ?? seq) < seq);
  if (behind) return together(told, state);
  // The first position of all as well: what was fetched before it may lack what happened in between.
  const reset = !complete || state.cursor === null || state.epoch !== at.epoch;
  const step = together(told, {
    ...state,
    epoch: at.epoch,
    cursor: at.cursor,
    positions: reset ? {} : state.positions,
  });
  step.reset = reset;
  for (const [room, seq] of Object.entries(at.positions)) {
    const known = Math.max(seq, step.state.positions[room] ?? 0);
    // Numbers between those that came hold nothing: the server has looked.
    const waiting = step.state.waiting[room] ?? [];
    if (!reset) step.tell.push(...waiting.flatMap((one) => (one.last <= known && one.told ? [one.told] : [])));
    const later = waiting.filter((one) => one.last > known);
    const next = drain(withWaiting(step.state, room, known, later), room);
    step.state = next.state;
    step.tell.push(...next.tell);
  }
  return step;
}

function together(told: readonly Told[], state: LogState): Step {
  const step: Step = { state, tell: [], reset: false };
  for (const one of told) {
    const next = receive(step.state, one, Infinity);
    step.state = next.state;
    step.tell.push(...next.tell);
  }
  return step;
}

function numberedOf(told: Told, seq: number): Numbered {
  if (told.name !== "event:skipped") return { first: seq, last: seq, told };
  return { first: typeof told.payload["from"] === "number" ? told.payload["from"] : seq, last: seq, told: null };
}

function insert(waiting: readonly Numbered[], one: Numbered, known: number, most: number): readonly Numbered[] {
  if (waiting.some((other) => other.last === one.last)) return waiting;
  if (waiting.length >= most && one.first > known + 1) return waiting;
  return [...waiting, one].sort((a, b) => a.first - b.first);
}

/** Tell what is no longer waiting for anything. */
function drain(state: LogState, room: string): Step {
  const waiting = [...(state.waiting[room] ?? [])];
  let known = state.positions[room] ?? 0;
  const tell: Told[] = [];
  while (waiting[0] && waiting[0].first <= known + 1) {
    const next = waiting.shift() as Numbered;
    if (next.last > known && next.told) tell.push(next.told);
    known = Math.max(known, next.last);
  }
  return { state: withWaiting(state, room, known, waiting), tell, reset: false };
}

function withWaiting(state: LogState, room: string, known: number, waiting: readonly Numbered[]): LogState {
  return {
    ...state,
    positions: { ...state.positions, [room]: known },
    waiting: { ...state.waiting, [room]: waiting },
  };
}
