/** Numbers, times and names of the API as text for people. */

const NUMBER = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const CALENDAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export const number = (value: number): string => NUMBER.format(value);

/** A rate, with one decimal below 10. */
export function rate(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : number(Math.round(value));
}

/** A duration in seconds. */
export function duration(seconds: number | null): string {
  if (seconds === null) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function share(part: number, whole: number): string {
  if (!whole) return "";
  const percent = (100 * part) / whole;
  return `${percent > 0 && percent < 1 ? "<1" : Math.floor(percent)} %`;
}

/** The time for today, the day for this year, and the date for earlier years. */
export function moment(iso: string): string {
  const then = new Date(iso);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) return CLOCK.format(then);
  return then.getFullYear() === now.getFullYear() ? DAY.format(then) : YEAR.format(then);
}

/** A day of the API, such as 2026-11-27, without a time zone. */
export const date = (day: string): string => CALENDAR.format(new Date(day));

export const clock = (iso: string): string => CLOCK.format(new Date(iso));

/** A tenant in a list of choices. */
export const tenantName = ({ id, name }: { id: string; name: string }): string =>
  name === id ? id : `${name} (${id})`;

const PLATFORMS: Record<string, string> = { android: "Android", ios: "iOS", web: "Web" };

/** The platform of a device, as the app has named it. */
export const platform = (name: string | null): string => (name === null ? "Device" : (PLATFORMS[name] ?? name));

/** A name of the API, such as address_gone, as words. */
export const words = (name: string): string => name.replaceAll("_", " ");

/** The same with a capital letter, for labels. */
export function label(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** The dead letters that can be sent again, without those for which that would not help. */
export function redrivable(dead: number, hopeless: Record<string, number>): number {
  return Object.values(hopeless).reduce((left, count) => left - count, dead);
}

/** A sentence about dead letters that stay dead. */
export function leftOut(hopeless: Record<string, number>): string {
  const parts = Object.entries(hopeless).map(([why, count]) => `${number(count)} (${words(why)})`);
  return parts.length ? `Sending again would not help the others, which stay dead: ${parts.join(", ")}.` : "";
}
