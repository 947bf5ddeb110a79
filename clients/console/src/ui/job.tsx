/** A long operation that continues while the operator uses other views. There is one at a time; it can be stopped. */

import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api/client.ts";
import { messageOf } from "../api/problem.ts";
import type { Redrive, Scope } from "../api/types.ts";
import { number, plural, words } from "../format.ts";

/** Dead letters in one request. Few enough that stopping takes effect within a second or so. */
const BATCH = 200;

export interface Job {
  description: string;
  done: number;
  total: number;
  state: "running" | "stopped" | "finished" | "failed";
  error: string;
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

/** Send dead letters again, in batches, until none is left or the operator stops. */
export async function redriveAll(api: Api, scope: Scope, selection: Redrive, total: number): Promise<void> {
  if (job?.state === "running") throw new Error("Wait until the current redrive has finished.");
  stop = new AbortController();
  const { signal } = stop;
  const description = `${describe(selection)} of ${scope.tenant}${scope.mode === "test" ? " (test)" : ""}`;
  let current: Job = { description, done: 0, total, state: "running", error: "" };
  update(current);
  try {
    for (;;) {
      const result = await api.redrive(scope, selection, BATCH);
      current = { ...current, done: current.done + result.redriven };
      if (!result.remaining) current = { ...current, state: "finished" };
      else if (signal.aborted) current = { ...current, state: "stopped" };
      update(current);
      if (current.state !== "running") return;
    }
  } catch (error) {
    update({ ...current, state: "failed", error: messageOf(error) });
  }
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
        {running
          ? `${number(current.done)} of ${number(current.total)}`
          : current.error || `${plural(current.done, "dead letter")} sent again`}
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
    </section>
  );
}
