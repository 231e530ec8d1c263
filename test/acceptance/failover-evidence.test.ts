/**
 * Promises [F1] and [F2]: what is weighed before a station is replaced, that each decision lists it, that our own stall
 * and a single bad command are no evidence, and that a dead backup is never promoted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NoStationFitError } from "ground-station-failover";
import { isWell } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations } from "../worlds/two-stations.ts";

test("[F1] silence is declared and answered with a promotion, each with its evidence", async () => {
  const at = await TwoStations.begin();
  at.north.beats = false;
  await at.clock.advanceBy(1_000);
  const down = at.told("declaration").find(({ node, to }) => node === "north" && to === "down");
  assert.match(
    down?.evidence[0]?.detail ?? "",
    /^north: heartbeats down \(suspicion .* reached the declare threshold 8/,
  );
  const [promoted] = at.told("promoted");
  assert.deepEqual(
    [promoted?.station, promoted?.from, promoted?.epoch, promoted?.cause],
    ["south", "north", 2, "failure"],
  );
  const verdicts = promoted?.evidence.map(({ kind, verdict, detail }) => `${kind} ${verdict} ${detail.slice(0, 23)}`);
  assert.deepEqual(verdicts, ["heartbeats unfit north: heartbeats down ", "heartbeats fit south: heartbeats alive"]);
  assert.ok((promoted?.atMs ?? 0) - (down?.atMs ?? 0) < 100, "within two beats of the backup");
  await at.stop();
});

for (const deadlineMs of [20_000, 600]) {
  test(`[F1] a one-way cut, beats arrive and commands hang, is found by the commands (deadlines of ${deadlineMs} ms)`, async () => {
    const at = await TwoStations.begin();
    at.load({ perSecond: 20, forMs: 10_000, deadlineMs });
    await at.clock.advanceBy(2_000);
    at.north.fault = "hang";
    await at.clock.advanceBy(3_000);
    assert.equal(at.failover.currentActive, "backup");
    const evidence = at.told("promoted")[0]?.evidence.map(({ kind, verdict }) => `${kind} ${verdict}`);
    assert.deepEqual(evidence?.slice(0, 2), ["heartbeats fit", "calls unfit"]);
    await at.clock.advanceBy(30_000);
    if (deadlineMs > 5_000) assert.equal(at.errors.length, 0, shown(at.errors));
    await at.stop();
  });
}

test("[F1] callers who hang up on a hanging station are evidence, too", async () => {
  const at = await TwoStations.begin();
  at.north.fault = "hang";
  for (let call = 0; call < 8; call++) {
    const caller = new AbortController();
    at.send({ signal: caller.signal, keyed: false });
    await at.clock.advanceBy(300);
    caller.abort();
  }
  await at.clock.advanceBy(100);
  assert.equal(at.failover.currentActive, "backup");
  await at.stop();
});

test("[F1] a process that stood still abstains, and does not hold against a station what timed out meanwhile", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 1_000, breaker: false } });
  at.north.answerMs = 900;
  at.load({ perSecond: 20, forMs: 1_000 });
  await at.clock.advanceBy(500);
  assert.equal(at.north.busy > 5, true);
  at.process.stall(5_000);
  await at.clock.advanceBy(60);
  assert.ok(at.told("abstention").length >= 1);
  await at.clock.advanceBy(5_000);
  assert.deepEqual(at.told("promoted"), []);
  assert.equal(at.failover.currentActive, "primary");
  await at.stop();
});

for (const perSecond of [2, 20, 200]) {
  test(`[F1] a command that always fails is its own fault where others succeed (${perSecond} a second): told soon, no promotion`, async () => {
    const at = await TwoStations.begin();
    at.north.poison.add("poison");
    at.load({ perSecond, forMs: 10_000 });
    await at.clock.advanceBy(3_010);
    const poison = at.send({ key: "poison", deadline: at.clock.nowMs() + 60_000 });
    await at.clock.advanceBy(10_000);
    assert.equal(poison.answer?.status, 500, shown([poison]));
    const tookMs = (poison.settledAtMs ?? Number.POSITIVE_INFINITY) - poison.sentAtMs;
    assert.ok(tookMs < 2_000, `told after ${tookMs} ms`);
    assert.equal(at.failover.epoch, 1);
    assert.equal(at.errors.length, 1, shown(at.errors));
    await at.stop();
  });
}

test("[F1] a third of the commands fail at random: no promotion, no command held for long, the retry budget at the door holds", async () => {
  const at = await TwoStations.begin();
  const chance = at.random.fork("strikes");
  at.north.fault = "errors";
  at.north.strikes = () => chance.next() < 0.3;
  at.load({ perSecond: 100, forMs: 20_000 });
  await at.clock.advanceBy(25_000);
  assert.equal(at.failover.epoch, 1);
  const extra = at.north.door.length - at.outcomes.length;
  assert.ok(extra <= 0.1 * at.outcomes.length && extra > 0.05 * at.outcomes.length, `${extra} extra attempts`);
  const slowest = Math.max(...at.outcomes.map(({ sentAtMs, settledAtMs }) => (settledAtMs ?? 1e9) - sentAtMs));
  assert.ok(slowest < 2_000, `${slowest} ms`);
  await at.stop();
});

test("[F1] a primary that flaps, 300 ms up and 300 ms down: at most one change, no error", async () => {
  const at = await TwoStations.begin();
  at.load({ perSecond: 50, forMs: 20_000, deadlineMs: 20_000 });
  const beganMs = at.clock.nowMs();
  at.north.fault = "errors";
  at.north.strikes = () => Math.floor((at.clock.nowMs() - beganMs) / 300) % 2 === 1;
  await at.clock.advanceBy(45_000);
  assert.ok(at.told("promoted").length <= 1, JSON.stringify(at.told("promoted")));
  assert.ok(
    at.errors.length < 0.05 * at.outcomes.length,
    `${at.errors.length} of ${at.outcomes.length}\n${shown(at.errors)}`,
  );
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F2] a dead backup is not promoted: the primary is kept, that is said once, and calls go through when it comes back", async () => {
  const at = await TwoStations.begin();
  at.south.beats = false;
  at.south.fault = "refuse";
  await at.clock.advanceBy(2_000);
  at.load({ perSecond: 20, forMs: 8_000, deadlineMs: 25_000 });
  at.north.beats = false;
  at.north.fault = "refuse";
  await at.clock.advanceBy(6_000);
  assert.equal(at.told("kept").length, 1);
  assert.deepEqual([at.failover.epoch, at.south.door.length], [1, 0]);
  assert.ok(at.north.door.length > 0 && at.north.door.length < 40, `tried now and then: ${at.north.door.length} times`);
  at.north.beats = true;
  at.north.fault = "none";
  await at.clock.advanceBy(20_000);
  assert.equal(at.errors.length, 0, `${at.errors.length}\n${shown(at.errors)}`);
  await at.stop();
});

test("[F2] an observer that is cut off loses both stations at once, and promotes neither", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const at = await TwoStations.begin({ seed });
    at.north.beats = false;
    at.south.beats = false;
    await at.clock.advanceBy(2_000);
    assert.deepEqual(at.told("promoted"), [], `seed ${seed}`);
    assert.equal(at.told("kept").length, 1, `seed ${seed}`);
    at.north.beats = true;
    at.south.beats = true;
    await at.clock.advanceBy(3_000);
    const after = at.send();
    await at.clock.advanceBy(100);
    assert.ok(after.answer !== undefined && isWell(after.answer), `seed ${seed}: ${shown([after])}`);
    await at.stop();
  }
});

test("[F2] heartbeats of both are lost but commands get through: they go on as if nothing were", async () => {
  const at = await TwoStations.begin();
  at.load({ perSecond: 100, forMs: 10_000, deadlineMs: 5_000, keyedRatio: 0.5 });
  await at.clock.advanceBy(1_000);
  at.north.beats = false;
  at.south.beats = false;
  await at.clock.advanceBy(12_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  const slowest = Math.max(...at.outcomes.map(({ sentAtMs, settledAtMs }) => (settledAtMs ?? 1e9) - sentAtMs));
  assert.ok(slowest < 100, `${slowest} ms`);
  await at.stop();
});

test("[F2] both fail for a while: whoever comes back first serves those who waited", async () => {
  for (const first of ["north", "south"] as const) {
    const at = await TwoStations.begin({ client: first === "north" ? CLIENT : { ...CLIENT, breaker: false } });
    at.load({ perSecond: 50, forMs: 6_000, deadlineMs: 28_000 });
    at.north.fault = "hang";
    at.south.fault = "errors";
    await at.clock.advanceBy(6_000);
    const tried = new Set([...at.north.door, ...at.south.door].map(({ key }) => key));
    assert.ok(at.told("promoted").length <= 2, "they do not take turns at failing");
    at[first].fault = "none";
    await at.clock.advanceBy(40_000);
    const late = at.outcomes.filter(({ settledAtMs }) => settledAtMs === undefined);
    assert.deepEqual(late, [], first);
    // Each of these had its attempt before, and the retry budget had none left for another one.
    const untried = at.errors.filter(({ key }) => !tried.has(key));
    assert.deepEqual(untried, [], `${first}: ${shown(untried)}`);
    assert.ok(at.errors.length < at.outcomes.length / 3, `${first}: ${at.errors.length} of ${at.outcomes.length}`);
    assert.deepEqual(at.account, { doubled: [], lost: [] });
    await at.stop();
  }
});

test("[F2] the second backup is taken where the first is dead", async () => {
  const at = await TwoStations.begin({ stations: 3 });
  at.south.beats = false;
  await at.clock.advanceBy(1_000);
  at.north.beats = false;
  at.north.fault = "refuse";
  const outcome = at.send();
  await at.clock.advanceBy(1_000);
  assert.equal(outcome.answer?.body.by, "east", shown([outcome]));
  await at.stop();
});

test("[F2] nobody supervises: calls work, a failure is told at once, nobody is promoted", async () => {
  const at = await TwoStations.begin();
  await at.stop();
  at.north.fault = "refuse";
  const refused = at.send();
  await at.clock.advanceBy(10);
  assert.equal(refused.error?.code, "ECONNREFUSED", shown([refused]));
  assert.equal(at.failover.epoch, 1);
  assert.equal(at.clock.pending, 0);
  await assert.rejects(at.failover.switchover("south", "without a supervisor"), NoStationFitError);
});
