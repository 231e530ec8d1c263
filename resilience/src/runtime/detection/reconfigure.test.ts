/**
 * Options of a detector are changed while it works: what it has learned of a node stays, also where
 * the model is another one from then on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "./detectors.ts";
import { LivenessSupervisor } from "./supervisor.ts";

type Model = "normal" | "lognormal" | "exponential" | "adaptive";
const MODELS: readonly Model[] = ["normal", "lognormal", "exponential", "adaptive"];
const OPTIONS = { expectedIntervalMs: 100, minDeviationMs: 10, ceilingMs: 20_000 };

/** A detector that has heard 500 beats, 100 ± 10 ms apart. */
async function taught(model: Model): Promise<{ clock: VirtualClock; detector: PhiAccrualDetector }> {
  const clock = new VirtualClock(1_000);
  const detector = new PhiAccrualDetector({ clock, model, ...OPTIONS });
  const random = seededRandom(model);
  for (let sequence = 0; sequence < 500; sequence++) {
    detector.noteHeartbeat("north", { sequence, incarnation: 7 });
    await clock.advanceBy(90 + 20 * random.next());
  }
  return { clock, detector };
}

for (const from of MODELS)
  for (const to of MODELS)
    test(`[G4] model changes from ${from} to ${to} → mean gap, last beat and replay protection stay`, async () => {
      const { clock, detector } = await taught(from);
      const lastMs = detector.lastHeartbeatMs("north");
      const before = detector.machine.suspicionLevel("north", clock.nowMs() + 40);
      detector.reconfigure({ model: to, ...OPTIONS });
      assert.equal(detector.lastHeartbeatMs("north"), lastMs);
      const { location = 0, samples = 0 } = detector.estimate("north") ?? {};
      const meanMs = to === "lognormal" ? Math.exp(location) : location;
      assert.ok(Math.abs(meanMs - 100) < 6, `mean ${meanMs}`);
      assert.ok(samples >= 12, `samples ${samples}`);
      assert.equal(detector.noteHeartbeat("north", { sequence: 3, incarnation: 7 }), "reordered");
      assert.equal(detector.noteHeartbeat("north", { sequence: 0, incarnation: 6 }), "old-incarnation");
      const after = detector.machine.suspicionLevel("north", clock.nowMs() + 40);
      if (from === to) assert.ok(Math.abs(after - before) < 1e-6, `${before} → ${after}`);
    });

test("[G4] the window shrinks → the newest gaps stay; an invalid option → refused, nothing changed", async () => {
  const { detector } = await taught("normal");
  detector.reconfigure({ ...OPTIONS, windowSize: 50, minSamples: 20 });
  assert.equal(detector.estimate("north")?.samples, 50);
  const before = detector.estimate("north");
  assert.throws(() => detector.reconfigure({ ...OPTIONS, windowSize: 1 }), { code: "INVALID_CONFIGURATION" });
  assert.deepEqual(detector.estimate("north"), before);
});

for (const model of MODELS)
  test(`[G4] ${model}: beats are expected five times as seldom → the present silence is judged by that`, async () => {
    const { clock, detector } = await taught(model);
    detector.reconfigure({ model, ...OPTIONS, expectedIntervalMs: 500 });
    await clock.advanceBy(400);
    assert.ok(detector.suspicionLevel("north") < 5, `${detector.suspicionLevel("north")}`);
    assert.equal(detector.noteHeartbeat("north", { sequence: 3, incarnation: 7 }), "reordered");
  });

test("[G4] the adaptive detector's ceiling changes → it applies to the silence that is under way", async () => {
  const { clock, detector } = await taught("adaptive");
  detector.reconfigure({ model: "adaptive", ...OPTIONS, ceilingMs: 300 });
  await clock.advanceBy(301);
  assert.equal(detector.suspicionLevel("north"), Number.MAX_VALUE);
});

test("[G4] a detector's model changes under a supervisor → it goes on reading it, and declares by it", async () => {
  const { clock, detector } = await taught("normal");
  const supervisor = new LivenessSupervisor({ detector });
  supervisor.watch("north");
  const stop = new AbortController();
  void supervisor.run(stop.signal);
  await clock.advanceBy(1);
  assert.equal(supervisor.liveness("north"), "alive");
  detector.reconfigure({ model: "adaptive", ...OPTIONS });
  for (let sequence = 500; sequence < 600; sequence++) {
    detector.noteHeartbeat("north", { sequence, incarnation: 7 });
    await clock.advanceBy(100);
  }
  assert.equal(supervisor.liveness("north"), "alive");
  await clock.advanceBy(20_000);
  assert.equal(supervisor.liveness("north"), "down");
  stop.abort();
});
