/**
 * Promise [F7]: what is planned is done without haste. Switchover, maintenance and failback drain first, wait for proven
 * health, and give way to a failure.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, NoStationFitError } from "ground-station-failover";
import type { Station } from "../worlds/station.ts";
import { shown, TwoStations } from "../worlds/two-stations.ts";

test("[F7] a switchover under load: nothing is in flight when it happens, nobody sees an error, nothing is doubled", async () => {
  const at = await TwoStations.begin();
  at.north.answerMs = 80;
  at.load({ perSecond: 200, forMs: 3_000, keyedRatio: 0.5 });
  await at.clock.advanceBy(1_000);
  const epoch = at.clock.runUntilSettled(at.failover.switchover("south", "antenna work"));
  assert.equal(at.failover.status.handover, "south");
  assert.equal(await epoch, 2);
  const [promoted] = at.told("promoted");
  assert.deepEqual([promoted?.cause, promoted?.inFlight], ["switchover", 0]);
  assert.equal(promoted?.evidence[0]?.detail, "antenna work");
  await at.clock.advanceBy(5_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  assert.equal(at.north.door.length + at.south.door.length, at.outcomes.length, "each command was sent once");
  await at.stop();
});

test("[F7] a command that outlasts the drain: keyed goes on at the new station, unkeyed gets its answer from the old one", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  at.north.answerMs = 3_000;
  const keyed = at.send({ key: "keyed" });
  const unkeyed = at.send({ keyed: false });
  const began = at.clock.nowMs();
  await at.clock.runUntilSettled(at.failover.switchover("south", "now", 500));
  assert.equal(at.clock.nowMs() - began, 500);
  await at.clock.advanceBy(5_000);
  assert.deepEqual(
    [keyed.answer?.body.by, unkeyed.answer?.body.by],
    ["south", "south"],
    "the old one refused the old epoch",
  );
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F7] a switchover is refused with a reason: to a dead station, to nobody, to the active one, twice at once, with nonsense", async () => {
  const at = await TwoStations.begin();
  at.south.beats = false;
  await at.clock.advanceBy(1_000);
  await assert.rejects(at.failover.switchover("south", "drill"), (error: Error) => {
    return (
      error instanceof NoStationFitError && /south is not fit to be active: south: heartbeats down/.test(error.message)
    );
  });
  await assert.rejects(at.failover.switchover("mars", "drill"), /there is no station "mars"; there are north, south/);
  await assert.rejects(at.failover.switchover("north", "drill"), /north is active already/);
  await assert.rejects(at.failover.switchover("south", "drill", Number.NaN), ConfigurationError);
  at.south.beats = true;
  await at.clock.advanceBy(3_000);
  at.north.fault = "hang";
  at.send();
  const first = at.failover.switchover("south", "drill");
  await assert.rejects(at.failover.switchover("south", "again"), /a handover to south is under way already/);
  assert.equal(await at.clock.runUntilSettled(first), 2);
  assert.equal(at.told("handover-begun").length, 1);
  await at.stop();
});

test("[F7] a failure overtakes a handover: whoever asked is told, and the calls that waited go on at once", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 60_000 } });
  at.north.fault = "hang";
  at.send({ key: "hung" });
  const asked = at.failover.switchover("south", "drill", 20_000);
  const waiting = at.send({ keyed: false });
  at.north.beats = false;
  await assert.rejects(at.clock.runUntilSettled(asked), /overtaken: north failed, and south was promoted/);
  await at.clock.advanceBy(100);
  assert.equal(waiting.answer?.body.by, "south");
  assert.equal(at.told("handover-ended").length, 1);
  await at.stop();
});

test("[F7] the station that is to take over fails while the other drains: the handover is off at once", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 60_000 } });
  at.north.answerMs = 10_000;
  at.send();
  const asked = at.failover.switchover("south", "drill", 20_000);
  const waiting = at.send({ keyed: false });
  at.south.beats = false;
  await assert.rejects(at.clock.runUntilSettled(asked), /overtaken: south is not fit/);
  assert.ok(at.clock.nowMs() < 6_000);
  await at.clock.advanceBy(15_000);
  assert.equal(waiting.answer?.body.by, "north");
  assert.equal(at.failover.epoch, 1);
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
  assert.equal(back.inFlight, 0, "never inside a command");
  await at.clock.advanceBy(30_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F7] a primary that keeps coming and going is trusted later each time", async () => {
  const at = await TwoStations.begin({
    failback: { mode: "automatic", holdDownMs: 2_000 },
    supervisor: { minimumDwellMs: 0 },
  });
  const awayMs: number[] = [];
  for (let round = 0; round < 4; round++) {
    at.north.beats = false;
    await at.clock.advanceBy(1_000);
    assert.equal(at.failover.currentActive, "backup");
    at.north.beats = true;
    const backMs = at.clock.nowMs();
    while (at.failover.currentActive === "backup" && at.clock.nowMs() < backMs + 60_000) await at.clock.advanceBy(100);
    awayMs.push(at.clock.nowMs() - backMs);
  }
  for (let round = 1; round < 4; round++) {
    const ratio = (awayMs[round] as number) / (awayMs[round - 1] as number);
    assert.ok(ratio > 1.7 && ratio < 2.3, `${awayMs}`);
  }
  await at.stop();
});

test("[F7] maintenance drains the active station first, has a reason and an end, and is not held against it", async () => {
  const at = await TwoStations.begin({ failback: { mode: "automatic", holdDownMs: 1_000 } });
  at.north.answerMs = 200;
  at.load({ perSecond: 50, forMs: 12_000, keyedRatio: 0 });
  await at.clock.advanceBy(1_000);
  at.failover.setMaintenance("north", "new antenna", at.clock.nowMs() + 5_000);
  await at.clock.advanceBy(1_000);
  const [promoted] = at.told("promoted");
  assert.deepEqual([promoted?.station, promoted?.cause, promoted?.inFlight], ["south", "maintenance", 0]);
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

test("[F7] maintenance of the active station where nobody else is fit: it serves on, and that is said", async () => {
  const at = await TwoStations.begin();
  at.south.beats = false;
  await at.clock.advanceBy(1_000);
  at.failover.setMaintenance("north", "new antenna");
  at.load({ perSecond: 20, forMs: 2_000, keyedRatio: 0 });
  await at.clock.advanceBy(3_000);
  assert.equal(at.told("kept").length, 1);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("two stations that would share a breaker, a bulkhead or a name are refused, and so is a primary alone", async () => {
  const { CircuitBreaker, FixedHeartbeatDetector, PrimaryBackupFailover } = await import("ground-station-failover");
  const detector = new FixedHeartbeatDetector();
  const primary = { name: "north" };
  const refused = (options: object, hazard: string): void =>
    assert.throws(() => new PrimaryBackupFailover({ primary, detector, ...options }), { hazard });
  refused({}, "no-backup");
  refused({ backup: { name: "north" } }, "duplicate-station");
  refused({ backup: { name: "south" }, client: { breaker: new CircuitBreaker() } }, "stations-share-a-part");
});
