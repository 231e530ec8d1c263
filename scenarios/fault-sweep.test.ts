/** All cells of the sweep's table, each once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runOnce } from "ground-station-failover/sim";
import { faultSweep, planOfCell } from "./fault-sweep.ts";
import { CELLS } from "./sweep/cells.ts";

test("[S2] fault-sweep: every kind of fault at every strength and moment, and service afterwards", async () => {
  const failed: string[] = [];
  for (const [seed, cell] of CELLS.entries()) {
    const { violation } = await runOnce(faultSweep, { seed, plan: planOfCell(cell) });
    if (violation !== undefined)
      failed.push(`${cell.name} (seed ${seed}): ${violation.invariant}: ${violation.detail}`);
  }
  assert.deepEqual(failed, []);
});

test("the table names each cell once, and each has a fault", () => {
  assert.equal(new Set(CELLS.map(({ name }) => name)).size, CELLS.length);
  for (const { name, faults } of CELLS) assert.ok(faults.length > 0, name);
});
