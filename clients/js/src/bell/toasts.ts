/** Toasts for notifications that arrive while the panel is closed. Errors stay until they are dismissed. */

import type { Item } from "../rest.ts";
import { h, iconButton, safeUrl, set } from "./dom.ts";
import { levelIcon } from "./item.ts";
import type { Labels } from "./labels.ts";

/** Milliseconds that a toast is shown, by level. With null, until it is dismissed. */
const DURATIONS = { info: 6_000, success: 6_000, warning: 10_000, error: null, critical: null };

/** The most toasts at a time. Older ones that would disappear anyway are removed; they are in the panel. */
const MAX_TOASTS = 3;

export class Toasts {
  readonly element = h("div", { class: "toasts", part: "toasts" });

  constructor(private readonly open: (item: Item, event: Event) => void) {}

  show(item: Item, labels: Labels): void {
    const url = safeUrl(item.url);
    const dismiss = () => {
      clearTimeout(timer);
      toast.remove();
    };
    const text = h("bdi", {}, item.title);
    const title = h("div", { class: "title" }, url ? h("a", { href: url }, text) : text);
    const toast = h(
      "div",
      { class: "toast", part: "toast", role: "group", "aria-label": item.title },
      levelIcon(item, labels),
      h("div", { class: "text" }, title, h("p", {}, h("bdi", {}, item.message))),
      iconButton("close", labels.dismiss, "dismiss", dismiss),
    );
    const duration = DURATIONS[item.level] ?? null;
    set(toast, { "data-level": item.level, "data-lasting": duration === null });
    title.addEventListener("click", (event) => {
      this.open(item, event);
      dismiss();
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const start = () => {
      if (duration !== null) timer = setTimeout(dismiss, duration);
    };
    // The timer stops while the toast has the pointer or the focus.
    for (const begin of ["pointerenter", "focusin"]) toast.addEventListener(begin, () => clearTimeout(timer));
    for (const end of ["pointerleave", "focusout"]) toast.addEventListener(end, start);
    start();
    this.element.append(toast);
    const excess = this.element.childElementCount - MAX_TOASTS;
    const passing = [...this.element.querySelectorAll(".toast:not([data-lasting])")].filter((one) => one !== toast);
    for (const one of passing.slice(0, Math.max(0, excess))) one.remove();
    this.element.scrollTop = this.element.scrollHeight;
  }

  clear(): void {
    this.element.replaceChildren();
  }
}
