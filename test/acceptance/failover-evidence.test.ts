/**
 * Promises [F1] and [F2]: what is weighed before a station is replaced, that each decision lists
 * it, that our own stall and a single bad command are no evidence, and that a dead backup is never
 * promoted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineAt, NoEligibleStationError } from "ground-station-failover";
import { isWell } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations } from "../worlds/two-stations.ts";

/** Errors that say that nothing is known of what became of the call. */
const UNKNOWING = new Set(["AMBIGUOUS_OUTCOME", "DEADLINE_EXCEEDED", "ATTEMPT_TIMEOUT"]);

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
  assert.deepEqual(verdicts, [
    "heartbeats ineligible north: heartbeats down ",
    "heartbeats eligible south: heartbeats alive",
  ]);
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
    assert.deepEqual(evidence?.slice(0, 2), ["heartbeats eligible", "calls ineligible"]);
    await at.clock.advanceBy(30_000);
    if (deadlineMs > 5_000) assert.equal(at.errors.length, 0, shown(at.errors));
    await at.stop();
  });
}

test("[F10] it is known how long answers take, a station hangs and its callers hang up → it is replaced", async () => {
  const at = await TwoStations.begin();
  at.load({ perSecond: 100, forMs: 1_000 });
  await at.clock.advanceBy(1_000);
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

for (const [what, hanging, promoted] of [
  ["answers take longer than that at both stations", ["north", "south"], []],
  ["the primary hangs, and the backup answers at once", ["north"], ["south"]],
] as const) {
  test(`[F10] nobody knows how long answers take, callers hang up after 300 ms, and ${what} → ${promoted.length} changes of roles`, async () => {
    const at = await TwoStations.begin();
    for (const name of hanging) at[name].fault = "hang";
    for (let call = 0; call < 60; call++) {
      const caller = new AbortController();
      at.send({ signal: caller.signal, keyed: false });
      await at.clock.advanceBy(300);
      caller.abort();
    }
    assert.deepEqual(
      at.told("promoted").map(({ station }) => station),
      promoted,
    );
    await at.stop();
  });
}

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
  test(`[F10] a command that both stations fail, beside ${perSecond} a second that they serve → told within 50 ms, no promotion`, async () => {
    const at = await TwoStations.begin();
    at.north.poison.add("poison");
    at.south.poison.add("poison");
    at.load({ perSecond, forMs: 10_000 });
    await at.clock.advanceBy(3_010);
    const poison = at.send({ key: "poison", deadline: deadlineAt(at.clock.nowMs() + 60_000) });
    await at.clock.advanceBy(10_000);
    assert.equal(poison.answer?.status, 500, shown([poison]));
    const tookMs = (poison.settledAtMs ?? Number.POSITIVE_INFINITY) - poison.sentAtMs;
    assert.ok(tookMs <= 2 * at.north.answerMs + 1, `told after ${tookMs} ms: one round trip of each station`);
    assert.equal(at.failover.epoch, 1);
    assert.equal(at.errors.length, 1, shown(at.errors));
    await at.stop();
  });
}

test("[F10] a command that one station fails and the other serves → served, no promotion", async () => {
  const at = await TwoStations.begin();
  at.north.poison.add("poison");
  at.load({ perSecond: 20, forMs: 5_000 });
  await at.clock.advanceBy(1_010);
  const poison = at.send({ key: "poison" });
  await at.clock.advanceBy(6_000);
  assert.equal(poison.answer?.body.by, "south", shown([poison]));
  assert.deepEqual([at.failover.epoch, at.errors.length], [1, 0]);
  await at.stop();
});

for (const [rate, isReplaced] of [
  [0.02, false],
  [0.5, true],
] as const) {
  test(`[F10] [R2] ${100 * rate} % of the commands fail at random at one station → no error, ${isReplaced ? "replaced" : "not replaced"}`, async () => {
    const at = await TwoStations.begin();
    const chance = at.random.fork("strikes");
    at.north.fault = "errors";
    at.north.strikes = () => chance.next() < rate;
    at.load({ perSecond: 100, forMs: 20_000 });
    await at.clock.advanceBy(25_000);
    assert.equal(at.failover.epoch, isReplaced ? 2 : 1);
    assert.deepEqual(at.errors, [], shown(at.errors));
    const attempts = at.north.door.length + at.south.door.length;
    assert.ok(attempts <= 1.1 * at.outcomes.length, `${attempts} attempts for ${at.outcomes.length} commands`);
    const keys = new Set(at.north.door.map(({ key }) => key));
    assert.ok(at.north.door.length - keys.size <= 0.1 * keys.size, "the retry budget at the door holds");
    const slowest = Math.max(...at.outcomes.map(({ sentAtMs, settledAtMs }) => (settledAtMs ?? 1e9) - sentAtMs));
    assert.ok(slowest <= 50, `${slowest} ms: no command is held`);
    await at.stop();
  });
}

for (const source of [undefined, "10.0.0.1 POST /commands"]) {
  for (const perSecond of [2, 50]) {
    test(`[F10] a primary fails all that it served, no keys, ${source ?? "no source"}, ${perSecond}/s → replaced`, async () => {
      const at = await TwoStations.begin();
      const forMs = 20_000;
      for (let count = 0; count < (perSecond * forMs) / 1_000; count++) {
        at.clock.at(at.clock.nowMs() + (count * 1_000) / perSecond, () =>
          at.send({ keyed: false, ...(source === undefined ? {} : { source }) }),
        );
      }
      await at.clock.advanceBy(5_010);
      at.north.fault = "errors";
      await at.clock.advanceBy(1_100 + 5_000 / perSecond);
      assert.equal(at.failover.currentActive, "backup");
      await at.clock.advanceBy(forMs);
      // Nobody knows what a command without a key did: those of the first second are told of their
      // failure.
      assert.ok(at.errors.length <= Math.max(6, 1.2 * perSecond), `${at.errors.length} errors`);
      assert.equal(at.told("promoted").length, 1);
      await at.stop();
    });
  }
}

test("[F10] two in a hundred commands fail at random at both stations → nobody is replaced", async () => {
  const at = await TwoStations.begin();
  for (const station of [at.north, at.south]) {
    const chance = at.random.fork(`strikes/${station.name}`);
    station.fault = "errors";
    station.strikes = () => chance.next() < 0.02;
  }
  at.load({ perSecond: 100, forMs: 60_000 });
  await at.clock.advanceBy(65_000);
  assert.deepEqual(at.told("promoted"), []);
  assert.ok(at.errors.length <= 10, shown(at.errors));
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
  assert.equal(at.told("no-eligible-station").length, 1);
  assert.equal(at.failover.epoch, 1);
  for (const { name, door } of [at.north, at.south]) {
    // Nobody is usable, so both are tried: a refused connection costs nothing, once in 50 ms at
    // most.
    assert.ok(door.length > 0 && door.length <= 6_000 / 50 + 40, `${name} tried now and then: ${door.length} times`);
  }
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
    assert.equal(at.told("no-eligible-station").length, 1, `seed ${seed}`);
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

test("[F2] both fail for a while → told what is known, no taking turns; whoever comes back first serves at once", async () => {
  for (const first of ["north", "south"] as const) {
    const at = await TwoStations.begin({ client: first === "north" ? CLIENT : { ...CLIENT, breaker: false } });
    at.load({ perSecond: 50, forMs: 12_000, deadlineMs: 28_000 });
    at.north.fault = "hang";
    at.south.fault = "errors";
    await at.clock.advanceBy(6_000);
    assert.ok(at.told("promoted").length <= 2, "they do not take turns at failing");
    at[first].fault = "none";
    const healedMs = at.clock.nowMs();
    await at.clock.advanceBy(40_000);
    const unsettled = at.outcomes.filter(({ settledAtMs }) => settledAtMs === undefined);
    assert.deepEqual(unsettled, [], first);
    const after = at.errors.filter(({ sentAtMs }) => sentAtMs > healedMs + 1_500);
    assert.deepEqual(after, [], `${first}: ${shown(after)}`);
    // Whoever was told that it failed had an answer that said so, or was told that nobody knows.
    for (const { answer, error } of at.errors) {
      assert.ok(
        answer?.status === 500 || UNKNOWING.has(error?.code ?? ""),
        `${first}: ${error?.code} ${error?.message}`,
      );
    }
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

test("[F2] nobody supervises → a refused call goes to the other station at once, and nobody is promoted", async () => {
  const at = await TwoStations.begin();
  await at.stop();
  at.north.fault = "refuse";
  const refused = at.send({ keyed: false });
  await at.clock.advanceBy(10);
  assert.equal(refused.answer?.body.by, "south", shown([refused]));
  assert.equal(at.failover.epoch, 1);
  await at.clock.advanceBy(1_000);
  assert.equal(at.clock.pending, 0);
  await assert.rejects(at.failover.switchover("south", "without a supervisor"), NoEligibleStationError);
});
