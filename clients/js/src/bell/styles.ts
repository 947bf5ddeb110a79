/** The style sheet of the bell. Pages adapt it with the custom properties at its top, and with ::part(). */

export const STYLES = `
:host {
  all: initial;
  color-scheme: light dark;
  --accent: var(--carillon-accent, light-dark(#3451c6, #93a8ff));
  --surface: var(--carillon-surface, light-dark(#ffffff, #1b1d22));
  --text: var(--carillon-text, light-dark(#17191e, #eceef2));
  --muted: light-dark(#5c6370, #a0a7b4);
  --line: light-dark(#e6e8ed, #2e3239);
  --hover: light-dark(#f5f6f8, #24272d);
  --tint: light-dark(#eff2fd, #252b3f);
  --alarm: light-dark(#c8283c, #f0566a);
  --on-alarm: light-dark(#ffffff, #22070b);
  --green: light-dark(#18794e, #59c893);
  --amber: light-dark(#95580b, #e5a94e);
  --shadow: 0 0 0 1px light-dark(rgb(20 24 40 / .06), rgb(255 255 255 / .07)),
    0 2px 6px light-dark(rgb(20 24 40 / .06), rgb(0 0 0 / .35)), 0 16px 40px -8px light-dark(rgb(20 24 40 / .2), rgb(0 0 0 / .6));
  display: inline-block;
  position: relative;
  visibility: inherit;
}
:host([hidden]) { display: none; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
/* Styles of the page for the element, also those for "*", precede :host. So the frame resets what would be inherited. The
   page can still hide the bell, and hides it with a menu that contains it. */
.frame {
  all: initial;
  display: block;
  color-scheme: inherit;
  visibility: inherit;
  font: 400 14px/1.45 var(--carillon-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
  color: var(--text);
  -webkit-font-smoothing: antialiased;
}
*, *::before { box-sizing: border-box; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
svg { display: block; width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
[hidden] { display: none !important; }

.bell { position: relative; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 10px; color: var(--text); transition: background .12s; }
.bell:hover, .bell[aria-expanded="true"] { background: light-dark(rgb(20 24 40 / .06), rgb(255 255 255 / .09)); }
.bell svg { width: 22px; height: 22px; }
.badge {
  position: absolute; inset-block-start: 2px; inset-inline-start: calc(50% + 2px); min-width: 18px; height: 18px; padding: 0 5px;
  border-radius: 9px; background: var(--alarm); color: var(--on-alarm); box-shadow: 0 0 0 2px var(--surface);
  font-size: 11px; font-weight: 650; line-height: 18px; text-align: center; font-variant-numeric: tabular-nums;
}

.panel {
  position: absolute; z-index: 1000; top: calc(100% + 8px); left: var(--panel-left, 0); width: 400px; max-width: calc(100vw - 24px);
  max-height: min(600px, calc(100vh - 96px)); display: flex; flex-direction: column; overflow: hidden;
  border-radius: 14px; background: var(--surface); box-shadow: var(--shadow); text-align: start; animation: open .14s ease-out;
}
@keyframes open { from { opacity: 0; transform: translateY(-4px); } }
header, .filters, .offline { flex: none; }
header { display: flex; align-items: center; gap: 4px; padding: 14px 12px 10px 20px; }
[dir="rtl"] header { padding: 14px 20px 10px 12px; }
h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 650; letter-spacing: -.01em; }
.icon { display: grid; place-items: center; width: 32px; height: 32px; border-radius: 8px; color: var(--muted); transition: background .12s, color .12s; }
.icon:hover { background: light-dark(rgb(20 24 40 / .06), rgb(255 255 255 / .09)); color: var(--text); }
.icon:disabled { opacity: .4; cursor: default; background: none; }
.filters { display: flex; gap: 6px; padding: 0 20px 12px; overflow-x: auto; scrollbar-width: none; }
.filters button { flex: none; padding: 4px 11px; border-radius: 14px; font-size: 13px; line-height: 20px; color: var(--muted); background: var(--hover); transition: color .12s; }
.filters button:hover { color: var(--text); }
.filters button[aria-pressed="true"] { background: var(--text); color: var(--surface); }
.filters button:focus-visible { outline-offset: 1px; }
.offline { margin: 0 20px 12px; padding: 8px 12px; border-radius: 8px; background: var(--hover); color: var(--muted); font-size: 13px; }

.list { flex: 1; overflow-y: auto; overscroll-behavior: contain; border-block-start: 1px solid var(--line); scrollbar-width: thin; }
article { position: relative; display: grid; grid-template-columns: 32px 1fr; column-gap: 12px; padding: 14px 20px; cursor: default; transition: background .12s; }
article + article { border-block-start: 1px solid var(--line); }
article:hover, article:is(:focus-visible, :has(:focus-visible)) { background: var(--hover); }
article:focus-visible { outline-offset: -2px; border-radius: 4px; }
article[data-url] { cursor: pointer; }
.level { display: grid; place-items: center; width: 32px; height: 32px; border-radius: 50%; color: var(--tone); background: color-mix(in srgb, var(--tone) 12%, transparent); }
.level svg { width: 22px; height: 22px; stroke-width: 1.9; }
[data-level] { --tone: var(--accent); }
[data-level="success"] { --tone: var(--green); }
[data-level="warning"] { --tone: var(--amber); }
[data-level="error"], [data-level="critical"] { --tone: var(--alarm); }
[data-level="critical"] .level { background: var(--alarm); color: var(--on-alarm); }
.text { min-width: 0; }
.line { display: flex; align-items: baseline; gap: 10px; }
h3, .title { flex: 1; min-width: 0; margin: 0; font-size: 14px; font-weight: 500; line-height: 20px; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
h3 a, .title a { color: inherit; text-decoration: none; }
h3 a::after, .title a::after { content: ""; position: absolute; inset: 0; }
h3 a:focus-visible, .title a:focus-visible { outline: none; }
article:has(a:focus-visible), .toast:has(a:focus-visible) { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 4px; }
.unread h3 { font-weight: 650; }
.unread::before { content: ""; position: absolute; inset-block-start: 27px; inset-inline-start: 8px; width: 6px; height: 6px; border-radius: 50%; background: var(--accent); }
p { margin: 2px 0 0; color: var(--muted); font-size: 13.5px; overflow-wrap: anywhere; white-space: pre-line; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.unread p { color: light-dark(#3d434e, #c3c8d1); }
time, .category { flex: none; color: var(--muted); font-size: 12px; line-height: 20px; font-variant-numeric: tabular-nums; }
.category { display: block; margin-block-start: 4px; line-height: 16px; }
.actions { position: absolute; z-index: 1; inset-block-start: 8px; inset-inline-end: 12px; display: flex; padding: 1px; border-radius: 9px; background: var(--surface); box-shadow: 0 0 0 1px var(--line); opacity: 0; transition: opacity .1s; }
article:hover .actions, article:is(:focus-visible, :has(:focus-visible)) .actions { opacity: 1; }
.actions .icon { width: 28px; height: 28px; }
.actions svg { width: 18px; height: 18px; }
@media (hover: none) {
  .actions { position: static; grid-column: 2; justify-self: start; margin-block-start: 8px; opacity: 1; }
}

.note { display: grid; justify-items: center; gap: 4px; padding: 56px 32px 60px; text-align: center; }
.note svg { width: 28px; height: 28px; margin-block-end: 8px; color: var(--muted); stroke-width: 1.4; }
.note strong { font-weight: 600; }
.note span { color: var(--muted); font-size: 13.5px; }
.retry { margin-block-start: 12px; padding: 6px 14px; border-radius: 8px; box-shadow: inset 0 0 0 1px var(--line); font-weight: 500; }
.retry:hover { background: var(--hover); }
.skeleton { padding: 14px 20px; display: grid; grid-template-columns: 32px 1fr; gap: 8px 12px; }
.skeleton i { border-radius: 5px; height: 12px; background: var(--line); animation: breathe 1.4s ease-in-out infinite alternate; }
.skeleton i:first-child { grid-row: span 2; width: 32px; height: 32px; border-radius: 50%; }
.skeleton i:nth-child(2) { width: 45%; margin-block-start: 4px; }
@keyframes breathe { to { opacity: .45; } }

.toasts { position: fixed; z-index: 1001; inset-block-end: 0; inset-inline-end: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; padding: 20px; padding-inline-start: 36px; width: 416px; max-width: 100vw; max-height: 100vh; overflow-y: auto; scrollbar-width: thin; text-align: start; pointer-events: none; }
.toast { position: relative; display: grid; grid-template-columns: 32px minmax(0, 1fr) 28px; gap: 12px; pointer-events: auto; padding: 14px 12px 14px 14px; border-radius: 12px; background: var(--surface); box-shadow: var(--shadow); animation: arrive .18s ease-out; }
.toast .title { font-weight: 600; }
.toast .icon { width: 28px; height: 28px; margin-block-start: -3px; z-index: 1; }
@keyframes arrive { from { transform: translateY(12px); } }

@media (max-width: 480px) {
  .panel { position: fixed; inset: 8px; width: auto; max-width: none; max-height: none; }
  .toasts { inset-inline: 0; padding: 12px; width: auto; max-width: none; }
}
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .panel, .toast, .actions, .badge { border: 1px solid CanvasText; } .unread::before { background: Highlight; forced-color-adjust: none; } }
`;
