/** One notification in the panel. Its element is updated in place, so that focus and scroll position stay. */

import type { Item } from "../rest.ts";
import { ago, h, icon, iconButton, safeUrl, set } from "./dom.ts";
import type { Labels } from "./labels.ts";

/** The actions on a notification. */
export interface ItemActions {
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
    private readonly actions: ItemActions,
  ) {
    this.element = h("article", { tabindex: -1, part: "item" });
    this.element.addEventListener("click", (event) => this.#item && this.actions.open(this.#item, event));
  }

  get item(): Item | null {
    return this.#item;
  }

  /** Show the notification. `position` counts from 1. */
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
    // <bdi> keeps the direction of a text that differs from that of the page.
    const text = h("bdi", {}, item.title);
    const title = url ? h("a", { href: url, tabindex: -1 }, text) : text;
    set(this.#time, { datetime: item.created_at, title: new Date(item.created_at).toLocaleString(this.language) });
    this.updateTime();
    this.element.replaceChildren(
      levelIcon(item, labels),
      h(
        "div",
        { class: "text" },
        h(
          "div",
          { class: "line" },
          h(
            "h3",
            { id: titleId },
            item.read ? null : h("span", { class: "visually-hidden" }, `${labels.onlyUnread}: `),
            title,
          ),
          this.#time,
        ),
        h(
          "div",
          { id: textId },
          h("p", {}, h("bdi", {}, item.message)),
          item.category ? h("span", { class: "category" }, item.category) : null,
        ),
      ),
      this.#buttons(item),
    );
    this.setTabbable(this.element.tabIndex === 0);
    if (focused) this.element.querySelector<HTMLElement>(`[part="${focused}"]`)?.focus();
  }

  /** Update the relative time. */
  updateTime(): void {
    if (this.#item) this.#time.textContent = ago(this.#item.created_at, this.language);
  }

  /** The Tab key reaches one item of the list, and its buttons. */
  setTabbable(yes: boolean): void {
    this.element.tabIndex = yes ? 0 : -1;
    for (const button of this.element.querySelectorAll("button")) button.tabIndex = yes ? 0 : -1;
  }

  #buttons(item: Item): HTMLElement {
    const { labels, actions } = this;
    const read = item.read
      ? iconButton("dot", labels.markUnread, "read", () => actions.unread(item.id))
      : iconButton("check", labels.read, "read", () => actions.read(item.id));
    const archive = item.archived_at
      ? iconButton("unarchive", labels.unarchive, "archive", () => actions.unarchive(item.id))
      : iconButton("archive", labels.archive, "archive", () => actions.archive(item.id));
    return h("div", { class: "actions" }, read, archive);
  }
}

/** The icon of a level, with its name for screen readers. */
export function levelIcon(item: Pick<Item, "level">, labels: Labels): HTMLElement {
  const known = item.level in labels.levels ? item.level : "info";
  return h("span", { class: "level" }, icon(known), h("span", { class: "visually-hidden" }, labels.levels[known]));
}

function focusIn(element: HTMLElement): Element | null {
  return (element.getRootNode() as ShadowRoot).activeElement ?? null;
}
