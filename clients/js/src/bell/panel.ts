/** The panel: filters, and a list that loads more items as it is scrolled. */

import type { Feed } from "../feed.ts";
import type { Filter, Item } from "../rest.ts";
import { h, icon, iconButton, set } from "./dom.ts";
import { type ItemActions, ItemView } from "./item.ts";
import type { Labels } from "./labels.ts";
import { soundIsOn } from "./sound.ts";
import type { Trouble } from "./trouble.ts";

/** Milliseconds between two updates of the relative times. */
const TIME_INTERVAL = 30_000;
/** How many items PageUp and PageDown move. */
const PAGE_STEP = 5;

let panelCount = 0;

export class Panel {
  readonly element: HTMLElement;
  #views = new Map<string, ItemView>();
  #categories = new Set<string>();
  #current: string | null = null;
  #list = h("div", { class: "list", role: "feed", "aria-busy": "true" });
  #placeholder = h("div");
  #end = h("div");
  #filters = h("div", { class: "filters", role: "group" });
  #offline = h("div", { class: "offline", role: "status", hidden: true });
  #readAll: HTMLButtonElement;
  #observer: IntersectionObserver;
  #clock: ReturnType<typeof setInterval>;
  #actions: ItemActions;

  constructor(
    private readonly feed: Feed,
    private readonly labels: Labels,
    private readonly language: string,
    host: { open: ItemActions["open"]; close(): void; sound(): boolean },
  ) {
    panelCount += 1;
    const id = `carillon-panel-${panelCount}`;
    this.#actions = { ...feed, open: host.open };
    this.#readAll = iconButton("checks", labels.readAll, "read-all", () => void feed.readAll());
    const sound = iconButton("sound", "", "sound", () => showSound(host.sound()));
    const showSound = (on: boolean) => {
      sound.replaceChildren(icon(on ? "sound" : "silence"));
      const label = on ? labels.soundOn : labels.soundOff;
      set(sound, { "aria-label": label, title: label });
    };
    showSound(soundIsOn());
    set(this.#filters, { "aria-label": labels.filter });
    set(this.#list, { "aria-label": labels.title });
    this.element = h(
      "section",
      { class: "panel", part: "panel", role: "dialog", "aria-labelledby": `${id}-title`, id, tabindex: -1 },
      h(
        "header",
        {},
        h("h2", { id: `${id}-title` }, labels.title),
        this.#readAll,
        sound,
        iconButton("close", labels.close, "close", () => host.close()),
      ),
      this.#filters,
      this.#offline,
      this.#placeholder,
      this.#list,
    );
    this.#list.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#list.addEventListener("focusin", (event) => this.#handleFocus(event));
    this.#observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && void feed.more(),
      {
        root: this.#list,
        rootMargin: "400px",
      },
    );
    this.#clock = setInterval(() => this.#updateTimes(), TIME_INTERVAL);
  }

  focus(): void {
    const first = this.#views.values().next().value;
    (first?.element ?? this.element).focus();
  }

  remove(): void {
    this.#observer.disconnect();
    clearInterval(this.#clock);
    this.element.remove();
  }

  /** Show the list, and what keeps it from being up to date. */
  update(trouble: Trouble | null): void {
    const { items, status, hasMore, counts } = this.feed.state;
    this.#offline.hidden = trouble === null;
    const text = trouble ? this.labels[trouble].replace("{origin}", location.origin) : "";
    // Screen readers read a status again whenever it is set.
    if (this.#offline.textContent !== text) this.#offline.textContent = text;
    this.#readAll.disabled = !counts?.unread;
    for (const { category } of items) if (category) this.#categories.add(category);
    this.#showFilters();
    const refocus = this.#place(items);
    set(this.#list, { "aria-busy": String(status === "loading") });
    this.#list.hidden = items.length === 0;
    this.#showPlaceholder(items.length ? null : status);
    this.#observer.disconnect();
    this.#end.remove();
    if (hasMore) {
      this.#list.append(this.#end);
      this.#observer.observe(this.#end);
    }
    if (refocus) (this.#currentView()?.element ?? this.element).focus();
  }

  /** Put the items into the list. Returns whether the focused item was removed. */
  #place(items: readonly Item[]): boolean {
    const active = (this.element.getRootNode() as ShadowRoot).activeElement ?? null;
    const wanted = new Set(items.map(({ id }) => id));
    const order = [...this.#views.keys()];
    let lost = false;
    for (const [id, view] of [...this.#views]) {
      if (wanted.has(id)) continue;
      lost ||= view.element.contains(active);
      // The focus moves to the item that takes its place.
      if (id === this.#current)
        this.#current = order.slice(order.indexOf(id)).find((other) => wanted.has(other)) ?? null;
      view.element.remove();
      this.#views.delete(id);
    }
    const placed = new Map<string, ItemView>();
    let before: Element | null = null;
    items.forEach((item, index) => {
      const view = this.#views.get(item.id) ?? new ItemView(this.labels, this.language, this.#actions);
      view.show(item, index + 1);
      set(view.element, { "aria-setsize": this.feed.state.hasMore ? -1 : items.length });
      const place: Element | null = before ? before.nextElementSibling : this.#list.firstElementChild;
      if (place !== view.element) this.#list.insertBefore(view.element, place);
      before = view.element;
      placed.set(item.id, view);
    });
    this.#views = placed;
    this.#current = (this.#current && wanted.has(this.#current) ? this.#current : items.at(lost ? -1 : 0)?.id) ?? null;
    for (const [id, view] of placed) view.setTabbable(id === this.#current);
    return lost;
  }

  #updateTimes(): void {
    for (const view of this.#views.values()) view.updateTime();
  }

  #currentView(): ItemView | undefined {
    return this.#current === null ? undefined : this.#views.get(this.#current);
  }

  #handleFocus(event: FocusEvent): void {
    for (const [id, view] of this.#views) {
      if (!view.element.contains(event.target as Node)) continue;
      this.#currentView()?.setTabbable(false);
      this.#current = id;
      view.setTabbable(true);
    }
  }

  #handleKey(event: KeyboardEvent): void {
    const ids = [...this.#views.keys()];
    const at = ids.indexOf(this.#current ?? "");
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + PAGE_STEP,
      PageUp: at - PAGE_STEP,
      Home: 0,
      End: ids.length - 1,
    };
    const to = steps[event.key];
    const view = this.#currentView();
    if (to !== undefined) {
      event.preventDefault();
      const id = ids[Math.max(0, Math.min(to, ids.length - 1))];
      if (id) this.#views.get(id)?.element.focus();
    } else if (view?.element === event.target && event.key === "Enter") {
      const link = view.element.querySelector("a");
      if (link) link.click();
      else view.element.click();
    } else if (view?.element === event.target && event.key === "Delete" && view.item && !view.item.archived_at) {
      this.#actions.archive(view.item.id);
    }
  }

  #showFilters(): void {
    const { labels } = this;
    const choices: [string, Filter][] = [
      [labels.all, {}],
      [labels.onlyUnread, { status: "unread" }],
      ...[...this.#categories].sort().map((category): [string, Filter] => [category, { category }]),
      [labels.archived, { status: "archived" }],
    ];
    const chosen = JSON.stringify(this.feed.filter);
    choices.forEach(([label, filter], index) => {
      const button = this.#filters.children[index] ?? this.#filters.appendChild(h("button", { type: "button" }));
      button.textContent = label;
      set(button, { "aria-pressed": String(JSON.stringify(filter) === chosen) });
      (button as HTMLButtonElement).onclick = () => void this.feed.show(filter);
    });
  }

  /** Show what replaces an empty list. */
  #showPlaceholder(status: "loading" | "ready" | "error" | null): void {
    if (this.#placeholder.dataset.is === String(status)) return;
    this.#placeholder.dataset.is = String(status);
    this.#placeholder.replaceChildren();
    const { labels } = this;
    if (status === "loading") {
      const rows = [1, 2, 3].map(() => h("div", { class: "skeleton" }, h("i"), h("i"), h("i")));
      this.#placeholder.append(h("span", { class: "visually-hidden", role: "status" }, labels.loading), ...rows);
    } else if (status === "ready") {
      this.#placeholder.append(
        h("div", { class: "note" }, icon("bell"), h("strong", {}, labels.empty), h("span", {}, labels.emptyHint)),
      );
    } else if (status === "error") {
      const retry = h("button", { type: "button", class: "retry" }, labels.retry);
      retry.addEventListener("click", () => void this.feed.load());
      this.#placeholder.append(
        h("div", { class: "note", role: "alert" }, icon("alert"), h("strong", {}, labels.failed), retry),
      );
    }
  }
}
