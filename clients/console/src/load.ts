/** Fetching what a view shows: anew when what it asks for changes, and every so often while it is looked at. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Problem, type Paged } from "./api.ts";

export interface Loaded<Data> {
  data: Data | null;
  error: Problem | null;
  loading: boolean;
  reload: () => void;
}

function problemOf(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, "console", String(error));
}

/**
 * `every`: milliseconds between two fetches; 0 fetches once. When `asked` changes, what was shown goes at once; when
 * only `version` does, it stays until the new is there.
 */
export function useLoad<Data>(
  fetch: (signal: AbortSignal) => Promise<Data>,
  asked: unknown[],
  every = 0,
  version: unknown = 0,
): Loaded<Data> {
  const [state, setState] = useState<Omit<Loaded<Data>, "reload">>({ data: null, error: null, loading: true });
  const [turn, setTurn] = useState(0);
  const key = JSON.stringify(asked);
  const newer = JSON.stringify(version);
  const shown = useRef(key);
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (shown.current !== key) {
      shown.current = key;
      setState({ data: null, error: null, loading: true });
    }
    const look = async () => {
      try {
        const data = await fetch(gone.signal);
        if (!gone.signal.aborted) setState({ data, error: null, loading: false });
      } catch (error) {
        if (!gone.signal.aborted) setState((before) => ({ ...before, error: problemOf(error), loading: false }));
      }
      if (every && !gone.signal.aborted) timer = setTimeout(look, document.hidden ? 4 * every : every);
    };
    void look();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [key, turn, every, newer]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}

export interface Pages<Row> extends Omit<Loaded<Row[]>, "data"> {
  rows: Row[] | null;
  hasMore: boolean;
  more: () => void;
}

/** A list that grows by pages. */
export function usePages<Row>(
  fetch: (after: string | undefined, signal: AbortSignal) => Promise<Paged<Row>>,
  asked: unknown[],
  version: unknown = 0,
): Pages<Row> {
  const first = useLoad((signal) => fetch(undefined, signal), asked, 0, version);
  const [later, setLater] = useState<{ of: Paged<Row> | null; rows: Row[]; next: string | null }>({
    of: null,
    rows: [],
    next: null,
  });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Problem | null>(null);
  const mine = later.of === first.data;
  const next = mine && later.of ? later.next : (first.data?.page.next ?? null);
  const more = async () => {
    if (busy || next === null || !first.data) return;
    setBusy(true);
    setError(null);
    const of = first.data;
    try {
      const page = await fetch(next, new AbortController().signal);
      setLater((before) => ({
        of,
        rows: [...(before.of === of ? before.rows : []), ...page.data],
        next: page.page.next,
      }));
    } catch (raised) {
      setError(problemOf(raised));
    }
    setBusy(false);
  };
  return {
    rows: first.data && [...first.data.data, ...(mine ? later.rows : [])],
    hasMore: next !== null,
    error: first.error ?? error,
    loading: first.loading || busy,
    reload: first.reload,
    more,
  };
}
