/**
 * What could rewrite a terminal, or make a line read otherwise than it is, is shown as what it is;
 * all else stays.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { visible, visibleLines } from "./visible.ts";

test("[G6] control characters of both kinds and marks of direction are escaped; letters, accents and emoji stay", () => {
  assert.equal(
    visible("a\u001b[2J\u009bm\u007f\u202eb\u2066c\n\r\t"),
    "a\\u001b[2J\\u009bm\\u007f\\u202eb\\u2066c\\n\\r\\t",
  );
  for (const text of ["ordinary", "Zürich – 東京", "👩‍🚀 launch", "שלום", "❤️", "می‌خواهم", "e\u0301", "C:\\new"])
    assert.equal(visible(text), text);
});

test("[G6] what is drawn as nothing is escaped, also beyond the first plane; joiners only where they join nothing", () => {
  const hidden = [
    "\u200b",
    "\u00ad",
    "\ufeff",
    "\u2060",
    "\u180e",
    "\u034f",
    "\u115f",
    "\u3164",
    "\uffa0",
    "\ufff9",
    "\u061c",
    "\u2028",
  ];
  for (const code of [...Array(6).keys()].map((step) => 0x206a + step)) hidden.push(String.fromCodePoint(code));
  for (const code of [0xe0000, 0xe0001, 0xe0041, 0xe007f, 0xe0100]) hidden.push(String.fromCodePoint(code));
  for (const text of hidden) assert.match(visible(`a${text}b`), /^a(\\u[0-9a-f]{4}){1,2}b$/, JSON.stringify(text));
  assert.equal(visible("tag\u{e0041}"), "tag\\udb40\\udc41");
  assert.equal(visible("pri\u200dmary\ufe0f"), "pri\\u200dmary\\ufe0f");
});

test("[G6] a line of JSON says the same afterwards; of several lines each stays one", () => {
  const value = { reason: "\u001b[31mred\u009b \u202etxt.exe\nnext\u{e0041}\ufeff" };
  assert.deepEqual(JSON.parse(visible(JSON.stringify(value))), value);
  assert.equal(visibleLines(["one\nforged", "\u001btwo"]), "one\\nforged\n\\u001btwo");
});
