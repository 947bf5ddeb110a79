/** A time: the time of day for today, the date for other days. */

export function Time({ at }: { at: string }) {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at} title={time.toLocaleString()}>
      {isToday ? time.toLocaleTimeString() : time.toLocaleDateString()}
    </time>
  );
}
