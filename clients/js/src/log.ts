/**
 * Ordering and loss: which events to deliver, in which order, and whether one is missing. All functions are pure; they
 * return a new state. docs/realtime.md describes what the server guarantees about sequence numbers.
 */

/** An event from the server. Only events with `room` and `seq` are part of the log. */
export interface ServerEvent {
  name: string;
  payload: Payload;
}

/** The members of any event. */
export type Payload = Record<string, unknown> & { room?: string; seq?: number };

/** The highest sequence number without a gap, by room. */
export type Positions = Readonly<Record<string, number>>;

/** What a client has received, in the server's terms. The cursor describes the same position, or a slightly older one. */
export interface Position {
  readonly epoch: string;
  readonly positions: Positions;
  readonly cursor: string | null;
}

/** A position, and the events that arrived after a gap, ordered by sequence number. */
export interface LogState extends Position {
  readonly waiting: Readonly<Record<string, readonly Range[]>>;
}

/** The numbers `first` to `last` of a room. `event` is null if the range has no event for this client. */
interface Range {
  first: number;
  last: number;
  event: ServerEvent | null;
}

/** The result of an input: the new state, the events to deliver now, and whether the client has to fetch its data again. */
export interface Step {
  state: LogState;
  events: ServerEvent[];
  reset: boolean;
}

/** The most events that wait in a room. Events beyond it are dropped, and requested together with the gap. */
export const MAX_WAITING = 200;

export const EMPTY_LOG: LogState = { epoch: "", positions: {}, cursor: null, waiting: {} };

/** Continue from a saved position. */
export function resume(position: Position): LogState {
  return { ...position, waiting: {} };
}

/** Whether events are waiting for a missing one. */
export function hasGap(state: LogState): boolean {
  return Object.values(state.waiting).some((waiting) => waiting.length > 0);
}

/** Handle an event. */
export function receive(state: LogState, event: ServerEvent, maxWaiting = MAX_WAITING): Step {
  const { room, seq } = event.payload;
  if (typeof room !== "string" || typeof seq !== "number") return { state, events: [event], reset: false };
  const range = rangeOf(event, seq);
  // An unknown room starts with its first event.
  const known = state.positions[room] ?? range.first - 1;
  const waiting = insert(state.waiting[room] ?? [], range, known, maxWaiting);
  return deliver(withWaiting(state, room, known, waiting), room);
}

/**
 * Handle a report of the server: it has sent everything up to `at` to a client that was at `since`, ending with `events`.
 * With `complete` false, part of it no longer exists. A client that was not yet at `since` cannot rely on the report; it
 * handles the events only.
 */
export function advance(
  state: LogState,
  at: Position,
  since: Positions,
  complete: boolean,
  events: readonly ServerEvent[] = [],
): Step {
  const behind = Object.entries(since).some(([room, seq]) => (state.positions[room] ?? seq) < seq);
  if (behind) return receiveAll(events, state);
  // The first position is a reset too: data fetched before it may lack events from the time in between.
  const reset = !complete || state.cursor === null || state.epoch !== at.epoch;
  const positions = reset ? {} : state.positions;
  const step = receiveAll(events, { ...state, epoch: at.epoch, cursor: at.cursor, positions });
  step.reset = reset;
  for (const [room, seq] of Object.entries(at.positions)) {
    const known = Math.max(seq, step.state.positions[room] ?? 0);
    // The server has checked that the numbers between the events it sent have none.
    const waiting = step.state.waiting[room] ?? [];
    if (!reset) step.events.push(...waiting.flatMap(({ last, event }) => (last <= known && event ? [event] : [])));
    const later = waiting.filter(({ last }) => last > known);
    const next = deliver(withWaiting(step.state, room, known, later), room);
    step.state = next.state;
    step.events.push(...next.events);
  }
  return step;
}

function receiveAll(events: readonly ServerEvent[], state: LogState): Step {
  const step: Step = { state, events: [], reset: false };
  for (const event of events) {
    const next = receive(step.state, event, Number.POSITIVE_INFINITY);
    step.state = next.state;
    step.events.push(...next.events);
  }
  return step;
}

function rangeOf(event: ServerEvent, seq: number): Range {
  if (event.name !== "event:skipped") return { first: seq, last: seq, event };
  const { from } = event.payload;
  return { first: typeof from === "number" ? from : seq, last: seq, event: null };
}

function insert(waiting: readonly Range[], range: Range, known: number, maxWaiting: number): readonly Range[] {
  if (waiting.some((other) => other.last === range.last)) return waiting;
  if (waiting.length >= maxWaiting && range.first > known + 1) return waiting;
  return [...waiting, range].sort((a, b) => a.first - b.first);
}

/** Take the events that no longer wait for a missing one. */
function deliver(state: LogState, room: string): Step {
  const waiting = [...(state.waiting[room] ?? [])];
  let known = state.positions[room] ?? 0;
  const events: ServerEvent[] = [];
  while (waiting[0] && waiting[0].first <= known + 1) {
    const next = waiting.shift() as Range;
    if (next.last > known && next.event) events.push(next.event);
    known = Math.max(known, next.last);
  }
  return { state: withWaiting(state, room, known, waiting), events, reset: false };
}

function withWaiting(state: LogState, room: string, known: number, waiting: readonly Range[]): LogState {
  return {
    ...state,
    positions: { ...state.positions, [room]: known },
    waiting: { ...state.waiting, [room]: waiting },
  };
}
