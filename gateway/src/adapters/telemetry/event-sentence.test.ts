/** Sentences of events: foreign text in them stays within its line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sentenceOf } from "./event-sentence.ts";

test("[G6] a reason or an answer of several lines stays in one sentence of one line", () => {
  const reason = "done\n\natlantic: backup serves\u200b\u{e0041}";
  const shown = "done\\n\\natlantic: backup serves\\u200b\\udb40\\udc41";
  const at = { group: "atlantic", station: "backup" } as const;
  assert.equal(
    sentenceOf({ type: "maintenance", ...at, reason, untilMs: 1 } as unknown as Parameters<typeof sentenceOf>[0]),
    `backup is in maintenance: ${shown}`,
  );
  assert.equal(
    sentenceOf({ type: "probe", ...at, isWell: false, text: reason } as unknown as Parameters<typeof sentenceOf>[0]),
    `the health page of backup is not well: ${shown}`,
  );
});
