/**
 * A short run of every fuzzer (`npm run fuzz` runs them for longer), and that the fuzzer itself
 * finds and shortens a failing input.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import { failureOf, fuzz, inputOf } from "./fuzzer.ts";
import { TARGETS } from "./targets.ts";

const BUDGET_MS = 500;

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

test("[G6] a kept answer with an unknown field in its record → read without that field", () => {
  const target = TARGETS.find(({ name }) => name === "kept-answer");
  assert.ok(target);
  const head = '{"fingerprint":"f","status":200,"s":200,"statusText":"OK","headers":[],"trailers":[]}';
  assert.equal(failureOf(target, Buffer.concat([Buffer.of(1, 0, 0, 0, head.length), Buffer.from(head)])), undefined);
});

test("[G6] the configurations that mutations start from → valid", () => {
  const target = TARGETS.find(({ name }) => name === "configuration");
  for (const source of target?.corpus ?? [])
    parseConfiguration(source.toString("utf8"), "fuzz.yaml", { environment: {}, readFile: unread });
});

function unread(): never {
  throw new Error("no file is named in it");
}
