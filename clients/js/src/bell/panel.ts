/** The panel: a list that is fetched as it is scrolled, filters above it, and what to show where there is no list. */

import type { State } from "../connection.ts";
import type { Feed } from "../feed.ts";
import type { Filter, Item } from "../rest.ts";
import { h, icon, iconButton, set } from "./dom.ts";
import { type Deeds, ItemView } from "./item.ts";
import type { Labels } from "./labels.ts";
import { soundIsOn } from "./sound.ts";

let panels = 0;

export class Panel {
  readonly element: HTMLElement;
  #views = new Map<string, ItemView>();
  #categories = new Set<string>();
  #current: string | null = null;
  #list = h("div", { class: "list", role: "feed", "aria-busy": "true" });
  #note = h("div");
  #end = h("div");
  #filters = h("div", { class: "filters", role: "group" });
  #offline = h("div", { class: "offline", role: "status", hidden: true });
  #readAll: HTMLButtonElement;
  #seer: IntersectionObserver;
  #clock: ReturnType<typeof setInterval>;
  #deeds: Deeds;

  constructor(
    private readonly feed: Feed,
    private readonly labels: Labels,
    private readonly language: string,
    host: { open: Deeds["open"]; close(): void; sound(): boolean },
  ) {
    const id = `carillon-panel-${(panels += 1)}`;
    this.#deeds = { ...feed, open: host.open };
    this.#readAll = iconButton("checks", labels.readAll, "read-all", () => void feed.readAll());
    const sound = iconButton("sound", "", "sound", () => voice(host.sound()));
    const voice = (on: boolean) => {
      sound.replaceChildren(icon(on ? "sound" : "silence"));
      const label = on ? labels.soundOn : labels.soundOff;
      set(sound, { "aria-label": label, title: label });
    };
    voice(soundIsOn());
    set(this.#filters, { "aria-label": labels.filter });
    set(this.#list, { "aria-label": labels.title });
    this.#offline.textContent = labels.offline;
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
      this.#note,
      this.#list,
    );
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("focusin", (event) => this.#focused(event));
    this.#seer = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void feed.more(), {
      root: this.#list,
      rootMargin: "400px",
    });
    this.#clock = setInterval(() => this.#views.forEach((view) => view.tick()), 30_000);
  }

  focus(): void {
    const first = this.#views.values().next().value;
    (first?.element ?? this.element).focus();
  }

  remove(): void {
    this.#seer.disconnect();
    clearInterval(this.#clock);
    this.element.remove();
  }

  update(connection: State): void {
    const { items, status, hasMore, counts } = this.feed.state;
    this.#offline.hidden = connection !== "offline";
    this.#readAll.disabled = !counts?.unread;
    for (const { category } of items) if (category) this.#categories.add(category);
    this.#showFilters();
    const refocus = this.#place(items);
    set(this.#list, { "aria-busy": String(status === "loading") });
    this.#list.hidden = items.length === 0;
    this.#say(items.length ? null : status);
    this.#seer.disconnect();
    this.#end.remove();
    if (hasMore) {
      this.#list.append(this.#end);
      this.#seer.observe(this.#end);
    }
    if (refocus) (this.#currentView()?.element ?? this.element).focus();
  }

  /** Put the items into the list. Returns whether the focus was on one that is there no more. */
  #place(items: readonly Item[]): boolean {
    const active = (this.element.getRootNode() as ShadowRoot).activeElement ?? null;
    const wanted = new Set(items.map(({ id }) => id));
    const order = [...this.#views.keys()];
    let lost = false;
    for (const [id, view] of [...this.#views]) {
      if (wanted.has(id)) continue;
      lost ||= view.element.contains(active);
      // The focus goes to the one that moves into its place.
      if (id === this.#current)
        this.#current = order.slice(order.indexOf(id)).find((other) => wanted.has(other)) ?? null;
      view.element.remove();
      this.#views.delete(id);
    }
    const placed = new Map<string, ItemView>();
    let before: Element | null = null;
    items.forEach((item, index) => {
      const view = this.#views.get(item.id) ?? new ItemView(this.labels, this.language, this.#deeds);
      view.show(item, index + 1);
      set(view.element, { "aria-setsize": this.feed.state.hasMore ? -1 : items.length });
      const place: Element | null = before ? before.nextElementSibling : this.#list.firstElementChild;
      if (place !== view.element) this.#list.insertBefore(view.element, place);
      before = view.element;
      placed.set(item.id, view);
    });
    this.#views = placed;
    this.#current = (this.#current && wanted.has(this.#current) ? this.#current : items.at(lost ? -1 : 0)?.id) ?? null;
    for (const [id, view] of placed) view.reach(id === this.#current);
    return lost;
  }

  #currentView(): ItemView | undefined {
    return this.#current === null ? undefined : this.#views.get(this.#current);
  }

  #focused(event: FocusEvent): void {
    for (const [id, view] of this.#views) {
      if (!view.element.contains(event.target as Node)) continue;
      this.#currentView()?.reach(false);
      this.#current = id;
      view.reach(true);
    }
  }

  #key(event: KeyboardEvent): void {
    const ids = [...this.#views.keys()];
    const at = ids.indexOf(this.#current ?? "");
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + 5,
      PageUp: at - 5,
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
      this.#deeds.archive(view.item.id);
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

  /** What stands there in place of the list. */
  #say(status: "loading" | "ready" | "error" | null): void {
    if (this.#note.dataset["is"] === String(status)) return;
    this.#note.dataset["is"] = String(status);
    this.#note.replaceChildren();
    const { labels } = this;
    if (status === "loading") {
      const bones = [1, 2, 3].map(() => h("div", { class: "bones" }, h("i"), h("i"), h("i")));
      this.#note.append(h("span", { class: "unheard", role: "status" }, labels.loading), ...bones);
    } else if (status === "ready") {
      this.#note.append(
        h("div", { class: "note" }, icon("bell"), h("strong", {}, labels.empty), h("span", {}, labels.emptyHint)),
      );
    } else if (status === "error") {
      const retry = h("button", { type: "button", class: "retry" }, labels.retry);
      retry.addEventListener("click", () => void this.feed.load());
      this.#note.append(
        h("div", { class: "note", role: "alert" }, icon("alert"), h("strong", {}, labels.failed), retry),
      );
    }
  }
}
