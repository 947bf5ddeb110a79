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
import {
  type UseConversations,
  type UseMessages,
  type UseTyping,
  useConversationsOf,
  useMessagesOf,
  useTypingOf,
} from "./chat/hooks.ts";
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

const library = { useEffect, useMemo, useState, useSyncExternalStore };
export const { useConnection, useNotifications, useCounts, useAlerts, usePresence } = createHooks(useCarillon, library);

// Functions of their own, so that a bundler leaves chat out of pages without it.

/** The conversations of the user, by their last message, newest first. */
export function useConversations(): UseConversations {
  return useConversationsOf(useCarillon(), library);
}

/** The messages of a conversation, oldest first. They count as read while they are shown and the page is visible. */
export function useMessages(conversationId: string): UseMessages {
  return useMessagesOf(useCarillon(), conversationId, library);
}

/** Who types in a conversation. */
export function useTyping(conversationId: string): UseTyping {
  return useTypingOf(useCarillon(), conversationId, library);
}

export type { Alerts, Notifications } from "./hooks.ts";
export type { UseConversations, UseMessages, UseTyping };

export type BellElementProps = DetailedHTMLProps<HTMLAttributes<CarillonBell>, CarillonBell> & BellProps;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "carillon-bell": BellElementProps;
    }
  }
}
