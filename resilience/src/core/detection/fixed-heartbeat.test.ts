/**
 * The fixed heartbeat machine: status, levels on the scale of convenience, their inverse, and
 * hygiene.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { FixedHeartbeatMachine } from "./fixed-heartbeat.ts";

test("status goes unknown, alive, suspected, down and back with a heartbeat", () => {
  const machine = new FixedHeartbeatMachine({ intervalMs: 50 });
  assert.equal(machine.status("a", 0), "unknown");
  machine.noteHeartbeat("a", { sequence: 1 }, 1000);
  const seen = [1000, 1093, 1094, 1149, 1150, 9999].map((nowMs) => machine.status("a", nowMs));
  assert.deepEqual(seen, ["alive", "alive", "suspected", "suspected", "down", "down"]);
  machine.noteHeartbeat("a", { sequence: 2 }, 10_000);
  assert.equal(machine.status("a", 10_000), "alive");
});

test("[D4] a node never heard from is unknown with maximum suspicion", () => {
  const machine = new FixedHeartbeatMachine();
  assert.equal(machine.suspicionLevel("a", 1), Number.POSITIVE_INFINITY);
  assert.equal(machine.whenLevel("a", 8), undefined);
  assert.equal(machine.isAlive("a", 8, 1), false);
});

test("levels say what status says: 5 where suspicion begins, 8 at the timeout, rising throughout", () => {
  for (const suspectAfterMs of [10, 93.75, 149]) {
    const machine = new FixedHeartbeatMachine({ timeoutMs: 150, suspectAfterMs });
    machine.noteHeartbeat("a", undefined, 0.1);
    let previous = -1;
    for (let nowMs = 0; nowMs < 600; nowMs += 0.25) {
      const level = machine.suspicionLevel("a", nowMs);
      assert.ok(level >= previous && Number.isFinite(level));
      assert.equal(machine.status("a", nowMs), level >= 8 ? "down" : level >= 5 ? "suspected" : "alive");
      previous = level;
    }
    assert.ok(Number.isFinite(machine.suspicionLevel("a", Number.MAX_VALUE)));
  }
});

test("[D11] whenLevel agrees with polling", () => {
  const machine = new FixedHeartbeatMachine({ timeoutMs: 2000, suspectAfterMs: 700 });
  machine.noteHeartbeat("a", undefined, 123.4);
  for (const level of [0.01, 1, 4.9, 5, 6, 7.99, 8, 9, 100]) {
    const whenMs = machine.whenLevel("a", level) as number;
    assert.ok(
      machine.suspicionLevel("a", whenMs - 1e-6) < level && machine.suspicionLevel("a", whenMs + 1e-6) >= level,
    );
  }
  assert.equal(machine.whenLevel("a", 0), 123.4);
  assert.equal(machine.whenLevel("a", Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});

test("[D5] duplicates, stragglers and nonsense prove no life; unknown ids beyond the bound are refused", () => {
  const machine = new FixedHeartbeatMachine({ timeoutMs: 150, maxNodes: 1 });
  assert.equal(machine.noteHeartbeat("a", { sequence: 5 }, 0), "counted");
  assert.equal(machine.noteHeartbeat("a", { sequence: 5 }, 100), "duplicate");
  assert.equal(machine.noteHeartbeat("a", { sequence: 4 }, 100), "reordered");
  assert.equal(machine.noteHeartbeat("a", { sequence: Number.NaN }, 100), "refused");
  assert.equal(machine.noteHeartbeat("a", { sequence: 6 }, Number.NaN), "refused");
  assert.equal(machine.noteHeartbeat("b", { sequence: 6 }, 100), "refused");
  assert.equal(machine.lastHeartbeatMs("a"), 0);
  machine.forget("a");
  assert.equal(machine.status("a", 100), "unknown");
});

test("contradicting options are refused", () => {
  assert.throws(() => new FixedHeartbeatMachine({ timeoutMs: 100, suspectAfterMs: 100 }), ConfigurationError);
  assert.throws(() => new FixedHeartbeatMachine({ timeoutMs: 0 }), /timeoutMs is 0/);
});
