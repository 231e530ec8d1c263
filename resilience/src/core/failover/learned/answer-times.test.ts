/**
 * What answer times say: the quantiles are true to a bucket, the bounds follow a station, and few
 * answers bound nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../random.ts";
import { AnswerTimes } from "./answer-times.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/learned/answer-times.test.ts`;

function learned(times: readonly number[]): AnswerTimes {
  const answers = new AnswerTimes();
  for (const tookMs of times) answers.add(tookMs);
  return answers;
}

test("fewer than 20 answers → nothing is overdue, nothing is worth a second attempt", () => {
  const answers = learned(new Array<number>(19).fill(80));
  assert.deepEqual(
    [answers.overdueAfterMs(), answers.hedgeAfterMs()],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  );
  answers.add(80);
  answers.add(80);
  for (let more = 0; more < 32; more++) answers.add(80);
  assert.ok(answers.overdueAfterMs() < 100, String(answers.overdueAfterMs()));
});

test("[F10] 80 ms each → overdue soon after 80 ms, a second attempt not before that, both within 130 ms", () => {
  const times = learned(new Array<number>(500).fill(80));
  const overdueAfterMs = times.overdueAfterMs();
  const hedgeAfterMs = times.hedgeAfterMs();
  assert.ok(overdueAfterMs > 80 && overdueAfterMs < 110, String(overdueAfterMs));
  assert.ok(hedgeAfterMs >= overdueAfterMs && hedgeAfterMs < 130, String(hedgeAfterMs));
});

test("answers that differ → a quantile is off by 4 % at most", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.2, max: 100_000, noNaN: true }), { minLength: 50, maxLength: 800 }),
      fc.constantFrom(0.5, 0.9, 0.99, 0.999),
      (times, q) => {
        const found = learned(times).quantileMs(q);
        const sorted = [...times].sort((one, other) => one - other);
        const low = sorted[Math.max(0, Math.floor(q * times.length) - 1)] as number;
        const high = sorted[Math.min(times.length - 1, Math.ceil(q * times.length))] as number;
        assert.ok(
          found >= low / 1.04 && found <= high * 1.04,
          `${found} for ${q}, between ${low} and ${high}. ${REPLAY}`,
        );
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

test("one percent of the answers is slow → fewer than 3 % of a steady stream are called overdue", () => {
  const random = seededRandom(`${SEED}/tail`);
  const answers = new AnswerTimes();
  let overdue = 0;
  for (let call = 0; call < 5_000; call++) {
    const tookMs = 80 + 40 * random.next() + (random.next() < 0.005 ? 400 : 0);
    if (call > 500 && tookMs > answers.overdueAfterMs()) overdue++;
    answers.add(tookMs);
  }
  assert.ok(overdue < 0.03 * 4_500, `${overdue}. ${REPLAY}`);
});

test("a station that became slower for good → after 50 slow answers they are not overdue", () => {
  const answers = learned(new Array<number>(3_000).fill(80));
  for (let slow = 0; slow < 50; slow++) answers.add(300);
  assert.ok(answers.overdueAfterMs() >= 300, String(answers.overdueAfterMs()));
  assert.ok(answers.usualMs > 290, String(answers.usualMs));
});

test("a station that became quick for good → the bound comes down within a few thousand answers", () => {
  const answers = learned(new Array<number>(3_000).fill(2_000));
  for (let quick = 0; quick < 12_000; quick++) answers.add(20);
  assert.ok(answers.overdueAfterMs() < 60, String(answers.overdueAfterMs()));
});

test("the usual time → follows by an eighth of each answer, and is 0 before the first", () => {
  const answers = new AnswerTimes();
  assert.equal(answers.usualMs, 0);
  answers.add(80);
  assert.equal(answers.usualMs, 80);
  answers.add(160);
  assert.equal(answers.usualMs, 90);
});

test("[F11] a station that took five seconds is quick again → the usual time is below a second after five answers", () => {
  const answers = learned(new Array<number>(100).fill(5_000));
  answers.add(80);
  assert.ok(answers.usualMs > 4_000, "one quick answer says nothing");
  for (let quick = 0; quick < 4; quick++) answers.add(80);
  assert.ok(answers.usualMs < 1_000, String(answers.usualMs));
});

test("no time, no number, a year → counted at the edges, and nothing breaks", () => {
  const answers = learned([0, -5, Number.NaN, 1e-9, 3e10, Number.POSITIVE_INFINITY]);
  assert.ok(answers.quantileMs(0.01) > 0);
  assert.ok(Number.isFinite(answers.quantileMs(0.999)));
});
