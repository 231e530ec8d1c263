/**
 * A short run of every fuzzer (`npm run fuzz` runs them for longer), and that the fuzzer itself
 * finds and shortens a failing input.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, inputOf } from "./fuzzer.ts";
import { TARGETS } from "./targets.ts";

const BUDGET_MS = 1_500;

for (const target of TARGETS) {
  test(`[G6] mutated input for ${target.name} → only its documented error`, () => {
    const { runs, finding } = fuzz(target, 1, BUDGET_MS);
    assert.ok(runs > 0);
    assert.equal(finding, undefined, `run ${finding?.run}: ${finding?.reason}: ${finding?.input.toString("base64")}`);
  });
}

test("[G6] a parser that fails on a byte → found, shortened, and replayed by its number", () => {
  const faulty = {
    name: "faulty",
    corpus: [Buffer.from("a long enough input")],
    check: (input: Buffer): void => assert.ok(!input.includes(0)),
  };
  const { finding } = fuzz(faulty, 1, 60_000);
  assert.ok(finding);
  assert.deepEqual(finding.input, Buffer.of(0));
  assert.ok(inputOf(faulty, 1, finding.run).includes(0));
});
