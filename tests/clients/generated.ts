/** A notification is sent and read, with types from openapi-typescript. tests/clients/test_generators.py runs this. */

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./openapi.js";

const client = createClient<paths>({
  baseUrl: process.env.CARILLON_URL,
  headers: { Authorization: `Bearer ${process.env.CARILLON_KEY}` },
});

const accepted = await client.POST("/v1/notifications", {
  params: { header: { "Idempotency-Key": "generated" } },
  body: { audience: { users: ["alice", { id: "bob", email: "bob@example.com" }] }, title: "Hello", message: "World" },
});
if (accepted.error) throw new Error(accepted.error.detail);
const notification: string = accepted.data.id;

const read = await client.GET("/v1/notifications/{notification}", { params: { path: { notification } } });
if (read.error) throw new Error(read.error.detail);
const level: "info" | "success" | "warning" | "error" | "critical" = read.data.level;
assert.deepEqual([read.data.id, read.data.title, level], [notification, "Hello", "info"]);

const page = await client.GET("/v1/notifications", { params: { query: { limit: 1 } } });
assert.equal(page.data?.data.length, 1);

// @ts-expect-error The type knows the levels.
const refused = await client.POST("/v1/alerts", { body: { title: "T", message: "M", level: "loud" } });
const code: string | undefined = refused.error?.code;
assert.deepEqual([refused.response.status, code], [422, "validation"]);
