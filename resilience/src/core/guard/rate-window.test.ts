/**
 * The ring against a plain list of everything counted, and its edges: an hour idle, a clock that
 * went back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../errors.ts";
import { RateWindow } from "./rate-window.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/guard/rate-window.test.ts`;

test("[B7] all elapsed buckets expire before a read, also after an hour idle", () => {
  const window = new RateWindow(10_000, 10, 1);
  for (let atMs = 0; atMs < 10_000; atMs += 100) window.add(0, atMs);
  assert.equal(window.total(0, 9_999), 100);
  assert.equal(window.total(0, 3_600_000), 0);
  window.add(0, 3_600_000);
  assert.equal(window.total(0, 3_600_000), 1);
});

test("[B7] a bucket expires exactly when the window has left it", () => {
  const window = new RateWindow(10_000, 10, 1);
  window.add(0, 500);
  assert.equal(window.total(0, 9_999), 1);
  assert.equal(window.total(0, 10_000), 0);
});

test("[B7] a clock that went back neither revives old counts nor loses new ones", () => {
  const window = new RateWindow(1_000, 10, 1);
  window.add(0, 0);
  window.add(0, 5_000);
  assert.equal(window.total(0, 100), 1);
  window.add(0, 100);
  assert.equal(window.total(0, 5_000), 2);
  assert.equal(window.total(0, 6_100), 0);
});

test("[B7] at any instant the window holds at least all but its oldest bucket, and nothing older than itself", () => {
  const steps = fc.array(
    fc.record({ gapMs: fc.integer({ min: 0, max: 700 }), series: fc.integer({ min: 0, max: 1 }) }),
    {
      maxLength: 200,
    },
  );
  const property = fc.property(fc.integer({ min: -5_000, max: 5_000 }), steps, (startMs, events) => {
    const window = new RateWindow(1_000, 10, 2);
    const seen: { atMs: number; series: number }[] = [];
    let nowMs = startMs;
    for (const { gapMs, series } of events) {
      nowMs += gapMs;
      window.add(series, nowMs);
      seen.push({ atMs: nowMs, series });
      for (const which of [0, 1]) {
        const younger = (ageMs: number): number =>
          seen.filter((one) => one.series === which && one.atMs > nowMs - ageMs).length;
        const total = window.total(which, nowMs);
        assert.ok(total >= younger(900) && total <= younger(1_000), `${total} at ${nowMs}; ${REPLAY}`);
      }
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 200 });
});

test("clearing forgets the counts and keeps the place in time", () => {
  const window = new RateWindow(1_000, 10, 1);
  window.add(0, 50, 7);
  window.clear();
  window.add(0, 60, 2);
  assert.equal(window.total(0, 70), 2);
});

test("a window of no length, bucket or series is refused", () => {
  assert.throws(() => new RateWindow(0, 10, 1), ConfigurationError);
  assert.throws(() => new RateWindow(1_000, 0, 1), ConfigurationError);
  assert.throws(() => new RateWindow(1_000, 10, 1.5), ConfigurationError);
});
