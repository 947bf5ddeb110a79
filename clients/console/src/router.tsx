/** The address of the page. Its path names the view, its query the selection in the view. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export const ROOT = "/console";

export interface Route {
  /** The parts of the path after the root, decoded. */
  parts: string[];
  query: URLSearchParams;
}

function here(): Route {
  const parts = location.pathname.slice(ROOT.length).split("/").filter(Boolean).map(decodeURIComponent);
  return { parts, query: new URLSearchParams(location.search) };
}

/** An address of the console. Empty values of the query are left out. */
export function href(parts: string[], query: Record<string, string | null | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const path = [ROOT, ...parts.map(encodeURIComponent)].join("/");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export function navigate(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Change the query of the current view; null removes a value. */
export function select(change: Record<string, string | null>, replace = true): void {
  const query = Object.fromEntries(here().query) as Record<string, string | null>;
  navigate(href(here().parts, { ...query, ...change }), replace);
}

export function useRoute(): Route {
  const [current, setCurrent] = useState(here);
  useEffect(() => {
    const update = () => setCurrent(here());
    addEventListener("popstate", update);
    return () => removeEventListener("popstate", update);
  }, []);
  return current;
}

export function Link(props: {
  to: string;
  class?: string;
  current?: boolean;
  title?: string;
  children: ComponentChildren;
}) {
  const follow = (event: MouseEvent) => {
    // The browser itself opens links in new tabs and windows.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(props.to);
    scrollTo(0, 0);
  };
  return (
    <a
      href={props.to}
      class={props.class}
      title={props.title}
      aria-current={props.current ? "page" : undefined}
      onClick={follow}
    >
      {props.children}
    </a>
  );
}

/** The part of a query that selects a tenant and mode. */
export function scopeQuery(scope: { tenant: string; mode: string }): Record<string, string | null> {
  return { tenant: scope.tenant, mode: scope.mode === "test" ? "test" : null };
}
