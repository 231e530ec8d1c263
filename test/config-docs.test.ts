/**
 * What people and editors read of the configuration's fields is what the fields' definitions say.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { guide, SCHEMA_FILE, schemaText } from "./config-docs.ts";

test("the guide's tables of fields are as the fields are defined (npm run config:docs writes them)", () => {
  const { text, due } = guide();
  assert.equal(text, due);
});

test("gateway/fleet.schema.json is as the fields are defined (npm run config:docs writes it)", () => {
  assert.equal(readFileSync(SCHEMA_FILE, "utf8"), schemaText());
});
