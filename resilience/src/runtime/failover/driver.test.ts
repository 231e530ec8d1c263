/**
 * The driver's own: one timer, whatever is due when, and nothing left behind on a caller's signal.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { deadlineAt } from "../../core/deadline.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "../detection/detectors.ts";
import { PrimaryBackupFailover } from "./failover.ts";

interface Named {
  readonly name: string;
}

function failoverOn(clock: VirtualClock): PrimaryBackupFailover<Named> {
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
  return new PrimaryBackupFailover<Named>({
    primary: { name: "north" },
    backup: { name: "south" },
    detector,
    client: { timeoutMs: 5_000 },
  });
}

test("[C4] a thousand calls on one long-lived signal, served, failed or refused → no listener is left", async () => {
  const clock = new VirtualClock(1_000);
  const failover = failoverOn(clock);
  const { signal } = new AbortController();
  for (let call = 0; call < 1_000; call++) {
    const end = failover.call(() => (call % 2 === 0 ? Promise.resolve(call) : Promise.reject(new Error("no"))), {
      signal,
      ...(call % 10 === 9 ? { deadline: deadlineAt(1_000) } : {}),
    });
    assert.equal(getEventListeners(signal, "abort").length <= 1, true);
    await clock.runUntilSettled(end.catch(() => undefined));
  }
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("[C4] the caller aborts → its call ends at once, with nothing left on the signal", async () => {
  const clock = new VirtualClock(1_000);
  const caller = new AbortController();
  const end = failoverOn(clock).call(() => new Promise(() => undefined), { signal: caller.signal });
  caller.abort(new Error("gone"));
  await assert.rejects(end, { code: "CALL_ABORTED" });
  assert.equal(getEventListeners(caller.signal, "abort").length, 0);
});

test("[C4] calls due earlier and earlier, and some that end → one timer; none once all have ended", async () => {
  const clock = new VirtualClock(1_000);
  const failover = failoverOn(clock);
  const ends: Promise<unknown>[] = [];
  for (let call = 0; call < 50; call++) {
    // Nothing else falls due before these: an attempt is worth a second one after a second.
    const deadline = deadlineAt(1_000 + 900 - call * 10);
    ends.push(failover.call(() => new Promise(() => undefined), { deadline }).catch(() => undefined));
    assert.equal(clock.pending, 1);
  }
  await clock.advanceBy(700);
  assert.equal(clock.pending, 1);
  await clock.runUntilSettled(Promise.all(ends));
  assert.equal(clock.pending, 0);
});

test("[R4] another call's timer is set for later → each ends at its own deadline, to the millisecond", async () => {
  const clock = new VirtualClock(1_000);
  const failover = failoverOn(clock);
  const endedAtMs = async (deadlineMs: number): Promise<number> => {
    await failover
      .call(() => new Promise(() => undefined), { deadline: deadlineAt(deadlineMs) })
      .catch(() => undefined);
    return clock.nowMs();
  };
  const deadlines = [3_000, 1_500, 2_500, 1_501, 4_000];
  assert.deepEqual(await clock.runUntilSettled(Promise.all(deadlines.map(endedAtMs))), deadlines);
});

test("[F9] a circuit opens, and its station is replaced for that in the same step → the circuit is told first", async () => {
  const clock = new VirtualClock(1_000);
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
  const failover = new PrimaryBackupFailover<Named>({
    primary: { name: "north" },
    backup: { name: "south" },
    detector,
    client: { timeoutMs: 500, breaker: { minimumVolume: 2, openDurationMs: 600_000 } },
  });
  const told: string[] = [];
  failover.onEvent((event) => {
    if (event.type === "breaker") told.push(`${event.station} ${event.transition.to}`);
    else if (event.type === "promoted") told.push(`promoted ${event.station}`);
  });
  const supervised = new AbortController();
  const supervision = failover.run(supervised.signal);
  for (let beat = 0; beat < 40; beat++) {
    for (const node of ["north", "south"]) detector.noteHeartbeat(node);
    if (beat === 20 || beat === 21) failover.call(() => new Promise(() => undefined)).catch(() => undefined);
    await clock.advanceBy(50);
  }
  assert.deepEqual(told, ["north open", "promoted south"]);
  supervised.abort();
  await clock.runUntilSettled(supervision);
});
