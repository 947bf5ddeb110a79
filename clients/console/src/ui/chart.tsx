/** Lines over time. Colours are those of the style sheet, so that both themes have their own. */

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  name: string;
  /** A custom property of the style sheet. */
  colour: string;
  values: (number | null)[];
  /** Measured now and then, so that a gap says nothing. */
  sampled?: boolean;
}

const HEIGHT = 152;
const FONT = "11px system-ui, sans-serif";
/** Pixels between two numbers on an axis. */
const SPACE_X = 84;
const SPACE_Y = 34;

const style = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export function Chart(props: { title: string; at: number[]; lines: Line[]; format: (value: number) => string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const format = useRef(props.format);
  const [pointed, setPointed] = useState<number | null>(null);
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);

  useEffect(() => {
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(theme.matches);
    theme.addEventListener("change", changed);
    return () => theme.removeEventListener("change", changed);
  }, []);

  const names = props.lines.map((line) => line.name).join();
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const axis = {
      stroke: style("--muted"),
      font: FONT,
      grid: { stroke: style("--line"), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
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
            stroke: style(line.colour),
            width: 1.5,
            spanGaps: line.sampled ?? false,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(self) => setPointed(self.cursor.idx ?? null)] },
      },
      [props.at, ...props.lines.map((line) => line.values)],
      element,
    );
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, dark]);

  useEffect(() => {
    format.current = props.format;
    plot.current?.setData([props.at, ...props.lines.map((line) => line.values)]);
  }, [props.at, props.lines]);

  const shown = pointed ?? props.at.length - 1;
  const said = props.lines.map((line) => ({ ...line, value: line.values[shown] ?? null }));
  const text = (value: number | null) => (value === null ? "–" : props.format(value));
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <span class="chart-at numbers">{pointed !== null && CLOCK.format((props.at[pointed] ?? 0) * 1000)}</span>
        <ul class="legend">
          {said.map((line) => (
            <li key={line.name}>
              <i class={`swatch swatch${line.colour}`} aria-hidden="true" />
              {line.name} <b class="numbers">{text(line.value)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={place}
        class="plot"
        role="img"
        aria-label={`${props.title} over time; last: ${said.map((line) => `${line.name} ${text(line.values.at(-1) ?? null)}`).join(", ")}`}
      />
    </figure>
  );
}
