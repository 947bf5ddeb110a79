// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { labelsFor } from "../src/bell/labels.ts";
import { Toasts } from "../src/bell/toasts.ts";
import { diagnose } from "../src/bell/trouble.ts";
import type { Client } from "../src/client.ts";
import { CarillonError } from "../src/errors.ts";
import type { Item } from "../src/rest.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const OTHER_SITE = "https://carillon.test";
const NO_ANSWER = new CarillonError("unreachable", "Failed to fetch");

/** A client whose requests fail, of a server that gives out its script or not. */
function failing(error: CarillonError, { url = OTHER_SITE, reachable = false } = {}): Client {
  vi.stubGlobal("fetch", async () => {
    if (!reachable) throw new TypeError("Failed to fetch");
    return new Response();
  });
  return { url, inbox: { counts: () => Promise.reject(error) } } as unknown as Client;
}

test.each([
  ["refusedToken", new CarillonError("token_missing", "nobody is signed in"), {}],
  ["refusedToken", new CarillonError("token_expired", "the token has expired", 401), { reachable: true }],
  ["refusedToken", new CarillonError("forbidden", "not for users", 403), { reachable: true }],
  ["refusedOrigin", NO_ANSWER, { reachable: true }],
  ["unreachable", NO_ANSWER, {}],
  ["unreachable", NO_ANSWER, { url: "", reachable: true }],
  ["unreachable", new CarillonError("http_error", "status 503", 503), { reachable: true }],
])("the reason is %s after %s", async (reason, error, server) => {
  expect(await diagnose(failing(error, server))).toBe(reason);
});

test("a browser without a network asks nobody", async () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  expect(await diagnose(failing(NO_ANSWER, { reachable: true }))).toBe("offline");
});

test("toasts that would disappear anyway make room, and those of errors stay", () => {
  vi.useFakeTimers();
  const toasts = new Toasts(() => undefined);
  const show = (title: string, level: Item["level"]) =>
    toasts.show({ title, level, message: "", url: null } as Item, labelsFor("en"));
  const shown = () => [...toasts.element.children].map((one) => one.getAttribute("aria-label"));
  show("down", "critical");
  for (const title of ["a", "b", "c"]) show(title, "info");
  expect(shown()).toEqual(["down", "b", "c"]);
  for (const title of ["e", "f", "g"]) show(title, "error");
  expect(shown()).toEqual(["down", "e", "f", "g"]);
  show("d", "warning");
  expect(shown()).toEqual(["down", "e", "f", "g", "d"]);
  vi.advanceTimersByTime(3_600_000);
  expect(shown()).toEqual(["down", "e", "f", "g"]);
});
