/**
 * Promise [F2] under other loads and other faults: whatever the pace of the commands and whichever
 * way the primary fails, no caller sees an error that could have been avoided, nothing takes effect
 * twice, and nobody's retry budget is broken at a station's door.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../worlds/station.ts";
import { shown, TwoStations } from "../worlds/two-stations.ts";

const SEED: string = process.env["SEED"] ?? "27020031";
const REPLAY = `SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/failover-loads-and-faults.test.ts`;

const FAULTS: readonly Fault[] = ["refuse", "hang", "errors", "lying-200", "slow", "throw"];

for (const fault of FAULTS) {
  for (const perSecond of [1, 5, 500]) {
    for (const silent of [true, false]) {
      const beats = silent ? "falls silent" : "keeps beating";
      test(`[F2] at ${perSecond} commands a second the primary starts to ${fault} and ${beats}: no error, none lost, none doubled`, async () => {
        const at = await TwoStations.begin({ seed: `${SEED}/${fault}/${perSecond}/${silent}` });
        const faultyMs = perSecond === 500 ? 2_000 : 15_000;
        at.load({ perSecond, forMs: 2_000 + faultyMs, deadlineMs: 25_000 });
        await at.clock.advanceBy(2_000);
        at.north.fault = fault;
        at.north.beats = !silent;
        await at.clock.advanceBy(faultyMs + 30_000);
        assert.equal(at.failover.currentActive, "backup", REPLAY);
        assert.equal(at.told("promoted").length, 1, REPLAY);
        assert.deepEqual(
          at.errors.length,
          0,
          `${at.errors.length} of ${at.outcomes.length}\n${shown(at.errors)}\n${REPLAY}`,
        );
        assert.deepEqual(at.account, { doubled: [], lost: [] }, REPLAY);
        await at.stop();
        assert.equal(at.clock.pending, 0, "no timer is left");
      });
    }
  }
}
