/**
 * Promises [F5] and [F6]: calls wait, bounded, while nobody is eligible; and when somebody is, new
 * calls, waiting calls, retries and re-sends together never exceed what that station can take. In
 * the incident this storm lasted five minutes.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { deadlineAt, withDeadline } from "ground-station-failover";
import { mostInAnySecond } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations, type WorldOptions } from "../worlds/two-stations.ts";

/** Both stations are dead, and known to be. */
async function outage(options: WorldOptions = {}): Promise<TwoStations> {
  const at = await TwoStations.begin(options);
  for (const station of [at.north, at.south]) {
    station.beats = false;
    station.fault = "refuse";
  }
  await at.clock.advanceBy(1_000);
  assert.equal(at.told("no-eligible-station").length, 1);
  return at;
}

test("[F5] calls wait while nobody is eligible, each until its own deadline", async () => {
  const at = await outage();
  const began = at.clock.nowMs();
  const outcomes = [500, 1_000, 60_000].map((ms) => at.send({ deadline: deadlineAt(began + ms), keyed: false }));
  await at.clock.advanceBy(40_000);
  assert.deepEqual(
    outcomes.map(({ settledAtMs }) => (settledAtMs ?? 0) - began),
    [500, 1_000, 30_000],
  );
  assert.deepEqual(
    outcomes.slice(0, 2).map(({ error }) => error?.code),
    ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
  );
  await at.stop();
  assert.equal(at.clock.pending, 0);
});

test("[F5] maxWaitMs bounds the wait, maxWaiting the crowd", async () => {
  const at = await outage({ maxWaitMs: 2_000, maxWaiting: 10 });
  const began = at.clock.nowMs();
  at.send({ keyed: false });
  await at.clock.advanceBy(0);
  const outcomes = Array.from({ length: 15 }, () => at.send({ keyed: false }));
  await at.clock.advanceBy(0);
  const refused = outcomes.filter(({ settledAtMs }) => settledAtMs === began);
  assert.ok(refused.length >= 4 && refused.length <= 6, `${refused.length} refused at once`);
  assert.match(refused[0]?.error?.message ?? "", /10 calls wait already .*maxWaiting/);
  await at.clock.advanceBy(2_001);
  assert.ok(
    outcomes.every(({ settledAtMs }) => (settledAtMs ?? 1e9) <= began + 2_000),
    shown(outcomes),
  );
  assert.deepEqual([at.failover.status.waiting, at.failover.status.parked], [0, 0]);
  await at.stop();
});

test("[F5] an abort ends the wait at once, and thousands of them leave nothing", async () => {
  const at = await outage({ maxWaiting: 200_000 });
  const caller = new AbortController();
  const errors: unknown[] = [];
  const refused = (): Promise<never> => Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
  for (let call = 0; call < 4_000; call++) {
    at.failover.call(refused, { signal: caller.signal }).catch((error) => errors.push(error.code));
  }
  await at.clock.advanceBy(10);
  caller.abort();
  await at.clock.advanceBy(0);
  assert.deepEqual([errors.length, new Set(errors)], [4_000, new Set(["CALL_ABORTED"])]);
  assert.deepEqual([at.failover.status.waiting, at.failover.status.parked], [0, 0]);
  await at.stop();
  assert.equal(at.clock.pending, 0);
});

for (const [name, capacityPerSecond, perSecond] of [
  ["quick", 400, 200],
  ["slow", 100, 80],
] as const) {
  test(`[F6] after ten seconds of outage a ${name} backup is never offered more than the ${capacityPerSecond} a second it declared, and drains the queue`, async () => {
    const at = await outage({ ramp: { capacityPerSecond }, maxWaitMs: 60_000 });
    at.south.answerMs = name === "slow" ? 300 : 5;
    at.load({ perSecond, forMs: 20_000, deadlineMs: 120_000 });
    await at.clock.advanceBy(10_000);
    const waiting = at.failover.status.waiting + at.failover.status.parked;
    assert.ok(waiting > 9 * perSecond, `${waiting} are waiting`);
    at.south.beats = true;
    at.south.fault = "none";
    const backMs = at.clock.nowMs();
    await at.clock.advanceBy(60_000);
    const instants = at.south.door.filter(({ refused }) => !refused).map(({ atMs }) => atMs);
    assert.ok(mostInAnySecond(instants) <= capacityPerSecond, `${mostInAnySecond(instants)} in one second`);
    assert.equal(at.errors.length, 0, shown(at.errors));
    const drainedMs = Math.max(...at.outcomes.map(({ settledAtMs }) => settledAtMs ?? 1e9)) - backMs;
    const idealMs = ((waiting + 10 * perSecond) / capacityPerSecond) * 1_000;
    assert.ok(drainedMs < Math.max(12_000, idealMs * 1.3 + 2_000), `drained in ${drainedMs} ms, at best ${idealMs} ms`);
    assert.deepEqual(at.account, { doubled: [], lost: [] });
    await at.stop();
  });
}

test("[F6] what is in flight at a backup grows with its successes: a slow one is not drowned", async () => {
  const at = await outage({ maxWaitMs: 60_000, client: { ...CLIENT, timeoutMs: 10_000 } });
  at.south.answerMs = 1_000;
  for (let call = 0; call < 2_000; call++) at.send({ deadline: deadlineAt(at.clock.nowMs() + 100_000) });
  await at.clock.advanceBy(1_000);
  at.south.beats = true;
  at.south.fault = "none";
  const busy: number[] = [];
  for (let second = 0; second < 8; second++) {
    await at.clock.advanceBy(1_000);
    busy.push(at.south.busy);
  }
  assert.ok((busy[1] as number) <= 20, `${busy}`);
  for (let second = 1; second < 6; second++) {
    assert.ok(
      (busy[second] as number) <= 2 * Math.max(10, busy[second - 1] as number),
      `at most doubled a round trip: ${busy}`,
    );
  }
  await at.clock.advanceBy(30_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F6] no storm: with everybody's retries, re-sends and new calls at once, extra attempts at the backup stay within its budget", async () => {
  const at = await TwoStations.begin();
  const chance = at.random.fork("strikes");
  at.load({ perSecond: 300, forMs: 8_000, deadlineMs: 30_000 });
  await at.clock.advanceBy(2_000);
  at.north.fault = "hang";
  at.south.fault = "errors";
  at.south.strikes = () => chance.next() < 0.2;
  await at.clock.advanceBy(40_000);
  assert.equal(at.told("promoted")[0]?.station, "south");
  const calls = new Set(at.south.door.map(({ key }) => key)).size;
  const extra = at.south.door.length - calls;
  // A tenth of the calls: the reserve of ten is within that in each of the budget's windows of 10
  // s, but for the last ones.
  assert.ok(extra <= 0.1 * calls + 5, `${extra} extra attempts for ${calls} calls`);
  await at.stop();
});

test("[F10] [F6] a primary fails for a moment → its calls go to the other at once; nobody is replaced, nothing is sent twice", async () => {
  const at = await TwoStations.begin();
  at.load({ perSecond: 20, forMs: 10_000, deadlineMs: 30_000 });
  await at.clock.advanceBy(4_000);
  at.north.fault = "throw";
  await at.clock.advanceBy(200);
  at.north.fault = "none";
  await at.clock.advanceBy(30_000);
  assert.equal(at.failover.epoch, 1);
  assert.equal(at.errors.length, 0, shown(at.errors));
  const slowest = Math.max(...at.outcomes.map(({ sentAtMs, settledAtMs }) => (settledAtMs ?? 1e9) - sentAtMs));
  assert.ok(slowest <= 2 * at.north.answerMs + 1, `${slowest} ms`);
  for (const { name, door } of [at.north, at.south])
    assert.equal(new Set(door.map(({ key }) => key)).size, door.length, name);
  await at.stop();
});

test("[R2] [F6] the only station fails for a moment → its calls are retried there, within its retry budget", async () => {
  const at = await TwoStations.begin({ commandPath: { failingForMs: 3_000 } });
  at.south.beats = false;
  at.load({ perSecond: 20, forMs: 10_000, deadlineMs: 30_000 });
  await at.clock.advanceBy(4_000);
  at.north.fault = "throw";
  await at.clock.advanceBy(200);
  at.north.fault = "none";
  await at.clock.advanceBy(30_000);
  assert.equal(at.failover.epoch, 1);
  assert.equal(at.errors.length, 0, shown(at.errors));
  const extra = at.north.door.length - at.outcomes.length;
  assert.ok(extra > 0 && extra <= 0.1 * at.outcomes.length, `${extra}`);
  await at.stop();
});

test("[F10] [F6] a thousand calls a second fail at one station → all sent on at once, within the capacity of the other", async () => {
  const capacityPerSecond = 1_000;
  const at = await TwoStations.begin({ ramp: { capacityPerSecond }, client: { ...CLIENT, breaker: false } });
  at.north.fault = "errors";
  at.load({ perSecond: 900, forMs: 4_000, deadlineMs: 30_000 });
  await at.clock.advanceBy(25_000);
  assert.equal(at.failover.activeStation.name, "south");
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.ok(mostInAnySecond(at.south.door.map(({ atMs }) => atMs)) <= capacityPerSecond);
  assert.equal(at.south.door.length, at.outcomes.length, "each once");
  assert.ok(at.north.door.length < 100, `${at.north.door.length} before it was replaced`);
  await at.stop();
});

test("[F6] a backup that is promoted with hundreds of calls waiting is offered a few at first", async () => {
  const at = await TwoStations.begin({ client: { ...CLIENT, timeoutMs: 10_000 } });
  at.north.fault = "hang";
  at.north.beats = false;
  at.south.answerMs = 200;
  at.load({ perSecond: 1_000, forMs: 1_000, deadlineMs: 30_000 });
  while (at.failover.currentActive === "primary") await at.clock.advanceBy(10);
  await at.clock.advanceBy(100);
  assert.equal(at.south.busiest, 10);
  await at.clock.advanceBy(20_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F6] calls that wait in the bulkhead are counted when they are sent, once, by ramp and budget alike", async () => {
  const at = await TwoStations.begin({
    ramp: { capacityPerSecond: 5 },
    client: { ...CLIENT, bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 900, maxQueue: 10 } },
  });
  at.north.answerMs = 50;
  for (let call = 0; call < 12; call++) at.send();
  await at.clock.advanceBy(5_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.ok(mostInAnySecond(at.north.door.map(({ atMs }) => atMs)) <= 5);
  const budget = at.failover.status.stations[0]?.budget;
  assert.deepEqual([budget?.calls, budget?.sent, at.north.door.length], [12, 0, 12]);
  await at.stop();
});

test("a call that waited runs in its own caller's context and under no deadline but its own", async () => {
  const tenant = new AsyncLocalStorage<string>();
  const at = await outage();
  at.north.fault = "none";
  at.south.fault = "none";
  const seen: string[] = [];
  const calls = ["first", "second", "third"].map((name, place) =>
    tenant.run(name, () =>
      withDeadline(
        deadlineAt(at.clock.nowMs() + 10_000 * (place + 1)),
        () =>
          at.failover.call(
            async ({ deadline }) => {
              seen.push(`${name} as ${tenant.getStore()} until ${deadline}`);
              return { status: 200, body: {} };
            },
            { idempotent: true },
          ),
        at.clock,
      ),
    ),
  );
  const began = at.clock.nowMs();
  at.south.beats = true;
  await at.clock.runUntilSettled(Promise.all(calls));
  assert.deepEqual(seen, [
    `first as first until ${began + 10_000}`,
    `second as second until ${began + 20_000}`,
    `third as third until ${began + 30_000}`,
  ]);
  await at.stop();
});
