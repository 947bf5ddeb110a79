/** Hooks. Put a `CarillonProvider` with one client around the application. */

import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import type { Client } from "./client.ts";
import type { State } from "./connection.ts";
import { asError, type CarillonError } from "./errors.ts";
import { Feed, type FeedState, NONE } from "./feed.ts";
import type { Alert, Counts, Filter, Presence } from "./rest.ts";

const Context = createContext<Client | null>(null);

export function CarillonProvider({ client, children }: { client: Client; children?: ReactNode }) {
  return createElement(Context.Provider, { value: client }, children);
}

export function useCarillon(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("there is no CarillonProvider around this component");
  return client;
}

/** Whether events come, and how. */
export function useConnection(): State {
  const client = useCarillon();
  const get = () => client.state;
  return useSyncExternalStore((changed) => client.on("state", changed), get, get);
}

export interface Notifications
  extends FeedState,
    Pick<Feed, "read" | "unread" | "archive" | "unarchive" | "remove" | "readAll"> {
  more(): Promise<void>;
  reload(): Promise<void>;
}

/** The user's notifications, newest first, all that are not archived or those of the filter. */
export function useNotifications(filter: Filter = {}): Notifications {
  const client = useCarillon();
  const key = JSON.stringify(filter);
  const feed = useMemo(() => new Feed(client, JSON.parse(key) as Filter), [client, key]);
  const get = () => feed.state;
  const state = useSyncExternalStore(feed.subscribe, get, get);
  const { read, unread, archive, unarchive, remove, readAll } = feed;
  return {
    ...state,
    read,
    unread,
    archive,
    unarchive,
    remove,
    readAll,
    more: () => feed.more(),
    reload: () => feed.load(),
  };
}

/** The numbers for a badge; null until they are known. */
export function useCounts(): Counts | null {
  const client = useCarillon();
  const [counts, setCounts] = useState<Counts | null>(null);
  useEffect(() => {
    const ask = () => void client.inbox.counts().then(setCounts, () => undefined);
    ask();
    return together(
      client.on("reset", ask),
      client.on("notification:count", (told) => setCounts((old) => ({ ...(old ?? NONE), ...told }))),
      // On the socket the server tells the counts by itself.
      client.on("notification:new", () => client.state !== "live" && ask()),
    );
  }, [client]);
  return counts;
}

export interface Alerts {
  alerts: Alert[];
  unacknowledged: number;
  status: "loading" | "ready" | "error";
  error: CarillonError | null;
  acknowledge(id: string): Promise<void>;
}

/** The newest alerts of the tenant. */
export function useAlerts(): Alerts {
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
        // What somebody does with an alert changes more than one number: the server is asked, it happens seldom.
        const names = ["reset", "alert:new", "alert:acknowledged", "alert:deleted"] as const;
        return together(...names.map((name) => client.on(name, () => void load())));
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

/** Who is there, by user: these, or everybody of the tenant. */
export function usePresence(users?: string[]): Record<string, Presence> {
  const client = useCarillon();
  const [present, setPresent] = useState<Record<string, Presence>>({});
  const key = users?.join(",");
  useEffect(() => {
    const asked = key === undefined ? undefined : key.split(",").filter(Boolean);
    const ask = async () => {
      const { data } = await client.presence.list(asked);
      setPresent(Object.fromEntries(data.map(({ user, status }) => [user, status])));
    };
    const look = () => void ask().catch(() => undefined);
    look();
    // Changes are told to those who listen at that moment, so one who comes back asks again.
    const stops = [client.on("session:ready", look)];
    for (const status of ["online", "away", "busy", "offline"] as const) {
      stops.push(
        client.on(`presence:${status}`, ({ user }) => {
          if (typeof user === "string" && (!asked || asked.includes(user)))
            setPresent((old) => ({ ...old, [user]: status }));
        }),
      );
    }
    return together(...stops);
  }, [client, key]);
  return present;
}

function together(...stops: (() => void)[]): () => void {
  return () => {
    for (const stop of stops) stop();
  };
}
