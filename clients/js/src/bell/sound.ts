/** The sound of the bell, which is synthesised, and the setting that turns it off. */

import { claim } from "../tabs.ts";

/** The key of the setting, and the name of the claim to ring. */
const KEY = "carillon:sound";

export function soundIsOn(): boolean {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

export function setSound(on: boolean): void {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // Storage is blocked: the setting is lost.
  }
}

/** Ring in one of the open tabs, at most once in three seconds. Returns whether this tab rang. */
export async function ring(): Promise<boolean> {
  // Browsers mute a page until the user has interacted with it. Another tab may be able to ring.
  const able = navigator.userActivation?.hasBeenActive ?? true;
  if (!soundIsOn() || !able || !(await claim(KEY))) return false;
  play();
  return true;
}

/** Play a note with its fifth and its octave. Each fades separately. */
function play(): void {
  const context = new AudioContext();
  const partials: [number, number, number][] = [
    [784, 0.09, 0.9],
    [1176, 0.05, 0.6],
    [1568, 0.035, 0.45],
  ];
  for (const [frequency, loudness, seconds] of partials) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0.0001, context.currentTime);
    gain.gain.exponentialRampToValueAtTime(loudness, context.currentTime + 0.012);
    gain.gain.exponentialRampToValueAtTime(0.0001, context.currentTime + seconds);
    tone.connect(gain).connect(context.destination);
    tone.start();
    tone.stop(context.currentTime + seconds);
  }
  setTimeout(() => void context.close(), 1_200);
}
