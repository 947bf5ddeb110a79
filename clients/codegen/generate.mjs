/**
 * Writes the TypeScript of the HTTP API: reads the OpenAPI document from standard input, writes the module to standard
 * output. `make types` runs it, and tests/web/test_typescript.py compares its output with clients/js/src/openapi.ts.
 */

import { text } from "node:stream/consumers";
import openapi, { astToString } from "openapi-typescript";

const HEADER = "// Generated from /openapi.json. Do not edit: run make types.\n\n";

/** Lists that programs need at run time, with the member of a schema that has their values. */
const LISTS = {
  CHANNELS: "RedriveBody.channel",
  DELIVERY_STATES: "DeliveryView.state",
  NOTIFICATION_STATES: "NotificationView.state",
  LEVELS: "ItemView.level",
  PRIORITIES: "NotificationView.priority",
};

/** What only readers need. Without it the module changes when the API does, and not when its documentation does. */
const PROSE = new Set(["title", "description", "default", "example", "examples", "format", "pattern"]);

const METHODS = "get|put|post|delete|options|head|patch|trace";
/** Lines that say that something does not exist. */
const ABSENT = new RegExp(`^ *(${METHODS}|query|header|path|cookie|requestBody)\\?: never;\\n`, "gm");
const EMPTY = /^ *(parameters: \{\n *\}|headers: \{\n *\[name: string\]: unknown;\n *\});\n/gm;
const UNUSED = /^ *(responses|parameters|requestBodies|headers|pathItems): never;\n|^export type .* = Record<.*>;\n/gm;

/** The requests to /v1 and their successful answers. Errors and headers are the same for all of them. */
function essential(document) {
  const ours = Object.entries(document.paths).filter(([path]) => path.startsWith("/v1/"));
  const paths = ours.map(([path, methods]) => [path, mapValues(methods, operation)]);
  const schemas = mapValues(document.components.schemas, schema);
  return { openapi: document.openapi, info: document.info, paths: Object.fromEntries(paths), components: { schemas } };
}

function operation({ parameters = [], requestBody, responses }) {
  const named = parameters.filter((parameter) => parameter.in !== "header");
  const successful = Object.entries(responses).filter(([status]) => status.startsWith("2"));
  return {
    parameters: named.map((parameter) => ({ ...parameter, description: undefined, schema: schema(parameter.schema) })),
    ...(requestBody && { requestBody: { required: true, content: mapValues(requestBody.content, media) } }),
    responses: Object.fromEntries(
      successful.map(([status, { content = {} }]) => [status, { content: mapValues(content, media) }]),
    ),
  };
}

const media = (given) => ({ schema: schema(given.schema ?? {}) });

/** The schema without prose. The keys of `properties` are names, whatever they are. */
function schema(given) {
  if (Array.isArray(given)) return given.map(schema);
  if (given === null || typeof given !== "object") return given;
  const kept = Object.entries(given).filter(([keyword]) => !PROSE.has(keyword));
  return Object.fromEntries(
    kept.map(([keyword, value]) => [keyword, keyword === "properties" ? mapValues(value, schema) : schema(value)]),
  );
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

function list(document, [name, where]) {
  const [schemaName, member] = where.split(".");
  const found = document.components.schemas[schemaName].properties[member];
  const values = found.enum ?? found.anyOf.find((one) => one.enum).enum;
  return `\nexport const ${name} = [${values.map((value) => JSON.stringify(value)).join(", ")}] as const;\n`;
}

const document = JSON.parse(await text(process.stdin));
const types = astToString(await openapi(essential(document), { alphabetize: true }));
const module = types
  .replace(ABSENT, "")
  .replace(EMPTY, "")
  .replace(UNUSED, "")
  .replace(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "")
  .replace(/^ +/gm, (indent) => " ".repeat(indent.length / 2));
process.stdout.write(
  HEADER +
    module +
    Object.entries(LISTS)
      .map((one) => list(document, one))
      .join(""),
);
