/**
 * Promise [D3]: with heartbeats N(50 ms, 10 ms) the level stays below 2 while the wait is within
 * mean + 2.3 deviations, and is above the declare threshold 8 when the next beat is 300 ms late.
 * The figures are those of the true distribution; they have to hold although the detector only
 * knows a sample of it, for every seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { phiAccrualMachine } from "../../resilience/src/core/detection/phi-accrual.ts";
import type { PhiAccrualOptions } from "../../resilience/src/core/detection/phi-accrual-options.ts";
import { seededRandom } from "../../resilience/src/core/random.ts";
import { intraRegionGapMs } from "../traffic.ts";

const SEED: string = process.env["SEED"] ?? "27020031";
const REPLAY = `SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/d3-calibration-figures.test.ts`;
const MEAN_MS = 50;
const DEVIATION_MS = 10;

function figures(name: string, options: PhiAccrualOptions, runs: number, warmUp: number): void {
  for (let run = 0; run < runs; run++) {
    const random = seededRandom(SEED).fork(`${name} ${run}`);
    const machine = phiAccrualMachine(options);
    let nowMs = 1e9 * random.next();
    for (let beat = 0; beat < warmUp + 100; beat++) {
      machine.noteHeartbeat("a", { sequence: beat }, nowMs);
      if (beat >= warmUp) {
        const usual = machine.suspicionLevel("a", nowMs + MEAN_MS + 2.3 * DEVIATION_MS);
        assert.ok(usual < 2, `${name}, run ${run}, beat ${beat}: level ${usual} within the usual wait; ${REPLAY}`);
        const late = machine.suspicionLevel("a", nowMs + MEAN_MS + 300);
        assert.ok(late > 8, `${name}, run ${run}, beat ${beat}: level ${late} at 300 ms late; ${REPLAY}`);
      }
      nowMs += intraRegionGapMs(random);
    }
  }
}

test("[D3] steady N(50, 10): below 2 within mean + 2.3 deviations, above 8 when 300 ms late, 300 seeds", () => {
  figures("tuned", { expectedIntervalMs: 50 }, 300, 200);
});

test("[D3] the same from the first beat on, while the detector still presumes", () => {
  figures("first beats", { expectedIntervalMs: 50, minSamples: 200 }, 100, 0);
});

test("[D3] the same for a detector that nobody tuned", () => {
  figures("untuned", {}, 100, 200);
});
