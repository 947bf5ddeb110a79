/** The bell's voice: made here, so that there is no file to load, and a choice that is kept. */

import { claim } from "../tabs.ts";

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
    // Blocked: it holds for nobody, then.
  }
}

/** Ring in one of all open tabs, once for what comes within three seconds. Returns whether this one rang. */
export async function ring(): Promise<boolean> {
  // A browser keeps a page silent that nobody has touched yet: let another tab do it.
  const able = navigator.userActivation?.hasBeenActive ?? true;
  if (!soundIsOn() || !able || !(await claim(KEY))) return false;
  play();
  return true;
}

/** A small bell: a note, its octave and the fifth between, each fading in its own time. */
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
