/**
 * Room for new nodes: whoever is gone goes, longest silent first; whoever lives stays, whatever
 * comes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DetectorMachine } from "./detector.ts";
import { FixedHeartbeatMachine } from "./fixed-heartbeat.ts";
import { NodeRoom } from "./node-room.ts";
import { phiAccrualMachine } from "./phi-accrual.ts";

test("[D4] full → the node that has been silent longest goes, if it is gone; else there is no room", () => {
  const nodes = new Map([
    ["b", { lastMs: 200 }],
    ["a", { lastMs: 100 }],
    ["c", { lastMs: 900 }],
  ]);
  const room = new NodeRoom(3, 1_000);
  assert.equal(room.make(nodes, 1_000), false, "all are alive");
  assert.equal(room.make(nodes, 1_099), false);
  assert.equal(room.make(nodes, 1_250), true);
  assert.deepEqual([...nodes.keys()], ["b", "c"]);
  nodes.set("d", { lastMs: 1_250 });
  nodes.set("b", { lastMs: 1_260 });
  assert.equal(room.make(nodes, 1_270), false, "b was gone, and has been heard from since");
  assert.equal(room.evictions, 1);
  assert.equal(room.make(nodes, 1_900), true);
  assert.deepEqual([...nodes.keys()], ["b", "d"]);
});

test("[D4] there is room → nobody goes, however long it has been silent", () => {
  const nodes = new Map([["a", { lastMs: 0 }]]);
  assert.equal(new NodeRoom(2, 10).make(nodes, 1e9), true);
  assert.equal(nodes.size, 1);
});

const MACHINES: readonly [name: string, make: (maxNodes: number) => DetectorMachine][] = [
  ["normal", (maxNodes) => phiAccrualMachine({ expectedIntervalMs: 50, maxNodes })],
  ["adaptive", (maxNodes) => phiAccrualMachine({ model: "adaptive", expectedIntervalMs: 50, maxNodes })],
  ["fixed", (maxNodes) => new FixedHeartbeatMachine({ intervalMs: 50, maxNodes })],
];

for (const [name, make] of MACHINES) {
  test(`[D4] ${name}: ids that come and go for ever are all heard; the one that stays is never forgotten`, () => {
    const machine = make(100);
    let nowMs = 0;
    for (let id = 0; id < 5_000; id++) {
      // Each lives for a second, one after the other; the ceiling is 20 s at most.
      for (let beat = 0; beat < 20; beat++, nowMs += 50) {
        machine.noteHeartbeat("stays", undefined, nowMs);
        assert.equal(machine.noteHeartbeat(`container-${id}`, undefined, nowMs), "counted", `container ${id}`);
      }
      assert.ok(machine.suspicionLevel(`container-${id}`, nowMs) < 8);
      assert.ok(machine.suspicionLevel("stays", nowMs) < 8);
    }
    assert.equal(machine.evictions, 5_001 - 100);
    assert.equal(machine.suspicionLevel("container-0", nowMs), Number.POSITIVE_INFINITY, "as one never heard from");
  });

  test(`[D4] ${name}: a flood of ids that nobody has heard of → nodes that live keep their place, and the flood is refused`, () => {
    const machine = make(50);
    for (let round = 0; round < 20; round++) {
      for (let node = 0; node < 50; node++) machine.noteHeartbeat(`node-${node}`, undefined, round * 50 + node * 0.1);
    }
    const nowMs = 1_000;
    for (let id = 0; id < 100_000; id++) assert.equal(machine.noteHeartbeat(`x${id}`, undefined, nowMs), "refused");
    for (let node = 0; node < 50; node++) assert.ok(machine.suspicionLevel(`node-${node}`, nowMs) < 8);
    assert.equal(machine.evictions, 0);
  });
}
