/** Consumers of one detector, each with a threshold of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "./detectors.ts";
import { type Crossing, SuspicionWatch } from "./suspicion-watch.ts";

const INTERVAL_MS = 50;

test("[D6] each consumer is told when its own threshold is reached, to the millisecond, and when the node is back", async () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: INTERVAL_MS });
  const told: Crossing[] = [];
  const stop = new AbortController();
  const watches = [3, 5, 8].map((threshold) => new SuspicionWatch({ detector, threshold }));
  const running = watches.map((watch) => {
    watch.onCrossing((crossing) => told.push(crossing));
    watch.watch("north");
    return watch.run(stop.signal);
  });
  await clock.advanceBy(20_000);
  assert.deepEqual(told, [], "never heard from: nothing to tell");
  for (let beat = 0; beat < 100; beat++) {
    await clock.advanceBy(INTERVAL_MS);
    detector.noteHeartbeat("north");
  }
  const expected = [3, 5, 8].map((level) => detector.whenLevel("north", level) as number);
  await clock.advanceBy(30_000);
  assert.deepEqual(
    told.map(({ to, threshold }) => `${to} ${threshold}`),
    ["reached 3", "reached 5", "reached 8"],
  );
  for (const [place, { atMs, level, threshold }] of told.entries()) {
    assert.ok(Math.abs(atMs - (expected[place] as number)) <= 1 && level >= threshold);
  }
  assert.ok(watches.every((watch) => watch.isReached("north")));
  detector.noteHeartbeat("north");
  await clock.advanceBy(INTERVAL_MS);
  assert.deepEqual(
    told
      .slice(3)
      .map(({ to, threshold }) => `${to} ${threshold}`)
      .sort(),
    ["cleared 3", "cleared 5", "cleared 8"],
  );
  assert.ok(watches.every((watch) => !watch.isReached("north")));
  stop.abort();
  await Promise.all(running);
  assert.equal(clock.pending, 0);
});

test("a clear level that is not below the threshold is refused", () => {
  const detector = new PhiAccrualDetector({ clock: new VirtualClock() });
  assert.throws(() => new SuspicionWatch({ detector, threshold: 3, clearThreshold: 3 }));
});
