/** A user's initial in a circle, with a dot for their presence. */

/** How many colours inbox.css has for avatars. */
const COLOURS = 6;

export function Avatar({ name, status }: { name: string; status?: string | undefined }) {
  return (
    <span class={`avatar hue-${name.charCodeAt(0) % COLOURS}`} aria-hidden="true">
      {name.slice(0, 1).toUpperCase()}
      {status && <span class={`dot ${status}`} />}
    </span>
  );
}

/** A name with a capital letter. */
export function capitalise(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}
