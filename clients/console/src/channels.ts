/** The order and the colours of channels. Both follow the list of the API, so a new channel needs no change here. */

import { CHANNELS } from "carillon-client/openapi";

/** How many colours styles/base.css has for channels. */
const COLOURS = 6;

function place(channel: string): number {
  const found = (CHANNELS as readonly string[]).indexOf(channel);
  return found < 0 ? CHANNELS.length : found;
}

/** The names of channels, in the order of the API. */
export function inOrder(channels: string[]): string[] {
  return [...channels].sort((a, b) => place(a) - place(b));
}

/** The name of a custom property in styles/base.css, without its dashes. */
export function channelColour(channel: string): string {
  return `channel-${(place(channel) % COLOURS) + 1}`;
}
