/**
 * Promise [F7]: what is planned hurts nobody. Switchover and maintenance make before they break:
 * calls that are out finish at the old station. Failback proves a station with a canary and a
 * growing share, waits for proven health, and gives way to a failure.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NoEligibleStationError } from "ground-station-failover";
import type { Station } from "../worlds/station.ts";
import { shown, TwoStations } from "../worlds/two-stations.ts";

test("[F7] a switchover under load → at once; what is out finishes at the old station, nobody sees an error", async () => {
  const at = await TwoStations.begin();
  at.north.answerMs = 80;
  // The spacecraft refuses what an older epoch sends once it has seen a newer one, so both serve at
  // the same pace here.
  at.south.answerMs = 80;
  at.load({ perSecond: 200, forMs: 3_000, keyedRatio: 0.5 });
  await at.clock.advanceBy(1_000);
  const askedMs = at.clock.nowMs();
  assert.equal(await at.failover.switchover("south", "antenna work"), 2);
  assert.deepEqual([at.clock.nowMs(), at.failover.activeStation.name], [askedMs, "south"]);
  const [promoted] = at.told("promoted");
  assert.equal(promoted?.cause, "switchover");
  assert.ok((promoted?.inFlight ?? 0) > 10, "calls were out at the old station");
  assert.equal(promoted?.evidence[0]?.detail, "antenna work");
  await at.clock.advanceBy(5_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  assert.equal(at.north.door.length + at.south.door.length, at.outcomes.length, "each command was sent once");
  assert.equal(
    at.outcomes.filter(({ sentAtMs, answer }) => sentAtMs > askedMs && answer?.body.by !== "south").length,
    0,
  );
  await at.stop();
});

test("[F7] commands out at the old station that its spacecraft refuses for their epoch → go on at the new one", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  at.north.answerMs = 3_000;
  const keyed = at.send({ key: "keyed" });
  const unkeyed = at.send({ keyed: false });
  await at.failover.switchover("south", "now");
  // The spacecraft has seen the new epoch before north executes what it was sent under the old one.
  at.send();
  await at.clock.advanceBy(5_000);
  assert.deepEqual([keyed.answer?.body.by, unkeyed.answer?.body.by], ["south", "south"]);
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F7] a switchover is refused with a reason: to a dead station, to nobody, to the active one, twice", async () => {
  const at = await TwoStations.begin();
  at.south.beats = false;
  await at.clock.advanceBy(1_000);
  await assert.rejects(at.failover.switchover("south", "drill"), (error: Error) => {
    return (
      error instanceof NoEligibleStationError &&
      /south is not eligible to be active: south: heartbeats down/.test(error.message)
    );
  });
  await assert.rejects(at.failover.switchover("mars", "drill"), /there is no station "mars"; there are north, south/);
  await assert.rejects(at.failover.switchover("north", "drill"), /north is active already/);
  at.south.beats = true;
  await at.clock.advanceBy(3_000);
  const first = at.failover.switchover("south", "drill");
  await assert.rejects(at.failover.switchover("south", "again"), /south is active already/);
  assert.equal(await first, 2);
  assert.equal(at.told("handover-begun").length, 1);
  await at.stop();
});

/** North has failed, is well again, and the failback to it has just begun. */
async function returning(perSecond: number): Promise<TwoStations> {
  const at = await TwoStations.begin({ failback: { mode: "automatic", holdDownMs: 2_000 } });
  at.load({ perSecond, forMs: 20_000, deadlineMs: 10_000 });
  at.north.beats = false;
  at.north.fault = "refuse";
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup");
  at.north.beats = true;
  at.north.fault = "none";
  while (at.failover.status.handover === undefined) await at.clock.advanceBy(10);
  return at;
}

test("[F7] a failback under load → a canary, a tenth of the calls, a growing share, all; nobody sees an error", async () => {
  const at = await returning(200);
  const beganMs = at.clock.nowMs();
  await at.clock.advanceBy(5_000);
  const back = at.told("promoted").at(-1);
  assert.deepEqual([back?.station, back?.cause], ["north", "failback"]);
  const backMs = back?.atMs ?? 0;
  assert.ok(backMs - beganMs > 900 && backMs - beganMs < 1_300, `after ${backMs - beganMs} ms`);
  const share = (fromMs: number, toMs: number): number => {
    const count = (station: Station): number =>
      station.door.filter(({ atMs, refused }) => atMs >= fromMs && atMs < toMs && !refused).length;
    return count(at.north) / (count(at.north) + count(at.south));
  };
  const first = backMs - 1_000;
  const shares = [0, 1, 2, 3].map((step) => share(first + 250 * step, first + 250 * (step + 1)));
  for (const [step, expected] of [0.1, 0.2, 0.4, 0.8].entries()) {
    assert.ok(Math.abs((shares[step] as number) - expected) < 0.06, `${shares}`);
  }
  await at.clock.advanceBy(20_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F7] the active station fails while another is tried out → that one is promoted for the failure, at once", async () => {
  const at = await returning(20);
  at.south.beats = false;
  at.south.fault = "hang";
  await at.clock.advanceBy(1_000);
  const last = at.told("promoted").at(-1);
  assert.deepEqual([last?.station, last?.cause], ["north", "failure"]);
  assert.match(at.told("handover-ended").at(-1)?.reason ?? "", /south failed, and north was promoted/);
  await at.clock.advanceBy(30_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] the station that is tried out fails its canary → the failback is off, its call is served by the other", async () => {
  const at = await returning(20);
  at.north.fault = "errors";
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.match(at.told("handover-ended").at(-1)?.reason ?? "", /north failed a call/);
  const tried = at.north.door.length;
  await at.clock.advanceBy(3_000);
  assert.ok(at.north.door.length <= tried + 1, "it is not tried again before it has proved itself");
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] the station that is tried out falls silent → the failback is off, and that is said", async () => {
  const at = await returning(20);
  at.north.beats = false;
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.match(at.told("handover-ended").at(-1)?.reason ?? "", /north is not eligible to be active/);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] manual failback: a healed primary waits to be asked", async () => {
  const at = await TwoStations.begin();
  at.north.beats = false;
  await at.clock.advanceBy(1_000);
  at.north.beats = true;
  await at.clock.advanceBy(120_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.equal(await at.clock.runUntilSettled(at.failover.switchover("north", "it is well")), 3);
  await at.stop();
});

test("[F7] a failback on request → in steps, without a hold-down; automatic failback returns to the primary from then on", async () => {
  const at = await TwoStations.begin({ failback: { mode: "automatic", holdDownMs: 60_000 } });
  at.load({ perSecond: 100, forMs: 20_000, keyedRatio: 0.5 });
  await at.clock.advanceBy(1_000);
  await at.failover.switchover("south", "antenna work");
  assert.equal(at.failover.status.preferred, "south");
  await at.clock.advanceBy(2_000);
  const askedMs = at.clock.nowMs();
  const [first, second] = [at.failover.failback("it is done"), at.failover.failback("asked twice")];
  assert.equal(at.failover.status.handover, "north");
  assert.deepEqual(await at.clock.runUntilSettled(Promise.all([first, second])), [3, 3]);
  const tookMs = at.clock.nowMs() - askedMs;
  assert.ok(tookMs > 900 && tookMs < 1_500, `after ${tookMs} ms`);
  assert.deepEqual([at.told("promoted").at(-1)?.cause, at.failover.status.preferred], ["failback", "north"]);
  assert.equal(at.told("handover-begun").length, 2);
  await at.clock.advanceBy(20_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F7] a failback on request is refused with a reason: to a dead primary, one that fails on the way, one that is active", async () => {
  const at = await TwoStations.begin();
  const refused = (reason: RegExp): Promise<void> =>
    assert.rejects(at.clock.runUntilSettled(at.failover.failback("drill")), (error: Error) => {
      assert.ok(error instanceof NoEligibleStationError);
      assert.match(error.message, reason);
      return true;
    });
  await refused(/north is active already/);
  await at.failover.switchover("south", "drill");
  at.north.beats = false;
  await at.clock.advanceBy(1_000);
  await refused(/north is not eligible to be active: north: heartbeats down/);
  at.north.beats = true;
  await at.clock.advanceBy(5_000);
  at.load({ perSecond: 20, forMs: 5_000, keyedRatio: 1 });
  at.north.fault = "errors";
  await refused(/north failed a call/);
  assert.equal(at.failover.activeStation.name, "south");
  await at.clock.advanceBy(10_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] the active station fails during a failback on request → the failback ends with the promotion", async () => {
  const at = await TwoStations.begin();
  await at.failover.switchover("south", "drill");
  await at.clock.advanceBy(1_000);
  const back = at.failover.failback("drill");
  at.south.beats = false;
  assert.equal(await at.clock.runUntilSettled(back), 3);
  await at.stop();
});

test("[F7] a failover that starts with the backup active → it serves at once, and failback returns to it", async () => {
  const at = await TwoStations.begin({ initialActive: "south", failback: { mode: "automatic", holdDownMs: 1_000 } });
  at.load({ perSecond: 50, forMs: 10_000, deadlineMs: 5_000 });
  await at.clock.advanceBy(5_000);
  assert.deepEqual([at.failover.activeStation.name, at.failover.epoch, at.north.door.length], ["south", 1, 0]);
  at.south.beats = false;
  at.south.fault = "hang";
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.activeStation.name, "north");
  await assert.rejects(TwoStations.begin({ initialActive: "mars" }), /there is no station "mars"/);
  await at.stop();
});

test("[F7] automatic failback counts from proven health: probes must succeed, without a break, for the hold-down", async () => {
  const at = await TwoStations.begin({
    failback: { mode: "automatic", holdDownMs: 5_000 },
    probe: (station: Station, signal: AbortSignal) =>
      station.clock.sleepUntil(station.fault === "hang" ? 1e12 : station.clock.nowMs() + 5, signal),
  });
  at.load({ perSecond: 20, forMs: 40_000, deadlineMs: 30_000 });
  at.north.fault = "hang";
  await at.clock.advanceBy(3_000);
  assert.equal(at.failover.currentActive, "backup", "although it beats");
  await at.clock.advanceBy(10_000);
  assert.equal(at.failover.currentActive, "backup", "beats alone are no proof");
  at.north.fault = "none";
  const healedMs = at.clock.nowMs();
  await at.clock.advanceBy(4_000);
  at.north.fault = "hang";
  await at.clock.advanceBy(1_500);
  at.north.fault = "none";
  const againMs = at.clock.nowMs();
  await at.clock.advanceBy(15_000);
  const back = at.told("promoted").find(({ cause }) => cause === "failback");
  assert.ok(
    back !== undefined && back.atMs >= againMs + 5_000,
    `back at ${back?.atMs}, healed at ${healedMs} and ${againMs}`,
  );
  assert.match(back.evidence[0]?.detail ?? "", /^north has been proven healthy for \d+ ms \(hold-down 5000 ms\)$/);
  await at.clock.advanceBy(30_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] a primary that keeps coming and going is trusted later each time", async () => {
  const at = await TwoStations.begin({
    failback: { mode: "automatic", holdDownMs: 2_000 },
    supervisor: { minDwellMs: 0 },
  });
  const awayMs: number[] = [];
  for (let round = 0; round < 4; round++) {
    at.north.beats = false;
    await at.clock.advanceBy(1_000);
    assert.equal(at.failover.currentActive, "backup");
    at.north.beats = true;
    const backMs = at.clock.nowMs();
    while (at.failover.currentActive === "backup" && at.clock.nowMs() < backMs + 60_000) await at.clock.advanceBy(100);
    // How long it had to prove itself; trying it out takes the same time each time.
    awayMs.push((at.told("handover-begun").at(-1)?.atMs ?? 0) - backMs);
  }
  for (let round = 1; round < 4; round++) {
    const ratio = (awayMs[round] as number) / (awayMs[round - 1] as number);
    assert.ok(ratio > 1.7 && ratio < 2.3, `${awayMs}`);
  }
  await at.stop();
});

test("[F7] maintenance of the active station → replaced at once, has a reason and an end, and is not held against it", async () => {
  const at = await TwoStations.begin({ failback: { mode: "automatic", holdDownMs: 1_000 } });
  at.north.answerMs = 200;
  at.south.answerMs = 200;
  at.load({ perSecond: 50, forMs: 15_000, keyedRatio: 0 });
  await at.clock.advanceBy(1_000);
  at.failover.setMaintenance("north", "new antenna", at.clock.nowMs() + 5_000);
  const [promoted] = at.told("promoted");
  assert.deepEqual([promoted?.station, promoted?.cause, promoted?.inFlight], ["south", "maintenance", 10]);
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.status.stations[0]?.maintenance?.reason, "new antenna");
  await assert.rejects(at.failover.switchover("north", "back"), /in maintenance \(new antenna\)/);
  await at.clock.advanceBy(4_500);
  assert.equal(at.failover.status.stations[0]?.maintenance, undefined);
  assert.deepEqual(
    at.told("maintenance").map(({ reason }) => reason),
    ["new antenna", undefined],
  );
  await at.clock.advanceBy(10_000);
  assert.deepEqual(
    at.told("promoted").map(({ cause }) => cause),
    ["maintenance", "failback"],
  );
  assert.equal(at.failover.status.stations[0]?.holdDownMs, 1_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.equal(at.north.door.length + at.south.door.length, at.outcomes.length, "each unkeyed command was sent once");
  await at.stop();
});

test("[F7] maintenance of the active station where nobody else is eligible: it serves on, and that is said", async () => {
  const at = await TwoStations.begin();
  at.south.beats = false;
  await at.clock.advanceBy(1_000);
  at.failover.setMaintenance("north", "new antenna");
  at.load({ perSecond: 20, forMs: 2_000, keyedRatio: 0 });
  await at.clock.advanceBy(3_000);
  assert.equal(at.told("no-eligible-station").length, 1);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("two stations that would share a breaker, a bulkhead or a name are refused, and so is a primary alone", async () => {
  const { CircuitBreaker, FixedHeartbeatDetector, PrimaryBackupFailover } = await import("ground-station-failover");
  const detector = new FixedHeartbeatDetector();
  const primary = { name: "north" };
  const refused = (options: object, hazard: string): void =>
    assert.throws(() => new PrimaryBackupFailover({ primary, detector, ...options } as never), { hazard });
  refused({}, "no-backup");
  refused({ backup: { name: "north" } }, "duplicate-station");
  refused({ backup: { name: "south" }, client: { breaker: new CircuitBreaker() } }, "stations-share-a-part");
});
