/** A long operation that continues while the operator uses other views. There is one at a time; it can be stopped. */

import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api/client.ts";
import { messageOf } from "../api/problem.ts";
import type { Outcome, Redrive, Redriven, Scope } from "../api/types.ts";
import { number, plural, words } from "../format.ts";
import { CopyButton, stateName } from "./parts.tsx";

/** Dead letters in one request. Few enough that stopping takes effect within a second or so. */
const BATCH = 200;

export interface Job {
  description: string;
  /** The id of the redrive, from the first answer on. */
  id: string;
  done: number;
  total: number;
  state: "running" | "stopped" | "finished" | "failed";
  error: string;
  /** Letters that stay dead, because sending them again would not help, by why. */
  kept: Record<string, number>;
  /** What became of the others. */
  outcomes: Outcome[];
}

let job: Job | null = null;
let stop = new AbortController();
const listeners = new Set<(job: Job | null) => void>();

function update(next: Job | null): void {
  job = next;
  for (const listener of listeners) listener(job);
}

export function useJob(): Job | null {
  const [current, setCurrent] = useState(job);
  useEffect(() => {
    listeners.add(setCurrent);
    setCurrent(job);
    return () => void listeners.delete(setCurrent);
  }, []);
  return current;
}

/** Milliseconds between two looks at what became of them, and how many looks there are: five minutes. */
const LOOK_INTERVAL = 2000;
const LOOKS = 150;

/** Send dead letters again, in batches, until none is left or the operator stops; then see what becomes of them. */
export async function redriveAll(api: Api, scope: Scope, selection: Redrive, total: number): Promise<void> {
  if (job?.state === "running") throw new Error("Wait until the current redrive has finished.");
  stop = new AbortController();
  const { signal } = stop;
  const description = `${describe(selection)} of ${scope.tenant}${scope.mode === "test" ? " (test)" : ""}`;
  let current: Job = { description, id: "", done: 0, total, state: "running", error: "", kept: {}, outcomes: [] };
  update(current);
  try {
    for (;;) {
      const result: Redriven = await api.redrive(scope, { ...selection, redrive: current.id || null }, BATCH);
      current = { ...current, id: result.id, done: current.done + result.redriven, kept: result.not_redriven };
      if (!result.remaining) current = { ...current, state: "finished" };
      else if (signal.aborted) current = { ...current, state: "stopped" };
      update(current);
      if (current.state !== "running") break;
    }
    if (current.done > 0) void follow(api, scope, current);
  } catch (error) {
    update({ ...current, state: "failed", error: messageOf(error) });
  }
}

/** Show what becomes of the letters, until that is settled or the operator closes the bar. */
async function follow(api: Api, scope: Scope, of: Job): Promise<void> {
  let current = of;
  for (let looks = 0; looks < LOOKS && job === current; looks++) {
    try {
      const { outcomes } = await api.redriveOutcomes(scope, of.id);
      if (job !== current) return;
      current = { ...current, outcomes };
      update(current);
    } catch {
      // A look that fails is repeated: the redrive itself is done.
    }
    if (current.outcomes.length > 0 && !current.outcomes.some(({ state }) => isOpen(state))) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL));
  }
}

const isOpen = (state: Outcome["state"]) => state === "pending" || state === "sending";

/** Such as "480 sent, 12 dead (bad request), 8 not sent again (address gone)". */
function became({ done, outcomes, kept }: Job): string {
  const parts = [`${plural(done, "dead letter")} sent again`];
  const sums = new Map<string, number>();
  for (const { state, failure, number: count } of outcomes) {
    const name = state === "dead" && failure ? `dead again (${words(failure)})` : stateName(state);
    sums.set(name, (sums.get(name) ?? 0) + count);
  }
  if (sums.size) parts.push([...sums].map(([name, count]) => `${number(count)} ${name}`).join(", "));
  for (const [why, count] of Object.entries(kept)) parts.push(`${number(count)} not sent again: ${words(why)}`);
  return parts.join(" · ");
}

function describe(selection: Redrive): string {
  return selection.failure ? `Dead letters (${words(selection.failure)})` : "Dead letters";
}

const STATES: Record<Job["state"], string> = {
  running: "Sending again",
  stopped: "Stopped",
  finished: "Done",
  failed: "Failed",
};

export function JobBar() {
  const current = useJob();
  const [stopping, setStopping] = useState(false);
  useEffect(() => {
    if (current?.state !== "running") setStopping(false);
  }, [current?.state]);
  if (!current) return null;
  const running = current.state === "running";
  const requestStop = () => {
    setStopping(true);
    stop.abort();
  };
  return (
    <section class={`job job-${current.state}`} aria-label="Sending again">
      <div class="job-text">
        <strong>{STATES[current.state]}</strong> <span class="muted">{current.description}</span>
      </div>
      <progress value={current.done} max={Math.max(current.total, current.done, 1)} aria-label="Progress" />
      <div class="job-text numbers" role="status">
        {running ? `${number(current.done)} of ${number(current.total)}` : current.error || became(current)}
      </div>
      {running ? (
        <button type="button" disabled={stopping} onClick={requestStop}>
          {stopping ? "Stopping…" : "Stop"}
        </button>
      ) : (
        <button type="button" class="plain" onClick={() => update(null)}>
          Close
        </button>
      )}
      {!running && current.done > 0 && (
        <div class="ident muted">
          Redrive <code>{current.id}</code>
          <CopyButton text={current.id} what="the ID of the redrive" />
        </div>
      )}
    </section>
  );
}
