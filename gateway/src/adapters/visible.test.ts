/** What could rewrite a terminal, or make a line read otherwise than it is, is shown as what it is; all else stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { visible, visibleLines } from "./visible.ts";

test("[G6] control characters of both kinds and marks of direction are escaped; letters, accents and emoji stay", () => {
  assert.equal(visible("a\u001b[2J\u009bm\u007f\u202eb\u2066c\n"), "a\\u001b[2J\\u009bm\\u007f\\u202eb\\u2066c\\u000a");
  for (const text of ["ordinary", "Zürich – 東京", "👩‍🚀 launch", "שלום"]) assert.equal(visible(text), text);
});

test("[G6] a line of JSON says the same afterwards, and text of several lines keeps them", () => {
  const value = { reason: "\u001b[31mred\u009b \u202etxt.exe" };
  assert.deepEqual(JSON.parse(visible(JSON.stringify(value))), value);
  assert.equal(visibleLines("one\n\u001btwo"), "one\n\\u001btwo");
});
