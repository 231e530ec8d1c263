/**
 * The timing budget as sums: each term from its setting, monotone in every one, and never a number
 * that cannot be compared. Whether real takeovers keep the bounds is tested with the failover
 * itself (`runtime/failover/timing-budget.test.ts`) and in the simulated worlds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../errors.ts";
import { TIMING_TERMS, takeoverBounds, USUAL_SURROUNDINGS } from "./timing-budget.ts";
import type { Surroundings, TakeoverBound, TimingSettings } from "./timing-terms.ts";

const SETTINGS = {
  intervalMs: 50,
  timeoutMs: 1_000,
  ceilingMs: 1_000,
  sustainMs: 0,
  gracePeriodMs: 5_000,
  maxAbstentionMs: 50,
  recheckMs: 50,
  failingForMs: 1_000,
  minFailures: 5,
  refusalsToDeclare: 2,
  unansweredAfterMs: 250,
  breakerWindowMs: 10_000,
  leaseMs: 0,
  keyStatusTimeoutMs: 0,
  capacityPerSecond: 500,
  maxWaitMs: 15_000,
  budgetRatio: 0.1,
} satisfies TimingSettings;
const PUSHED: TimingSettings = { ...SETTINGS, timeoutMs: undefined };

function after(
  fault: TakeoverBound["fault"],
  settings: TimingSettings,
  around: Partial<Surroundings> = {},
): TakeoverBound {
  const found = takeoverBounds(settings, around).find((bound) => bound.fault === fault);
  assert.ok(found !== undefined);
  return found;
}

function termsOf(bound: TakeoverBound): Record<string, number> {
  return Object.fromEntries(bound.terms.map(({ term, ms }) => [term, Math.round(ms * 10) / 10]));
}

test("[F8] a silence → the sum is written out, term by term", () => {
  const around = { pathMs: 5, lostInRow: 1, stallMs: 20, answerMs: 40, callIntervalMs: 100, loadRatio: 0.5 };
  const bound = after("silence", PUSHED, around);
  const expected = {
    detect: 5 + 1_000,
    sustain: 2 * 50,
    decide: 3 * (20 + 50) + (2 * 50 + 5) + 10,
    lease: 0,
    promote: 4 * 50,
  };
  const promotedMs = Object.values(expected).reduce((sum, ms) => sum + ms, 0);
  // 2 ms for a place in the pace, a look, the next command, there and back, its answer.
  const firstMs = 2 + 250 + 100 + 10 + 40;
  const drain = Math.round(((promotedMs * 0.5) / 0.45) * 10) / 10;
  assert.deepEqual(termsOf(bound), { ...expected, drain });
  assert.equal(bound.firstServedMs, promotedMs + firstMs);
  assert.ok(Math.abs(bound.totalMs - promotedMs - (promotedMs * 0.5) / 0.45) < 1e-6);
});

test("[F8] sustain counts twice, because a pause of this process begins it anew", () => {
  const more = after("silence", { ...PUSHED, sustainMs: 700 });
  assert.equal(termsOf(more)["sustain"], 2 * 700 + 100);
});

test("[F8] retries that fill the backup → what waited is bounded only by maxWaitMs", () => {
  const { terms } = after("silence", { ...PUSHED, budgetRatio: 1, maxWaitMs: 3_600_000 });
  const drain = terms.find(({ term }) => term === "drain");
  assert.deepEqual(
    drain?.parts.map(({ source, ms }) => [source, ms]),
    [["maxWaitMs", 3_600_000]],
  );
});

test("[F8] commands that are refused or fail do not wait → no backlog after them", () => {
  for (const fault of ["refused", "lost", "failed", "circuit"] as const) {
    const bound = after(fault, { ...PUSHED, budgetRatio: 1, maxWaitMs: 3_600_000 });
    assert.equal(bound.totalMs, bound.firstServedMs, fault);
  }
});

test("[F8] no breaker → no bound for the circuit", () => {
  const { breakerWindowMs: _none, ...rest } = SETTINGS;
  assert.ok(takeoverBounds(rest).every(({ fault }) => fault !== "circuit"));
});

test("[F8] NaN and negative numbers are refused", () => {
  for (const value of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
    assert.throws(() => takeoverBounds({ ...SETTINGS, ceilingMs: value }), ConfigurationError);
    assert.throws(() => takeoverBounds(SETTINGS, { pathMs: value }), ConfigurationError);
  }
});

/** Ends of the ranges and everything between, Infinity too. */
const amount: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 1e-9, 50, 1_000, 3_600_000, 2 ** 31, Number.MAX_VALUE, Number.POSITIVE_INFINITY),
  fc.double({ min: 0, max: 1e7, noNaN: true }),
);
const settingsOfAny: fc.Arbitrary<TimingSettings> = fc
  .record(
    Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, amount])) as Record<
      keyof typeof SETTINGS,
      typeof amount
    >,
  )
  .chain((all) => fc.boolean().map((isPushed) => (isPushed ? { ...all, timeoutMs: undefined } : all)));
const aroundOfAny: fc.Arbitrary<Surroundings> = fc.record(
  Object.fromEntries(Object.keys(USUAL_SURROUNDINGS).map((name) => [name, amount])) as Record<
    keyof Surroundings,
    typeof amount
  >,
);

test("[F8] any settings, the ends included → no bound is NaN or negative, and its terms are its sum", () => {
  fc.assert(
    fc.property(settingsOfAny, aroundOfAny, (settings, around) => {
      for (const bound of takeoverBounds(settings, around)) {
        assert.deepEqual(
          bound.terms.map(({ term }) => term),
          TIMING_TERMS,
        );
        for (const { ms, parts } of bound.terms) {
          assert.ok(ms >= 0, `${bound.fault}: ${ms}`);
          for (const part of parts) assert.ok(part.ms >= 0, `${bound.fault} ${part.what}: ${part.ms}`);
        }
        assert.ok(bound.totalMs >= 0 && bound.firstServedMs >= 0);
        if (bound.totalMs < 1e15)
          assert.ok(Math.abs(bound.terms.reduce((sum, { ms }) => sum + ms, 0) - bound.totalMs) < 1e-3);
      }
    }),
    { numRuns: 2_000, seed: 14 },
  );
});

/** A larger value of these shortens a takeover. */
const SHORTENING: ReadonlySet<string> = new Set(["capacityPerSecond"]);
/** A probe's timeout is not there where heartbeats are pushed; that is another sum. */
const ADDED = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[];

test("[F8] a larger setting or assumption → no bound becomes shorter", () => {
  const names = [...ADDED, ...Object.keys(USUAL_SURROUNDINGS)];
  fc.assert(
    fc.property(
      settingsOfAny,
      aroundOfAny,
      fc.constantFrom(...names),
      amount,
      amount,
      (settings, around, name, one, other) => {
        if (name === "timeoutMs" && settings.timeoutMs === undefined) return;
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const boundsWith = (value: number): readonly TakeoverBound[] =>
          name in SETTINGS
            ? takeoverBounds({ ...settings, [name]: value }, around)
            : takeoverBounds(settings, { ...around, [name]: value });
        const [short, long] = SHORTENING.has(name)
          ? [boundsWith(more), boundsWith(less)]
          : [boundsWith(less), boundsWith(more)];
        for (const [place, { totalMs, firstServedMs, fault }] of short.entries()) {
          const longer = long[place];
          const slackMs = 1e-9 * Math.min(totalMs, 1e15);
          assert.ok(longer !== undefined && longer.totalMs >= totalMs - slackMs, `${fault}: ${name} ${less} ${more}`);
          assert.ok(longer.firstServedMs >= firstServedMs - slackMs, `${fault}: ${name} ${less} ${more}`);
        }
      },
    ),
    { numRuns: 4_000, seed: 15 },
  );
});
