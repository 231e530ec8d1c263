/** What is tried: production detectors under the goal's ceiling, the fixed timeout first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { detectorCandidates, FIXED_DOWN_LEVEL } from "./candidates.ts";
import { calibrationGoal } from "./goal.ts";

const GOAL = calibrationGoal({ detectWithinMs: 1_000, falseAlarms: 1, perMs: 3_600_000 });

test("[D10] every model of the library is tried, each under the ceiling", () => {
  const candidates = detectorCandidates(50, GOAL);
  const models = [...new Set(candidates.map(({ model }) => model))];
  assert.deepEqual(models, ["fixed", "normal", "lognormal", "exponential", "adaptive"]);
  for (const { model, levels, machine } of candidates) {
    const detector = machine();
    detector.noteHeartbeat("a", undefined, 0);
    assert.ok(detector.suspicionLevel("a", 1_000) >= levels.highest, model);
    assert.ok((detector.whenLevel("a", levels.highest) as number) <= 1_000, model);
  }
});

test("[D10] a fixed timeout is tried from two intervals up to the whole time", () => {
  const { levels } = detectorCandidates(50, GOAL)[0] as ReturnType<typeof detectorCandidates>[number];
  assert.equal(levels.highest, FIXED_DOWN_LEVEL);
  const shortestMs = (levels.lowest / FIXED_DOWN_LEVEL) * 1_000;
  assert.ok(shortestMs >= 99.9 && shortestMs < 120, `${shortestMs}`);
});

test("[D10] at long intervals the gateway's wide least deviation is the narrow one too, and is tried once", () => {
  const settings = detectorCandidates(
    500,
    calibrationGoal({ ...GOAL, falseAlarms: 1, perMs: 1e9, detectWithinMs: 5_000, outageMs: 1e6 }),
  );
  const seen = settings.map(({ model, windowSize, minDeviationMs }) => `${model} ${windowSize} ${minDeviationMs}`);
  assert.equal(new Set(seen).size, seen.length);
});
