// Renders the AsyncAPI document with AsyncAPI's own component.
"use strict";

AsyncApiStandalone.render(
  { schema: { url: "/asyncapi.json" }, config: { show: { sidebar: true, errors: false }, sidebar: { showOperations: "bySpec" } } },
  document.getElementById("events"),
);
