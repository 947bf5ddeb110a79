/** The colours of channels. A channel has the colour of its place in the API's list, so a new one needs no change here. */

import { CHANNELS } from "carillon-client/openapi";

/** How many colours styles/base.css has for channels. */
const COLOURS = 6;

/** The name of a custom property in styles/base.css, without its dashes. */
export function channelColour(channel: string): string {
  const place = (CHANNELS as readonly string[]).indexOf(channel);
  return `channel-${((place < 0 ? CHANNELS.length : place) % COLOURS) + 1}`;
}
