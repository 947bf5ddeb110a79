/** Long work: goes on while one looks at other views, shows how far it is, and can be stopped. One at a time. */

import { useEffect, useState } from "preact/hooks";
import { Problem, type Api, type Redrive, type Scope } from "../api.ts";
import { number, plural } from "../format.ts";

/** Letters in one request: small enough to be stopped within a moment. */
const STEP = 200;

export interface Job {
  what: string;
  done: number;
  total: number;
  state: "running" | "stopped" | "finished" | "failed";
  error: string;
}

let job: Job | null = null;
let stopping = new AbortController();
const watchers = new Set<(job: Job | null) => void>();

function tell(next: Job | null): void {
  job = next;
  for (const watcher of watchers) watcher(job);
}

export function useJob(): Job | null {
  const [seen, setSeen] = useState(job);
  useEffect(() => {
    watchers.add(setSeen);
    setSeen(job);
    return () => void watchers.delete(setSeen);
  }, []);
  return seen;
}

/** Send dead letters again, in steps, until none is left or somebody says stop. */
export async function redriveAll(api: Api, scope: Scope, which: Redrive, total: number): Promise<void> {
  if (job?.state === "running") throw new Error("Something is being sent again already.");
  stopping = new AbortController();
  const { signal } = stopping;
  const what = `${word(which)} of ${scope.tenant}${scope.mode === "test" ? " (test)" : ""}`;
  let current: Job = { what, done: 0, total, state: "running", error: "" };
  tell(current);
  try {
    for (;;) {
      const step = await api.redrive(scope, which, STEP);
      current = { ...current, done: current.done + step.redriven };
      if (!step.remaining) current = { ...current, state: "finished" };
      else if (signal.aborted) current = { ...current, state: "stopped" };
      tell(current);
      if (current.state !== "running") return;
    }
  } catch (error) {
    tell({ ...current, state: "failed", error: error instanceof Problem ? error.message : String(error) });
  }
}

function word(which: Redrive): string {
  return which.failure ? `Letters dead of ${which.failure.replaceAll("_", " ")}` : "Dead letters";
}

const SAID: Record<Job["state"], string> = {
  running: "Sending again",
  stopped: "Stopped",
  finished: "Done",
  failed: "Failed",
};

export function JobBar() {
  const seen = useJob();
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (seen?.state !== "running") setAsked(false);
  }, [seen?.state]);
  if (!seen) return null;
  const running = seen.state === "running";
  const stop = () => {
    setAsked(true);
    stopping.abort();
  };
  return (
    <section class={`job job-${seen.state}`} aria-label="Sending again">
      <div class="job-text">
        <strong>{SAID[seen.state]}</strong> <span class="muted">{seen.what}</span>
      </div>
      <progress value={seen.done} max={Math.max(seen.total, seen.done, 1)} aria-label="Progress" />
      <div class="job-text numbers" role="status">
        {running
          ? `${number(seen.done)} of ${number(seen.total)}`
          : seen.error || `${plural(seen.done, "letter")} sent again`}
      </div>
      {running ? (
        <button type="button" disabled={asked} onClick={stop}>
          {asked ? "Stopping…" : "Stop"}
        </button>
      ) : (
        <button type="button" class="plain" onClick={() => tell(null)}>
          Close
        </button>
      )}
    </section>
  );
}
