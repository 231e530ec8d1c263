import assert from "node:assert/strict";
import { test } from "node:test";
import type { Failure } from "ground-station-failover/sim";
import { furtherText } from "./report-text.ts";

const failureOf = (seed: number): Failure => ({
  seed,
  tieBreak: "drawn",
  violation: { invariant: "fit-is-promoted", detail: "a\nb", atMs: 20_600, step: 3 },
});

test("[S1] failures that are not looked into are named, up to a hundred", () => {
  const few = furtherText([7, 9].map(failureOf)).split("\n");
  assert.deepEqual(few.slice(1), [
    "2 further seeds failed:",
    "  seed 7: fit-is-promoted at 20.600 s",
    "  seed 9: fit-is-promoted at 20.600 s",
  ]);
  const many = furtherText(Array.from({ length: 105 }, (_, seed) => failureOf(seed))).split("\n");
  assert.equal(many.length, 103);
  assert.equal(many.at(-1), "  … and 5 more");
});
