/**
 * Every rule that a test names is defined in `docs/promises.md`, and every rule there is tested
 * where the page says.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { promises } from "./promises.ts";

test("every rule that tests name is defined once, and every defined one is tested", () => {
  const { rules, tested } = promises();
  assert.deepEqual([...rules].sort(), [...tested].sort());
});

test("the page names the files in which each rule is tested (npm run promises writes it)", () => {
  const { text, due } = promises();
  assert.equal(text, due);
});
