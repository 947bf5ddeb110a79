/** DOM helpers. Text is always inserted as text, never as HTML. */

type Child = Node | string | null;

/** Create an element. Attributes that are null or false are left out; true gives an attribute without a value. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | boolean | null> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function set(element: Element, attributes: Record<string, string | number | boolean | null>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

const PATHS = {
  bell: "M6 10a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 15 6 10Zm4 9.5a2.2 2.2 0 0 0 4 0",
  info: "M12 11v5.5M12 7.6v.1",
  success: "m7.8 12.4 2.9 2.9 5.6-6.2",
  warning: "M12 7.2v6M12 16.6v.1",
  error: "m8.6 8.6 6.8 6.8m0-6.8-6.8 6.8",
  critical: "M12.8 5.5 8 13h4l-.8 5.5L16 11h-4l.8-5.5Z",
  check: "m5 12.5 4.2 4.2L19 7",
  checks: "m2.5 12.5 4 4L15 8m-3 7.2 1.5 1.5L22 8",
  dot: "M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7Z",
  archive: "M4 7.5h16M5.5 7.5V18a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1V7.5M3.5 4.5h17v3h-17zM10 11.5h4",
  unarchive: "M4 13.5h4.5a3.5 3.5 0 0 0 7 0H20M5 13.5 7 5h10l2 8.5V19H5v-5.5Z",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4Zm12-1a5 5 0 0 1 0 7m2.5-9.5a8.5 8.5 0 0 1 0 12",
  silence: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4Zm12 .5 4.5 4.5m0-4.5L16 14.5",
  alert: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Zm0 4.3v4.7M12 16v.1",
  close: "m6.5 6.5 11 11m0-11-11 11",
};

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  set(svg, { viewBox: "0 0 24 24", "aria-hidden": "true" });
  set(path, { d: PATHS[name] });
  svg.append(path);
  return svg;
}

/** A button with an icon and an accessible name. */
export function iconButton(name: Icon, label: string, part: string, onPress: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon", part, "aria-label": label, title: label }, icon(name));
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    onPress();
  });
  return button;
}

/** The URL if it is safe to link to: a page or an email address, and nothing that runs, such as javascript:. */
export function safeUrl(url: string | null): string | null {
  if (!url) return null;
  try {
    const { protocol, href } = new URL(url, document.baseURI);
    return ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

/** A time relative to now, such as "5 min. ago". */
export function ago(moment: string, language: string, now = Date.now()): string {
  const seconds = (Date.parse(moment) - now) / 1000;
  if (Number.isNaN(seconds)) return "";
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "narrow" });
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "minute"],
    [3600, "hour"],
    [86400, "day"],
  ];
  if (seconds > -45) return format.format(0, "second");
  if (seconds < -6 * 86400)
    return new Intl.DateTimeFormat(language, { day: "numeric", month: "short" }).format(new Date(moment));
  const [size, unit] = steps.filter(([one]) => -seconds >= one * 0.75).at(-1) ?? [60, "minute"];
  return format.format(Math.round(seconds / size), unit);
}
