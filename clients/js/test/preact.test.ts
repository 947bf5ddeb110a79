// @vitest-environment happy-dom
import { createElement, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../src/client.ts";
import { CarillonProvider, useConnection, useCounts } from "../src/preact.ts";
import { FakeServer, token } from "./server.ts";

let server: FakeServer;
let root: HTMLElement;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21, 4) });
  server = new FakeServer();
  root = document.body.appendChild(document.createElement("div"));
  vi.stubGlobal("BroadcastChannel", undefined);
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) =>
    url.endsWith("/counts") ? Response.json({ unread: 1, unseen: 0, total: 1 }) : server.fetch(url, init),
  );
});

afterEach(() => {
  render(null, root);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function Badge() {
  return createElement("p", {}, `${useConnection()} ${useCounts()?.unread}`);
}

test("the hooks for Preact show the state and its changes", async () => {
  const client = new Client({ getToken: () => token(), storage: null }, server.openSocket);
  await act(() => render(createElement(CarillonProvider, { client }, createElement(Badge, {})), root));
  expect(root.textContent).toBe("connecting undefined");
  await act(async () => void (await vi.advanceTimersByTimeAsync(200)));
  expect(root.textContent).toBe("live 1");
  await act(async () => server.emit("notification:count", { unread: 2 }));
  expect(root.textContent).toBe("live 2");
  client.close();
});

test("a hook without a provider names the missing provider", () => {
  expect(() => render(createElement(Badge, {}), root)).toThrow("CarillonProvider");
});
