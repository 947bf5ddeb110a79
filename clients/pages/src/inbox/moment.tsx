/** A moment as people read it: today's by the clock. */

export function Moment({ at }: { at: string }) {
  const moment = new Date(at);
  const today = moment.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at} title={moment.toLocaleString()}>
      {today ? moment.toLocaleTimeString() : moment.toLocaleDateString()}
    </time>
  );
}
