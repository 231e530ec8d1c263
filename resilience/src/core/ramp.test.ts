/** The promotion ramp by itself: capacity in every exact second, slow start, and what ends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "./errors.ts";
import { RampMachine } from "./ramp.ts";
import { seededRandom } from "./random.ts";

const SEED: string = process.env["SEED"] ?? "27020033";
const REPLAY = `SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/ramp.test.ts`;

test("[F6] before any promotion only the declared capacity limits", () => {
  const free = new RampMachine();
  const narrow = new RampMachine({ capacityPerSecond: 3 });
  for (let call = 0; call < 5_000; call++) {
    assert.equal(free.admits(0), true);
    free.enter();
    assert.equal(free.charge(0), true);
  }
  assert.deepEqual([narrow.charge(0), narrow.charge(0), narrow.charge(0), narrow.charge(0)], [true, true, true, false]);
  assert.equal(narrow.admits(0), false);
});

test("[F6] a station just promoted is offered a few calls, and one more for each that succeeds", () => {
  const ramp = new RampMachine({ initialConcurrent: 4 });
  ramp.begin();
  for (let call = 0; call < 4; call++) {
    assert.equal(ramp.admits(0), true);
    ramp.enter();
  }
  assert.equal(ramp.admits(0), false);
  assert.equal(ramp.nextAdmitMs(0), Number.POSITIVE_INFINITY, "time alone does not help");
  for (let call = 0; call < 4; call++) ramp.leave("success");
  assert.deepEqual([ramp.limit, ramp.inFlight], [8, 0], "doubled in one round trip");
});

test("[F6] a failure halves the offer, down to one; what says nothing changes nothing", () => {
  const ramp = new RampMachine({ initialConcurrent: 8 });
  ramp.begin();
  const limits: number[] = [];
  for (const outcome of ["failure", "failure", "ignored", "failure", "failure"] as const) {
    ramp.enter();
    ramp.leave(outcome);
    limits.push(ramp.limit);
  }
  assert.deepEqual(limits, [4, 2, 2, 1, 1]);
});

test("[F6] the ramp ends when it is fully open, and begins anew with the next promotion", () => {
  const ramp = new RampMachine({ initialConcurrent: 2, fullConcurrent: 5 });
  ramp.begin();
  for (let call = 0; call < 3; call++) {
    ramp.enter();
    ramp.leave("success");
  }
  assert.deepEqual([ramp.ramping, ramp.limit], [false, Number.POSITIVE_INFINITY]);
  ramp.enter();
  ramp.leave("failure");
  assert.equal(ramp.limit, Number.POSITIVE_INFINITY, "afterwards failures are the breaker's business");
  ramp.begin(1);
  assert.deepEqual([ramp.ramping, ramp.limit], [true, 1]);
});

test("[F6] no exact second holds more than the declared capacity, and in flight never passes the limit, whatever comes", () => {
  for (let round = 0; round < 30; round++) {
    const random = seededRandom(`${SEED}/${round}`);
    const capacityPerSecond = 1 + Math.floor(random.next() * 200);
    const ramp = new RampMachine({ capacityPerSecond, initialConcurrent: 1 + Math.floor(random.next() * 20) });
    const sent: number[] = [];
    let nowMs = random.next() * 1_000;
    for (let step = 0; step < 2_000; step++) {
      nowMs += random.next() < 0.5 ? 0 : random.next() * 40;
      if (random.next() < 0.005) ramp.begin();
      if (ramp.admits(nowMs)) {
        ramp.enter();
        assert.ok(ramp.inFlight <= ramp.limit, REPLAY);
        assert.equal(ramp.charge(nowMs), true, `who is admitted may send at once\n${REPLAY}`);
        sent.push(nowMs);
      } else if (random.next() < 0.3 && ramp.charge(nowMs)) sent.push(nowMs);
      else assert.ok(ramp.nextAdmitMs(nowMs) > nowMs, REPLAY);
      if (ramp.inFlight > 0 && random.next() < 0.6) ramp.leave(random.next() < 0.8 ? "success" : "failure");
    }
    let first = 0;
    for (let last = 0; last < sent.length; last++) {
      while ((sent[last] as number) - (sent[first] as number) >= 1_000) first++;
      assert.ok(last - first + 1 <= capacityPerSecond, `${last - first + 1} of ${capacityPerSecond}\n${REPLAY}`);
    }
    assert.ok(sent.length > 20, `the door does open\n${REPLAY}`);
  }
});

test("[F6] a lone caller at full capacity gets what was declared, over a minute", () => {
  const ramp = new RampMachine({ capacityPerSecond: 50 });
  let sent = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 5) if (ramp.charge(nowMs)) sent++;
  assert.ok(sent >= 60 * 50 * 0.94 && sent <= 60 * 50, `${sent} of 3000`);
});

test("options out of range are refused with their value", () => {
  for (const options of [
    { capacityPerSecond: 0 },
    { initialConcurrent: 0 },
    { initialConcurrent: 10, fullConcurrent: 5 },
  ]) {
    assert.throws(() => new RampMachine(options), ConfigurationError);
  }
});
