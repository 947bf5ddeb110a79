/** Line charts over time. Their colours come from the style sheet, which has them for both themes. */

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  name: string;
  /** The name of a custom property of the style sheet, without its dashes. */
  colour: string;
  values: (number | null)[];
  /** Measured from time to time, so that a gap has no meaning and is bridged. */
  sampled?: boolean;
}

const HEIGHT = 152;
const FONT = "11px system-ui, sans-serif";
/** The least distance of two labels on an axis, in pixels. */
const SPACE_X = 84;
const SPACE_Y = 34;

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export function Chart(props: { title: string; at: number[]; lines: Line[]; format: (value: number) => string }) {
  const container = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const format = useRef(props.format);
  const [pointedAt, setPointedAt] = useState<number | null>(null);
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);

  useEffect(() => {
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const update = () => setDark(theme.matches);
    theme.addEventListener("change", update);
    return () => theme.removeEventListener("change", update);
  }, []);

  const names = props.lines.map((line) => line.name).join();
  useEffect(() => {
    const element = container.current;
    if (!element) return;
    const axis = {
      stroke: colour("muted"),
      font: FONT,
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    const created = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [8, 12, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "overview" } },
        scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        axes: [
          {
            ...axis,
            space: SPACE_X,
            size: 28,
            values: (_plot, ticks) => ticks.map((tick) => MINUTE.format(tick * 1000)),
          },
          { ...axis, space: SPACE_Y, size: 56, values: (_plot, ticks) => ticks.map((tick) => format.current(tick)) },
        ],
        series: [
          {},
          ...props.lines.map((line) => ({
            label: line.name,
            stroke: colour(line.colour),
            width: 1.5,
            spanGaps: line.sampled ?? false,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(self) => setPointedAt(self.cursor.idx ?? null)] },
      },
      [props.at, ...props.lines.map((line) => line.values)],
      element,
    );
    plot.current = created;
    const observer = new ResizeObserver(() => created.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = null;
    };
  }, [names, dark]);

  useEffect(() => {
    format.current = props.format;
    plot.current?.setData([props.at, ...props.lines.map((line) => line.values)]);
  }, [props.at, props.lines]);

  const shown = pointedAt ?? props.at.length - 1;
  const current = props.lines.map((line) => ({ ...line, value: line.values[shown] ?? null }));
  const text = (value: number | null) => (value === null ? "–" : props.format(value));
  const last = props.lines.map((line) => `${line.name} ${text(line.values.at(-1) ?? null)}`);
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <span class="chart-at numbers">{pointedAt !== null && CLOCK.format((props.at[pointedAt] ?? 0) * 1000)}</span>
        <ul class="legend">
          {current.map((line) => (
            <li key={line.name}>
              <i class={`swatch colour-${line.colour}`} aria-hidden="true" />
              {line.name} <b class="numbers">{text(line.value)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={container}
        class="plot"
        role="img"
        aria-label={`${props.title} over time. Last values: ${last.join(", ")}.`}
      />
    </figure>
  );
}
