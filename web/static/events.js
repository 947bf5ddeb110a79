// What AsyncAPI's own component makes of the document.
"use strict";

AsyncApiStandalone.render(
  { schema: { url: "/asyncapi.json" }, config: { show: { sidebar: true, errors: false }, sidebar: { showOperations: "bySpec" } } },
  document.getElementById("events"),
);
