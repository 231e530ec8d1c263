/** Runs of lost beats longer than any seen: bounded by how often a run goes on, and by what was seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BeatTrace } from "./beat-trace.ts";
import { lostBeatsIn, lostRunsPerMs } from "./lost-runs.ts";
import { seededRandom } from "./random.ts";
import { summarizeTraffic, type TrafficSummary } from "./traffic-summary.ts";

function trafficOf(lossRate: number, beats: number, seed: number): TrafficSummary {
  const random = seededRandom(seed);
  const trace = new BeatTrace();
  for (let beat = 0; beat < beats; beat++) if (random.next() >= lossRate) trace.add("a", { sequence: beat }, beat * 50);
  return summarizeTraffic(trace, { outageMs: Number.POSITIVE_INFINITY });
}

test("[D10] the bound lies above the true rate of runs, seen or not", () => {
  let low = 0;
  for (let seed = 0; seed < 40; seed++) {
    const traffic = trafficOf(0.02, 20_000, seed);
    for (const length of [1, 2, 3, 4]) {
      const trueRate = (0.98 * 0.02 ** length) / 50;
      if (lostRunsPerMs(traffic, length, 0.95) < trueRate) low++;
    }
  }
  assert.ok(low <= 16, `${low} of 160 bounds were too low`);
});

test("[D10] it falls with the length of the run, and is nothing where nothing was lost or numbered", () => {
  const traffic = trafficOf(0.05, 20_000, 1);
  let last = Number.POSITIVE_INFINITY;
  for (let length = 1; length < 100; length++) {
    const rate = lostRunsPerMs(traffic, length, 0.95);
    assert.ok(rate <= last && rate >= 0);
    last = rate;
  }
  assert.equal(lostRunsPerMs(trafficOf(0, 1_000, 1), 1, 0.95), 0);
  assert.equal(lostRunsPerMs({ ...traffic, loss: undefined }, 1, 0.95), 0);
});

test("[D10] a silence is as many lost beats as fit, with half an interval for jitter", () => {
  assert.deepEqual(
    [60, 90, 126, 176, 1_000].map((silenceMs) => lostBeatsIn(silenceMs, 50)),
    [1, 1, 2, 3, 19],
  );
});
