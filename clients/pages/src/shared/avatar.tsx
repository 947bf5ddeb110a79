/** A user's initial in a circle, with a dot for their presence. */

/** How many colours inbox.css has for avatars. */
const COLOURS = 6;

export function Avatar({ name, status }: { name: string; status?: string | undefined }) {
  return (
    <span class={`avatar hue-${name.charCodeAt(0) % COLOURS}`} aria-hidden="true">
      {first(name).toUpperCase()}
      {status && <span class={`dot ${status}`} />}
    </span>
  );
}

/** A name with a capital letter. */
export function capitalise(name: string): string {
  const letter = first(name);
  return letter.toUpperCase() + name.slice(letter.length);
}

const CHARACTERS = new Intl.Segmenter();

/** The first character as a reader sees it: an emoji or a letter with its accents is more than one code unit. */
function first(name: string): string {
  return CHARACTERS.segment(name)[Symbol.iterator]().next().value?.segment ?? "";
}
