/** The simulated record store passes the cases that the one on SQLite passes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { RECORD_STORE_CASES } from "../../test/worlds/record-store-suite.ts";
import { DiskRecords } from "./disk-records.ts";

for (const { title, run } of RECORD_STORE_CASES) {
  test(`[G1] simulated disk: ${title}`, async () => {
    const world = new World({ seed: 1 });
    let ended: "done" | { readonly error: unknown } | undefined;
    const node = world.node("m", async ({ disk }) => {
      await run({ open: (options) => DiskRecords.open(disk, options) }).then(
        () => {
          ended = "done";
        },
        (error: unknown) => {
          ended = { error };
        },
      );
    });
    node.start();
    await world.run(60_000);
    if (typeof ended === "object") throw ended.error;
    assert.equal(ended, "done");
    assert.deepEqual(world.violations, []);
  });
}
