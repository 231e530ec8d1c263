/** Clocks of a simulated machine: one that drifts and never goes back, one that people set. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { NodeClock } from "./node-clock.ts";

function clockAt(trueMs: number, offsetMs: number, wallMs: number) {
  const world = { nowMs: trueMs };
  return { world, clock: new NodeClock(() => world.nowMs, offsetMs, wallMs) };
}

test("it stands where it was set and runs with true time", () => {
  const { world, clock } = clockAt(100, 5_000, 1e12);
  assert.equal(clock.nowMs(), 5_100);
  assert.equal(clock.wallMs(), 1e12);
  world.nowMs = 350;
  assert.equal(clock.nowMs(), 5_350);
  assert.equal(clock.wallMs(), 1e12 + 250);
});

test("a drifting clock gains from the moment it drifts, without a jump", () => {
  const { world, clock } = clockAt(0, 0, 0);
  world.nowMs = 1_000;
  clock.setRate(1.5);
  assert.equal(clock.nowMs(), 1_000);
  world.nowMs = 1_100;
  assert.equal(clock.nowMs(), 1_150);
  clock.setRate(0.5);
  world.nowMs = 1_200;
  assert.equal(clock.nowMs(), 1_200);
  assert.equal(clock.wallMs(), 1_200);
});

test("the calendar can be set back; the monotonic axis does not notice", () => {
  const { world, clock } = clockAt(0, 7, 1e12);
  world.nowMs = 10;
  clock.stepWall(-5_000);
  assert.equal(clock.nowMs(), 17);
  assert.equal(clock.wallMs(), 1e12 + 10 - 5_000);
  clock.stepWall(5_000);
  assert.equal(clock.wallMs(), 1e12 + 10);
});

test("when an instant will be reached: now for one that has passed, never for none", () => {
  const { world, clock } = clockAt(50, 1_000, 0);
  clock.setRate(2);
  assert.equal(clock.trueAtMs(1_150), 100);
  assert.deepEqual(
    [1_049, 1_050, 1_051].map((localMs) => clock.hasPassed(localMs)),
    [true, false, false],
  );
  assert.equal(clock.hasPassed(Number.POSITIVE_INFINITY), false);
  assert.equal(clock.trueAtMs(3), 50);
  assert.equal(clock.trueAtMs(Number.NEGATIVE_INFINITY), 50);
  assert.equal(clock.trueAtMs(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  world.nowMs = 80;
  assert.equal(clock.trueAtMs(1_150), 100);
});

test("a rate that is none is refused, and nothing changes", () => {
  const { world, clock } = clockAt(0, 0, 0);
  for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => clock.setRate(rate), { name: "RangeError", message: new RegExp(`not ${rate}`) });
  }
  world.nowMs = 10;
  assert.equal(clock.nowMs(), 10);
});

test("whatever the drift, it never goes back, and whoever is woken for an instant finds that it has come", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(`node-clock/${seed}`);
    const { world, clock } = clockAt(random.next() * 1e7, random.next() * 1e6, 1.7e12);
    let lastMs = clock.nowMs();
    for (let event = 0; event < 50; event++) {
      if (random.next() < 0.2) clock.setRate(0.9 + random.next() * 0.2);
      if (random.next() < 0.2) world.nowMs += random.next() * 10;
      const wantedMs = clock.nowMs() + random.next() * 10 ** Math.floor(random.next() * 6 - 3);
      world.nowMs = clock.trueAtMs(wantedMs);
      const foundMs = clock.nowMs();
      assert.ok(Math.abs(foundMs - wantedMs) < 1e-6, `seed ${seed}, event ${event}: ${foundMs} for ${wantedMs}`);
      clock.reach(wantedMs);
      assert.ok(clock.nowMs() >= wantedMs, `seed ${seed}, event ${event}: early`);
      assert.ok(clock.nowMs() >= lastMs, `seed ${seed}, event ${event}: went back`);
      assert.equal(clock.trueAtMs(wantedMs) <= world.nowMs, true, `seed ${seed}, event ${event}: due twice`);
      lastMs = clock.nowMs();
    }
  }
});
