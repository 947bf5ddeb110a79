/** `<carillon-bell>`: the number of unread notifications, and a panel with the list. */

import { ARRIVALS, type Client, createClient } from "../client.ts";
import { Feed } from "../feed.ts";
import type { Filter, Item } from "../rest.ts";
import type { GetToken } from "../tokens.ts";
import { h, icon, set } from "./dom.ts";
import { directionOf, type Labels, labelsFor } from "./labels.ts";
import { Panel } from "./panel.ts";
import { ring, setSound, soundIsOn } from "./sound.ts";
import { STYLES } from "./styles.ts";
import { Toasts } from "./toasts.ts";
import { diagnose, type Trouble } from "./trouble.ts";

/** Older notifications, in milliseconds, were missed and replayed. They are counted, without a toast or a sound. */
const MAX_NEWS_AGE = 60_000;

// Node has no elements. There, pages that are rendered on a server import the bell without using it.
const Element = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** Pixels between the panel and the sides of the window, as in styles.ts. */
const MARGIN = 12;

export class CarillonBell extends Element {
  static readonly observedAttributes = ["lang", "url", "token"];

  #client: Client | null = null;
  /** Whether the bell has created the client, and has to close it. */
  #ownsClient = false;
  #getToken: GetToken | null = null;
  #customLabels: Partial<Labels> = {};
  #feed: Feed | null = null;
  #unsubscribe: (() => void)[] = [];
  #panel: Panel | null = null;
  /** Why the client is offline, once that is known. */
  #trouble: Trouble | null = null;
  #toasts = new Toasts((item, event) => this.#open(item, event));
  #badge = h("span", { class: "badge", part: "badge", "aria-hidden": "true", hidden: true });
  #button = h("button", {
    type: "button",
    class: "bell",
    part: "button",
    "aria-haspopup": "dialog",
    "aria-expanded": "false",
  });
  #announcement = h("div", { class: "visually-hidden", role: "status" });
  #urgentAnnouncement = h("div", { class: "visually-hidden", role: "alert" });
  #frame = h("div", { class: "frame", part: "frame" });

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    // The content security policy of a page may forbid <style>.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
    root.adoptedStyleSheets = [sheet];
    this.#button.append(icon("bell"), this.#badge);
    this.#button.addEventListener("click", () => this.toggle());
    this.#frame.append(this.#button, this.#announcement, this.#urgentAnnouncement, this.#toasts.element);
    root.append(this.#frame);
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.#panel && this.close());
    this.addEventListener("focusout", (event) => {
      if (event.relatedTarget instanceof Node && !this.contains(event.relatedTarget)) this.close(false);
    });
  }

  /** The client. If it is not set, the bell creates one with `getToken`, or with the attributes `url` and `token`. */
  get client(): Client | null {
    return this.#client;
  }

  set client(client: Client | null) {
    this.#disconnect();
    this.#client = client;
    this.#connect();
  }

  set getToken(getToken: GetToken) {
    this.#getToken = getToken;
    this.client = null;
  }

  /** Replaces texts of the bell. */
  set labels(labels: Partial<Labels>) {
    this.#customLabels = labels;
    this.#updateLabels();
  }

  get open(): boolean {
    return this.#panel !== null;
  }

  connectedCallback(): void {
    for (const name of ["online", "offline"]) window.addEventListener(name, this.#diagnose);
    this.#updateLabels();
    this.#connect();
  }

  disconnectedCallback(): void {
    for (const name of ["online", "offline"]) window.removeEventListener(name, this.#diagnose);
    this.close(false);
    this.#disconnect();
  }

  attributeChangedCallback(name: string): void {
    if (name === "lang") this.#updateLabels();
    else if (this.isConnected && (this.#ownsClient || !this.#client)) this.client = null;
  }

  toggle(): void {
    if (this.#panel) this.close();
    else this.show();
  }

  show(): void {
    const feed = this.#feed;
    if (this.#panel || !feed) return;
    this.#toasts.clear();
    const panel = new Panel(feed, this.#labels(), this.#language(), {
      open: (item, event) => this.#open(item, event),
      close: () => this.close(),
      sound: () => this.#toggleSound(),
    });
    this.#panel = panel;
    set(this.#button, { "aria-expanded": "true", "aria-controls": panel.element.id });
    this.#button.after(panel.element);
    this.#placePanel();
    window.addEventListener("resize", this.#placePanel);
    document.addEventListener("pointerdown", this.#closeOutside);
    this.#update();
    void this.#diagnose();
    panel.focus();
    void this.#client?.inbox.seeAll().catch(() => undefined);
  }

  /** Close the panel, and return the focus to the button. */
  close(refocus = true): void {
    if (!this.#panel) return;
    this.#panel.remove();
    window.removeEventListener("resize", this.#placePanel);
    this.#panel = null;
    set(this.#button, { "aria-expanded": "false", "aria-controls": null });
    document.removeEventListener("pointerdown", this.#closeOutside);
    if (refocus) this.#button.focus();
    if (this.#feed && Object.keys(this.#feed.filter).length > 0) void this.#feed.show({});
  }

  /** Align the panel with the outer side of the bell, and move it into the window where it would stick out. */
  #placePanel = (): void => {
    const panel = this.#panel?.element;
    if (!panel) return;
    const { left, right } = this.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const aligned = left + right < width ? left : right - panel.offsetWidth;
    const inside = Math.max(MARGIN, Math.min(aligned, width - MARGIN - panel.offsetWidth));
    panel.style.setProperty("--panel-left", `${inside - left}px`);
  };

  #closeOutside = (event: Event): void => {
    if (!event.composedPath().includes(this)) this.close(false);
  };

  #connect(): void {
    if (!this.isConnected || this.#feed) return;
    const token = this.getAttribute("token");
    const getToken = this.#getToken ?? (token === null ? null : () => token);
    if (!this.#client) {
      if (!getToken) return;
      this.#client = createClient({ url: this.getAttribute("url") ?? "", getToken });
      this.#ownsClient = true;
    }
    const feed = new Feed(this.#client);
    this.#feed = feed;
    this.#unsubscribe = [
      feed.subscribe(() => this.#update()),
      this.#client.on("state", () => {
        this.#update();
        void this.#diagnose();
      }),
      this.#client.on("error", this.#diagnose),
      this.#client.onAny((name, payload) => ARRIVALS.has(name) && this.#announce(payload as Item)),
      // Alerts have a list of their own, so they are not counted here, and there is nothing to mark as read.
      this.#client.on("alert:new", (alert) =>
        this.#announce({ ...alert, level: alert.severity, url: null, read: true } as unknown as Item),
      ),
    ];
    this.#update();
  }

  /** Find out why the client is offline. The reason can change while it is. */
  #diagnose = async (): Promise<void> => {
    const client = this.#client;
    if (client?.state !== "offline") return;
    const trouble = await diagnose(client);
    if (client !== this.#client) return;
    this.#trouble = trouble;
    this.#update();
  };

  #disconnect(): void {
    this.#trouble = null;
    for (const stop of this.#unsubscribe.splice(0)) stop();
    this.#feed = null;
    if (this.#ownsClient) this.#client?.close();
    if (this.#ownsClient) this.#client = null;
    this.#ownsClient = false;
  }

  #announce(item: Item): void {
    if (Date.now() - Date.parse(item.created_at) > MAX_NEWS_AGE) return;
    const urgent = item.level === "error" || item.level === "critical";
    (urgent ? this.#urgentAnnouncement : this.#announcement).textContent = this.#labels().arrived.replace(
      "{title}",
      item.title,
    );
    if (!this.#panel && document.visibilityState === "visible") this.#toasts.show(item, this.#labels());
    void ring().then((rang) => rang && this.dispatchEvent(new CustomEvent("carillon-ring")));
  }

  /** A notification was selected. The page can handle the event and prevent that its link is followed. */
  #open(item: Item, event: Event): void {
    if (!item.read) void this.#feed?.read(item.id);
    const proceed = this.dispatchEvent(
      new CustomEvent("carillon-open", { detail: item, bubbles: true, composed: true, cancelable: true }),
    );
    if (!proceed) event.preventDefault();
  }

  #toggleSound(): boolean {
    setSound(!soundIsOn());
    return soundIsOn();
  }

  #update(): void {
    const { counts } = this.#feed?.state ?? {};
    const unread = counts?.unread ?? 0;
    const labels = this.#labels();
    const number = new Intl.NumberFormat(this.#language()).format(unread);
    this.#badge.hidden = unread === 0;
    this.#badge.textContent = unread > 99 ? `${new Intl.NumberFormat(this.#language()).format(99)}+` : number;
    const name = unread ? `${labels.title}, ${labels.unread.replace("{n}", number)}` : labels.title;
    set(this.#button, { "aria-label": name });
    this.#panel?.update(this.#client?.state === "offline" ? this.#trouble : null);
  }

  #updateLabels(): void {
    if (!this.isConnected) return;
    const language = this.#language();
    set(this.#frame, { lang: language, dir: directionOf(language) });
    set(this.#toasts.element, { role: "region", "aria-label": this.#labels().title });
    const wasOpen = this.#panel !== null;
    this.close(false);
    if (wasOpen) this.show();
    this.#update();
  }

  #language(): string {
    return this.closest("[lang]")?.getAttribute("lang") || navigator.language || "en";
  }

  #labels(): Labels {
    return { ...labelsFor(this.#language()), ...this.#customLabels };
  }
}

export type { Filter };
