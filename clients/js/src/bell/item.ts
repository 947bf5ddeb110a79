/** One notification in the panel: made once, changed in place, so that focus and scrolling stay where they are. */

import type { Item } from "../rest.ts";
import { ago, h, icon, iconButton, safeUrl, set } from "./dom.ts";
import type { Labels } from "./labels.ts";

/** What can be done with it. */
export interface Deeds {
  open(item: Item, event: Event): void;
  read(id: string): void;
  unread(id: string): void;
  archive(id: string): void;
  unarchive(id: string): void;
}

export class ItemView {
  readonly element: HTMLElement;
  #item: Item | null = null;
  #time = h("time");

  constructor(
    private readonly labels: Labels,
    private readonly language: string,
    private readonly deeds: Deeds,
  ) {
    this.element = h("article", { tabindex: -1, part: "item" });
    this.element.addEventListener("click", (event) => this.#item && this.deeds.open(this.#item, event));
  }

  get item(): Item | null {
    return this.#item;
  }

  /** Show it as it is now. `position` counts from 1. */
  show(item: Item, position: number): void {
    set(this.element, { "aria-posinset": position });
    if (item === this.#item) return;
    const focused = this.element.contains(focusIn(this.element)) ? focusIn(this.element)?.getAttribute("part") : null;
    this.#item = item;
    const { labels } = this;
    const url = safeUrl(item.url);
    const [titleId, textId] = [`title-${item.id}`, `text-${item.id}`];
    this.element.className = item.read ? "" : "unread";
    set(this.element, {
      "data-level": item.level,
      "data-url": url !== null,
      "aria-labelledby": titleId,
      "aria-describedby": textId,
    });
    // A text of another direction than the page's keeps its own, in its place.
    const text = h("bdi", {}, item.title);
    const title = url ? h("a", { href: url, tabindex: -1 }, text) : text;
    set(this.#time, { datetime: item.created_at, title: new Date(item.created_at).toLocaleString(this.language) });
    this.tick();
    this.element.replaceChildren(
      levelIcon(item, labels),
      h(
        "div",
        { class: "words" },
        h(
          "div",
          { class: "line" },
          h("h3", { id: titleId }, item.read ? null : h("span", { class: "unheard" }, `${labels.onlyUnread}: `), title),
          this.#time,
        ),
        h(
          "div",
          { id: textId },
          h("p", {}, h("bdi", {}, item.message)),
          item.category ? h("span", { class: "category" }, item.category) : null,
        ),
      ),
      this.#acts(item),
    );
    this.reach(this.element.tabIndex === 0);
    if (focused) this.element.querySelector<HTMLElement>(`[part="${focused}"]`)?.focus();
  }

  /** The time goes on. */
  tick(): void {
    if (this.#item) this.#time.textContent = ago(this.#item.created_at, this.language);
  }

  /** Of all items, one is reached with the tabulator, and its buttons with it. */
  reach(yes: boolean): void {
    this.element.tabIndex = yes ? 0 : -1;
    for (const button of this.element.querySelectorAll("button")) button.tabIndex = yes ? 0 : -1;
  }

  #acts(item: Item): HTMLElement {
    const { labels, deeds } = this;
    const reading = item.read
      ? iconButton("dot", labels.markUnread, "read", () => deeds.unread(item.id))
      : iconButton("check", labels.read, "read", () => deeds.read(item.id));
    const keeping = item.archived_at
      ? iconButton("unarchive", labels.unarchive, "archive", () => deeds.unarchive(item.id))
      : iconButton("archive", labels.archive, "archive", () => deeds.archive(item.id));
    return h("div", { class: "acts" }, reading, keeping);
  }
}

/** The picture of a level, with its name for whoever does not see it. */
export function levelIcon(item: Pick<Item, "level">, labels: Labels): HTMLElement {
  const known = item.level in labels.levels ? item.level : "info";
  return h("span", { class: "level" }, icon(known), h("span", { class: "unheard" }, labels.levels[known]));
}

function focusIn(element: HTMLElement): Element | null {
  return (element.getRootNode() as ShadowRoot).activeElement ?? null;
}
