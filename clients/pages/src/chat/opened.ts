/** Which conversation is open. It is in the address, so that "back" and a reload work. */

import { useEffect, useState } from "preact/hooks";

const current = () => decodeURIComponent(location.hash.slice(1)) || null;

export function useOpened(): string | null {
  const [opened, setOpened] = useState(current);
  useEffect(() => {
    const update = () => setOpened(current());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return opened;
}

/** Open a conversation; with null, none. */
export function open(id: string | null): void {
  location.hash = encodeURIComponent(id ?? "");
}
