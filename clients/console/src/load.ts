/** Hooks that fetch what a view shows. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, type Problem } from "./api/problem.ts";
import type { Page } from "./api/types.ts";

export interface Loaded<Data> {
  data: Data | null;
  error: Problem | null;
  loading: boolean;
  reload: () => void;
}

/**
 * Fetch data now, and again when `key` or `version` changes.
 *
 * A new `key` means other data: the old data disappears at once. A new `version` means newer data: the old data stays
 * until the new data is there. With `interval`, fetch again every so many milliseconds, less often in a hidden tab.
 */
export function useLoad<Data>(
  fetch: (signal: AbortSignal) => Promise<Data>,
  key: unknown[],
  interval = 0,
  version: unknown = 0,
): Loaded<Data> {
  const [state, setState] = useState<Omit<Loaded<Data>, "reload">>({ data: null, error: null, loading: true });
  const [reloads, setReloads] = useState(0);
  const keyText = JSON.stringify(key);
  const versionText = JSON.stringify(version);
  const shownKey = useRef(keyText);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (shownKey.current !== keyText) {
      shownKey.current = keyText;
      setState({ data: null, error: null, loading: true });
    }
    const load = async () => {
      try {
        const data = await fetch(signal);
        if (!signal.aborted) setState({ data, error: null, loading: false });
      } catch (error) {
        if (!signal.aborted) setState((before) => ({ ...before, error: asProblem(error), loading: false }));
      }
      if (interval && !signal.aborted) timer = setTimeout(load, document.hidden ? 4 * interval : interval);
    };
    void load();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [keyText, reloads, interval, versionText]);
  const reload = useCallback(() => setReloads((before) => before + 1), []);
  return { ...state, reload };
}

export interface Pages<Row> extends Omit<Loaded<Row[]>, "data"> {
  rows: Row[] | null;
  hasMore: boolean;
  more: () => void;
}

/** Fetch a list page by page. */
export function usePages<Row>(
  fetch: (after: string | undefined, signal: AbortSignal) => Promise<Page<Row>>,
  key: unknown[],
  version: unknown = 0,
): Pages<Row> {
  const first = useLoad((signal) => fetch(undefined, signal), key, 0, version);
  // The pages after the first one, which is kept to recognise a list that was loaded again meanwhile.
  const [later, setLater] = useState<{ first: Page<Row> | null; rows: Row[]; next: string | null }>({
    first: null,
    rows: [],
    next: null,
  });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Problem | null>(null);
  const current = later.first !== null && later.first === first.data;
  const next = current ? later.next : (first.data?.page.next ?? null);
  const more = async () => {
    if (busy || next === null || !first.data) return;
    setBusy(true);
    setError(null);
    const of = first.data;
    try {
      const page = await fetch(next, new AbortController().signal);
      setLater((before) => ({
        first: of,
        rows: [...(before.first === of ? before.rows : []), ...page.data],
        next: page.page.next,
      }));
    } catch (raised) {
      setError(asProblem(raised));
    }
    setBusy(false);
  };
  return {
    rows: first.data && [...first.data.data, ...(current ? later.rows : [])],
    hasMore: next !== null,
    error: first.error ?? error,
    loading: first.loading || busy,
    reload: first.reload,
    more,
  };
}
