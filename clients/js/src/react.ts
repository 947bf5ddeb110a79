/** Hooks for React. Put a `CarillonProvider` with one client around the application. */

import {
  createContext,
  createElement,
  type DetailedHTMLProps,
  type HTMLAttributes,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import type { CarillonBell } from "./bell/element.ts";
import type { BellProps } from "./bell/props.ts";
import type { Client } from "./client.ts";
import { createHooks } from "./hooks.ts";

const Context = createContext<Client | null>(null);

export function CarillonProvider({ client, children }: { client: Client; children?: ReactNode }) {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the provider. */
export function useCarillon(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("useCarillon needs a CarillonProvider around the component");
  return client;
}

export const { useConnection, useNotifications, useCounts, useAlerts, usePresence } = createHooks(useCarillon, {
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
});
export type { Alerts, Notifications } from "./hooks.ts";

export type BellElementProps = DetailedHTMLProps<HTMLAttributes<CarillonBell>, CarillonBell> & BellProps;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "carillon-bell": BellElementProps;
    }
  }
}
