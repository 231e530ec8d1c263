/** Deadlines as text, there and back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineText, readDeadline } from "./deadline-header.ts";

const INSTANT_MS = 1_764_350_000_250;

test("an instant is written in each format, never later than it is, and read again", () => {
  for (const [format, text] of [
    ["epoch-ms", "1764350000250"],
    ["epoch-s", "1764350000.250"],
    ["rfc3339", "2025-11-28T17:13:20.250Z"],
  ] as const) {
    assert.equal(deadlineText(format, INSTANT_MS + 0.9), text);
    assert.equal(readDeadline(format, text), INSTANT_MS);
  }
  assert.equal(readDeadline("epoch-s", "1764350000"), 1_764_350_000_000);
  assert.equal(readDeadline("rfc3339", "2025-11-28T18:13:20.25+01:00"), INSTANT_MS);
});

test("what is no instant of the format is none: other units, signs, words, dates without a zone", () => {
  for (const [format, text] of [
    ["epoch-ms", "1764350000"],
    ["epoch-ms", "-1"],
    ["epoch-ms", "soon"],
    ["epoch-ms", ""],
    ["epoch-ms", "1e12"],
    ["epoch-ms", "9".repeat(16)],
    ["epoch-s", "1764350000250"],
    ["epoch-s", "2025-11-28T17:13:20Z"],
    ["rfc3339", "1764350000250"],
    ["rfc3339", "2025-11-28T17:13:20"],
    ["rfc3339", "2025-13-28T17:13:20Z"],
    ["rfc3339", "28 Nov 2025 17:13:20 GMT"],
  ] as const) {
    assert.equal(readDeadline(format, text), undefined, `${format} ${text}`);
  }
});
