// What the clients' code finds around it in a browser, in a build with React, or on its own server. Loaded with
// `node --import`; it also answers for the packages that their code imports.

import { register } from "node:module";

const HOOKS = `export async function resolve(name, context, next) {
  return next(["socket.io-client", "react"].includes(name) ? ${JSON.stringify(import.meta.url)} : name, context);
}`;
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);

// socket.io-client: the real one, in the version under test. Their code names servers of theirs; ours is elsewhere, under
// the same namespaces.

const real = await import(process.env.SOCKET_IO_CLIENT);

export const world = { url: process.env.A };
export const sockets = [];
export function io(url, options) {
  const { pathname } = new URL(url);
  const socket = real.io(new URL(pathname, world.url).href, options);
  sockets.push(socket);
  return socket;
}
export default io;

// react: state, effects and their clean-up for one component without a page.

let rendering = null;

export function useState(initial) {
  const { states, next } = rendering;
  const n = next.state++;
  if (!(n in states)) states[n] = initial;
  const { render } = rendering;
  return [
    states[n],
    (value) => {
      states[n] = typeof value === "function" ? value(states[n]) : value;
      render();
    },
  ];
}

export function useEffect(effect, dependencies) {
  const { effects, next } = rendering;
  const n = next.effect++;
  const before = effects[n];
  if (before && dependencies.every((one, i) => Object.is(one, before.dependencies[i]))) return;
  before?.cleanup?.();
  effects[n] = { dependencies };
  effects[n].cleanup = effect();
}

/** Mount a component or a hook; `.shown` is what it last returned. */
export function mount(component, ...props) {
  const own = { states: [], effects: [], next: null, render: null };
  const mounted = {
    shown: undefined,
    unmount: () => own.effects.forEach(({ cleanup }) => cleanup?.()),
  };
  let busy = false;
  let again = false;
  own.render = () => {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      own.next = { state: 0, effect: 0 };
      rendering = own;
      mounted.shown = component(...props);
      rendering = null;
    }
    busy = false;
  };
  own.render();
  return mounted;
}

// The browser: storage, addresses without a host, the few elements of a page that are written to, sounds.

const stored = new Map();
globalThis.localStorage = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, value) => stored.set(name, String(value)),
};

const fetched = globalThis.fetch;
globalThis.fetch = (url, options) => fetched(new URL(url, world.url), options);

class Element {
  constructor() {
    this.style = {};
    this.children = [];
  }
  get firstChild() {
    return this.children[0] ?? null;
  }
  insertBefore(child, before) {
    this.children.splice(before ? this.children.indexOf(before) : this.children.length, 0, child);
  }
}
const elements = new Map();
globalThis.document = {
  createElement: () => new Element(),
  getElementById: (id) => elements.get(id) ?? elements.set(id, new Element()).get(id),
};

export const played = [];
globalThis.Audio = class {
  constructor(source) {
    this.source = source;
  }
  async play() {
    played.push(this.source);
  }
};

// What they write on the console is not what a test has to say.
console.log = () => {};

globalThis.window = globalThis;
globalThis.io = io;
globalThis.WS_URL = "http://localhost:5000";
