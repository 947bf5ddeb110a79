/** Where we are: the path names the view, the query what is chosen in it. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export const ROOT = "/console";

export interface Place {
  /** Behind the root, decoded, without empty parts. */
  parts: string[];
  query: URLSearchParams;
}

function here(): Place {
  const parts = location.pathname.slice(ROOT.length).split("/").filter(Boolean).map(decodeURIComponent);
  return { parts, query: new URLSearchParams(location.search) };
}

/** An address of the console. Members without a value are left out. */
export function href(parts: string[], query: Record<string, string | null | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const path = [ROOT, ...parts.map(encodeURIComponent)].join("/");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Choose something in the present view; null takes a choice back. */
export function choose(change: Record<string, string | null>, replace = true): void {
  const query = Object.fromEntries(here().query) as Record<string, string | null>;
  go(href(here().parts, { ...query, ...change }), replace);
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const moved = () => setPlace(here());
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  return place;
}

export function Link(props: {
  to: string;
  class?: string;
  current?: boolean;
  title?: string;
  children: ComponentChildren;
}) {
  const follow = (event: MouseEvent) => {
    // A new tab or window is the browser's business.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(props.to);
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
