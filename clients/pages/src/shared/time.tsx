/** A time: the time of day for today, the date for other days. */

export function Time({ at, short = false }: { at: string; short?: boolean }) {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  const style = short ? ({ timeStyle: "short" } as const) : {};
  return (
    <time dateTime={at} title={time.toLocaleString()}>
      {isToday ? time.toLocaleTimeString([], style) : time.toLocaleDateString()}
    </time>
  );
}
