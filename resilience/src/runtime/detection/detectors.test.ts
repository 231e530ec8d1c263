/** The detectors bound to a clock: what they add to the pure machines is only the time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { FixedHeartbeatDetector, PhiAccrualDetector } from "./detectors.ts";
import { LivenessSupervisor } from "./supervisor.ts";

test("[D1] a phi detector stamps heartbeats by its clock and answers as of now", async () => {
  const clock = new VirtualClock(1000);
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
  assert.equal(detector.suspicionLevel("a"), Number.POSITIVE_INFINITY);
  for (let sequence = 0; sequence < 100; sequence++) {
    assert.equal(detector.noteHeartbeat("a", { sequence }), "counted");
    await clock.advanceBy(50);
  }
  assert.equal(detector.noteHeartbeat("a", { sequence: 99 }), "duplicate");
  assert.equal(detector.lastHeartbeatMs("a"), 1000 + 99 * 50);
  assert.ok(detector.isAlive("a", 2));
  const whenMs = detector.whenLevel("a", 8) as number;
  await clock.advanceTo(whenMs - 0.001);
  assert.ok(detector.isAlive("a", 8));
  await clock.advanceTo(whenMs + 0.001);
  assert.ok(!detector.isAlive("a", 8));
  assert.equal(detector.suspicionLevel("a"), detector.machine.suspicionLevel("a", clock.nowMs()));
  assert.equal(detector.estimate("a")?.samples, 99);
  detector.forget("a");
  assert.equal(detector.lastHeartbeatMs("a"), undefined);
});

test("a fixed heartbeat detector tells unknown, alive, suspected and down by its clock", async () => {
  const clock = new VirtualClock();
  const detector = new FixedHeartbeatDetector({ clock, intervalMs: 50 });
  assert.equal(detector.status("a"), "unknown");
  detector.noteHeartbeat("a");
  assert.equal(detector.status("a"), "alive");
  await clock.advanceBy(100);
  assert.equal(detector.status("a"), "suspected");
  await clock.advanceBy(50);
  assert.equal(detector.status("a"), "down");
  assert.equal(detector.suspicionLevel("a"), 8);
});

test("without a clock the system's monotonic one is used", () => {
  const detector = new PhiAccrualDetector();
  detector.noteHeartbeat("a");
  assert.ok(detector.isAlive("a", 8));
  assert.equal(new FixedHeartbeatDetector().status("a"), "unknown");
});

test("[D9] [D11] the adaptive model drives a supervisor's declaration by its deadline, untuned", async () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ clock, model: "adaptive" });
  const declaredMs: number[] = [];
  const stop = new AbortController();
  const supervisor = new LivenessSupervisor({
    detector,
  });
  supervisor.onLivenessChange(({ to }) => (to === "down" ? declaredMs.push(clock.nowMs()) : undefined));
  const running = supervisor.run(stop.signal);
  supervisor.watch("a");
  for (let sequence = 0; sequence < 1200; sequence++) {
    detector.noteHeartbeat("a", { sequence });
    await clock.advanceBy(40 + (sequence % 3) * 10);
  }
  assert.equal(declaredMs.length, 0);
  const whenMs = detector.whenLevel("a", 8) as number;
  await clock.advanceBy(1000);
  assert.equal(declaredMs.length, 1);
  const lateMs = (declaredMs[0] as number) - whenMs;
  assert.ok(lateMs >= -1 && lateMs < 100, `declared ${lateMs} ms after the deadline`);
  stop.abort();
  await running;
});
