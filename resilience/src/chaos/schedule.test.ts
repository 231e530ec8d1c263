/**
 * When and whom: ramps are straight lines on the clock, blast radii are exact or a fixed share of
 * all keys.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../core/errors.ts";
import { seededRandom } from "../core/random.ts";
import { Schedule, type ScheduleOptions } from "./schedule.ts";

const schedule = (options: ScheduleOptions, nowMs = 0, seed = "schedule"): Schedule =>
  new Schedule("Chaos errors", options, seededRandom(seed), nowMs);

test("[H] without a probability, every call is struck", () => {
  assert.equal(schedule({}).probability(0), 1);
});

test("[H] a ramp is a straight line from the moment of arming, and holds afterwards", () => {
  const ramped = schedule({ probability: 0.8, ramp: { overMs: 1_000, from: 0.2 } }, 5_000);
  const seen = [5_000, 5_250, 5_500, 6_000, 60_000].map((nowMs) => Math.round(ramped.probability(nowMs) * 1e9) / 1e9);
  assert.deepEqual(seen, [0.2, 0.35, 0.5, 0.8, 0.8]);
});

test("[H] a ramp may lead down, and starts at nothing unless it says otherwise", () => {
  assert.equal(schedule({ probability: 0, ramp: { overMs: 100, from: 1 } }).probability(75), 0.25);
  assert.equal(schedule({ probability: 1, ramp: { overMs: 100 } }).probability(0), 0);
});

test("[H] named keys are the blast radius, and a call without a key is outside of it", () => {
  const named = schedule({ keys: ["station-a", "station-b"] });
  assert.deepEqual(
    ["station-a", "station-b", "station-c", undefined].map((key) => named.covers(key)),
    [true, true, false, false],
  );
  assert.equal(schedule({ keys: [] }).covers("station-a"), false);
  assert.equal(schedule({}).covers(undefined), true);
});

test("[H] a key share takes about that share of keys, always the same ones, and a larger share only adds", () => {
  const keys = Array.from({ length: 10_000 }, (_, place) => `station-${place}`);
  const chosen = (keyShare: number, seed: string): Set<string> => {
    const shared = schedule({ keyShare }, 0, seed);
    return new Set(keys.filter((key) => shared.covers(key)));
  };
  const tenth = chosen(0.1, "one");
  assert.ok(tenth.size > 850 && tenth.size < 1_150, `${tenth.size} of 10,000 keys for a share of 0.1, seed "one"`);
  assert.deepEqual(chosen(0.1, "one"), tenth);
  const threeTenths = chosen(0.3, "one");
  assert.ok([...tenth].every((key) => threeTenths.has(key)));
  assert.notDeepEqual(chosen(0.1, "another"), tenth);
  assert.equal(chosen(0, "one").size, 0);
  assert.equal(chosen(1, "one").size, 10_000);
});

test("[H] settings out of range, and two blast radii at once, are refused", () => {
  const bad: ReadonlyArray<readonly [ScheduleOptions, RegExp]> = [
    [{ probability: 1.01 }, /Chaos errors: probability is 1\.01/],
    [{ probability: Number.NaN }, /probability is NaN/],
    [{ ramp: { overMs: 0 } }, /ramp\.overMs is 0/],
    [{ ramp: { overMs: 10, from: -0.1 } }, /ramp\.from is -0\.1/],
    [{ keyShare: 2 }, /keyShare is 2/],
    [{ keys: ["a"], keyShare: 0.5 }, /keys and keyShare are both given/],
  ];
  for (const [options, message] of bad) {
    assert.throws(
      () => schedule(options),
      (error) => error instanceof ConfigurationError && message.test(error.message),
      JSON.stringify(options),
    );
  }
});
