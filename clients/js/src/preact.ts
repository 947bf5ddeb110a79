/** Hooks for Preact. Put a `CarillonProvider` with one client around the application. */

import { type ComponentChildren, createContext, createElement } from "preact";
import { useSyncExternalStore } from "preact/compat";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import type { CarillonBell } from "./bell/element.ts";
import type { BellProps } from "./bell/props.ts";
import type { Client } from "./client.ts";
import { createHooks } from "./hooks.ts";

const Context = createContext<Client | null>(null);

export function CarillonProvider({ client, children }: { client: Client; children?: ComponentChildren }) {
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

declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      "carillon-bell": HTMLAttributes<CarillonBell> & BellProps;
    }
  }
}
