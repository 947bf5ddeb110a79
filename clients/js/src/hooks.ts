/** The hooks, written for any library with the interface of React's. */

import type { Client } from "./client.ts";
import type { State } from "./connection.ts";
import { asError, type CarillonError } from "./errors.ts";
import { Feed, type FeedState, ZERO_COUNTS } from "./feed.ts";
import type { Alert, Counts, Filter, Presence } from "./rest.ts";

/** The functions that React and Preact have in common, as far as the hooks need them. */
export interface Library {
  useEffect(effect: () => () => void, inputs: readonly unknown[]): void;
  useMemo<T>(factory: () => T, inputs: readonly unknown[]): T;
  useState<S>(initial: S): [S, (next: S | ((previous: S) => S)) => void];
  useSyncExternalStore<S>(subscribe: (changed: () => void) => () => void, get: () => S, getOnServer: () => S): S;
}

export interface Notifications
  extends FeedState,
    Pick<Feed, "read" | "unread" | "archive" | "unarchive" | "remove" | "readAll"> {
  more(): Promise<void>;
  reload(): Promise<void>;
}

export interface Alerts {
  alerts: Alert[];
  unacknowledged: number;
  status: "loading" | "ready" | "error";
  error: CarillonError | null;
  acknowledge(id: string): Promise<void>;
}

/** The hooks for a library. `useCarillon` returns the client of the provider. */
export function createHooks(useCarillon: () => Client, library: Library) {
  const { useEffect, useMemo, useState, useSyncExternalStore } = library;

  /** The state of the connection. */
  function useConnection(): State {
    const client = useCarillon();
    const get = () => client.state;
    return useSyncExternalStore((changed) => client.on("state", changed), get, get);
  }

  /** The notifications of the user, newest first. Without a filter, all that are not archived. */
  function useNotifications(filter: Filter = {}): Notifications {
    const client = useCarillon();
    const key = JSON.stringify(filter);
    const feed = useMemo(() => new Feed(client, JSON.parse(key) as Filter), [client, key]);
    const get = () => feed.state;
    const state = useSyncExternalStore(feed.subscribe, get, get);
    const { read, unread, archive, unarchive, remove, readAll } = feed;
    const more = () => feed.more();
    const reload = () => feed.load();
    return { ...state, read, unread, archive, unarchive, remove, readAll, more, reload };
  }

  /** The counts for a badge. Null until they have been fetched. */
  function useCounts(): Counts | null {
    const client = useCarillon();
    const [counts, setCounts] = useState<Counts | null>(null);
    useEffect(() => {
      const fetch = () => void client.inbox.counts().then(setCounts, () => undefined);
      fetch();
      return all(
        client.on("reset", fetch),
        client.on("notification:count", (changed) => setCounts((old) => ({ ...(old ?? ZERO_COUNTS), ...changed }))),
        // On the socket the server sends the counts itself.
        client.on("notification:new", () => client.state !== "live" && fetch()),
      );
    }, [client]);
    return counts;
  }

  /** The newest alerts of the tenant. */
  function useAlerts(): Alerts {
    const client = useCarillon();
    const [state, setState] = useState<Omit<Alerts, "acknowledge">>({
      alerts: [],
      unacknowledged: 0,
      status: "loading",
      error: null,
    });
    const { acknowledge, follow } = useMemo(() => {
      const load = async () => {
        try {
          const [page, count] = await Promise.all([client.alerts.list(), client.alerts.count()]);
          setState({ alerts: page.data, unacknowledged: count.unacknowledged, status: "ready", error: null });
        } catch (error) {
          setState((old) => ({ ...old, status: "error", error: asError(error) }));
        }
      };
      return {
        follow: () => {
          void load();
          // Alerts are rare, so each change fetches the list and the count again.
          const names = ["reset", "alert:new", "alert:acknowledged", "alert:deleted"] as const;
          return all(...names.map((name) => client.on(name, () => void load())));
        },
        acknowledge: async (id: string) => {
          await client.alerts.acknowledge(id);
          await load();
        },
      };
    }, [client]);
    useEffect(follow, [follow]);
    return { ...state, acknowledge };
  }

  /** The presence of these users, or of all users of the tenant, by user ID. */
  function usePresence(users?: string[]): Record<string, Presence> {
    const client = useCarillon();
    const [present, setPresent] = useState<Record<string, Presence>>({});
    const key = users?.join(",");
    useEffect(() => {
      const wanted = key === undefined ? undefined : key.split(",").filter(Boolean);
      const fetch = async () => {
        const { data } = await client.presence.list(wanted);
        setPresent(Object.fromEntries(data.map(({ user, status }) => [user, status])));
      };
      const load = () => void fetch().catch(() => undefined);
      load();
      const statuses = ["online", "away", "busy", "offline"] as const;
      return all(
        // Changes of presence are not replayed, so the list is fetched after every connect.
        client.on("session:ready", load),
        ...statuses.map((status) =>
          client.on(`presence:${status}`, ({ user }) => {
            if (typeof user !== "string" || (wanted && !wanted.includes(user))) return;
            setPresent((old) => ({ ...old, [user]: status }));
          }),
        ),
      );
    }, [client, key]);
    return present;
  }

  return { useConnection, useNotifications, useCounts, useAlerts, usePresence };
}

/** One function that calls all of these. */
function all(...stops: (() => void)[]): () => void {
  return () => {
    for (const stop of stops) stop();
  };
}
