/** @jsxImportSource preact */
/** Only its types are checked: the bell in JSX of Preact. */

import "../src/preact.ts";

export const bell = () => (
  <carillon-bell url="https://carillon.example" getToken={() => "t"} theme="dark" class="bell" />
);

// @ts-expect-error There is no such theme.
export const wrong = () => <carillon-bell theme="blue" />;
