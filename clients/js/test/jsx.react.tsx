/** Only its types are checked: the bell in JSX of React. */

import type { CarillonBell } from "../src/bell/element.ts";
import "../src/react.ts";

export const bell = (ref: (bell: CarillonBell | null) => void) => (
  <carillon-bell ref={ref} url="https://carillon.example" token="t" theme="dark" lang="de" className="bell" />
);

// @ts-expect-error There is no such theme.
export const wrong = () => <carillon-bell theme="blue" />;
