/**
 * What the simulation found, each as the small test that it comes down to (docs/findings.md tells
 * the stories).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineAt, wasConnectionLost } from "ground-station-failover";
import type { Station } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations } from "../worlds/two-stations.ts";

test("[F4] a slow success that opens the circuit is delivered, and its command is not sent to the other station as well", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, breaker: { minimumVolume: 5, slowCallDurationMs: 100, slowCallRateThreshold: 0.5 } },
  });
  at.north.answerMs = 200;
  const outcomes = Array.from({ length: 5 }, () => at.send());
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup", "five slow answers of five opened the circuit");
  for (const outcome of outcomes) assert.equal(outcome.answer?.body.by, "north", shown([outcome]));
  assert.equal(at.south.door.length, 0, "what north has answered is not sent to south");
  await at.stop();
});

test("[F5] [R4] a queue that an outage has left does not outlive it: what is still wanted goes first", async () => {
  const at = await TwoStations.begin({ client: { ...CLIENT, timeoutMs: 2_000 } });
  for (const station of at.stations) station.answerMs = 600;
  at.load({ perSecond: 20, forMs: 40_000, deadlineMs: 1_000 });
  await at.clock.advanceBy(5_000);
  at.north.fault = "hang";
  await at.clock.advanceBy(3_000);
  at.north.fault = "none";
  const healedMs = at.clock.nowMs();
  await at.clock.advanceBy(35_000);
  const late = at.outcomes.filter(({ sentAtMs }) => sentAtMs >= healedMs + 10_000);
  const failed = late.filter(({ answer }) => answer?.body.by === undefined);
  assert.ok(late.length > 300);
  assert.equal(shown(failed), "", `${failed.length} of ${late.length} failed long after an outage of 3 s`);
  await at.stop();
});

test("[F4] a retry that is stopped before it leaves → its first attempt may still have run, and that is said", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, retry: { maxAttempts: 3, baseMs: 50, jitter: "none", budget: { reserve: 10 } } },
    ramp: { capacityPerSecond: 1 },
    maxWaitMs: 300,
  });
  at.south.beats = false;
  await at.clock.advanceBy(2_000);
  at.north.fault = "reset";
  const outcome = at.send({ key: "burn" });
  await at.clock.advanceBy(1_000);
  assert.equal(at.spacecraft.executed.get("burn"), 1, "the first attempt ran, and its answer was lost");
  assert.equal(at.north.door.length, 1, "the retry would have gone beyond the declared capacity");
  assert.equal(outcome.error?.code, "AMBIGUOUS_OUTCOME", shown([outcome]));
  assert.ok(wasConnectionLost(outcome.error), `with what happened: ${shown([outcome])}`);
  await at.stop();
});

test("[F7] a station that was left on request while it failed → can be returned to when it is well", async () => {
  const at = await TwoStations.begin();
  at.north.fault = "errors";
  for (let command = 0; command < 10; command++) at.send({ keyed: false });
  await at.clock.advanceBy(300);
  assert.equal(await at.failover.switchover("south", "it looks bad"), 2);
  at.north.fault = "none";
  await at.clock.advanceBy(60_000);
  assert.equal(await at.failover.switchover("north", "it is well again"), 3);
  await at.stop();
});

test("[F1] an attempt that has been counted, or a wait for a slot, does not speak against a station when the caller hangs up", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, timeoutMs: 400, retry: { baseMs: 5_000, jitter: "none", budget: { reserve: 100 } } },
    commandPath: { minFailures: 4, failingForMs: 500 },
  });
  at.north.fault = "hang";
  const callers = [1, 2].map(() => new AbortController());
  for (const { signal } of callers) at.send({ signal });
  await at.clock.advanceBy(600);
  for (const caller of callers) caller.abort();
  await at.clock.advanceBy(2_000);
  assert.equal(at.failover.currentActive, "primary", "two attempts came to nothing, and it takes four");
  await at.stop();

  const queued = await TwoStations.begin({
    client: { ...CLIENT, bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 500, maxQueue: 10 } },
    commandPath: { minFailures: 2, failingForMs: 0, unansweredAfterMs: 250 },
  });
  queued.north.answerMs = 350;
  const impatient = [1, 2, 3].map(() => new AbortController());
  for (const { signal } of impatient) queued.send({ signal });
  await queued.clock.advanceBy(400);
  for (const caller of impatient) caller.abort();
  await queued.clock.advanceBy(2_000);
  assert.equal(queued.failover.currentActive, "primary", "one was out for 50 ms, after it had waited for a slot");
  await queued.stop();
});

test("[F1] [F9] stations that change in one look are weighed together, and each with its own sentence", async () => {
  const at = await TwoStations.begin({ stations: 3, supervisor: { suspectThreshold: 8 } });
  await at.failover.switchover("east", "to see it replaced");
  at.north.beats = false;
  await at.clock.advanceBy(3_000);
  const east = at.stations[2] as Station;
  east.beats = false;
  await at.clock.advanceBy(0);
  // North is heard of again just before east is found silent: one look declares both.
  const dueMs = at.detector.whenLevel("east", 8) as number;
  at.clock.at(dueMs - 1, () => at.detector.noteHeartbeat("north"));
  await at.clock.advanceBy(1_000);
  const [north, lost] = at.told("declaration").filter(({ atMs }) => atMs >= dueMs);
  assert.deepEqual([north?.node, north?.to, lost?.node, lost?.to], ["north", "alive", "east", "down"]);
  assert.equal(north?.atMs, lost?.atMs);
  const promoted = at.told("promoted").at(-1);
  assert.equal(promoted?.from, "east");
  const against = promoted?.evidence.filter(({ verdict }) => verdict === "ineligible").map(({ detail }) => detail);
  assert.match(
    String(against),
    /^east: heartbeats down \(suspicion [0-9.]+ after [0-9.]+ ms of silence reached the declare/,
  );
  await at.stop();
});

test("[F1] what an attempt shows is weighed when it fails, and not when its call has tried again and ended", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, timeoutMs: 400, retry: { baseMs: 3_000, jitter: "none", budget: { reserve: 100 } } },
    commandPath: { minFailures: 3, failingForMs: 300 },
  });
  at.north.fault = "hang";
  for (let command = 0; command < 3; command++) at.send();
  await at.clock.advanceBy(410);
  assert.equal(
    at.failover.currentActive,
    "backup",
    "three attempts have timed out, and their calls back off for seconds",
  );
  await at.stop();
});

test("[F4] [R2] a command that comes back to a station which was lost with it → waits for the budget, and is not failed for that", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, retry: { maxAttempts: 5, baseMs: 10, budget: { reserve: 1, windowMs: 2_000 } } },
    cooldownMs: 100,
  });
  at.north.fault = "hang";
  const outcomes = Array.from({ length: 4 }, () => at.send({ deadline: deadlineAt(at.clock.nowMs() + 20_000) }));
  await at.clock.advanceBy(100);
  // Nobody serves in between.
  at.south.fault = "refuse";
  at.south.beats = false;
  at.north.beats = false;
  await at.clock.advanceBy(900);
  at.north.fault = "none";
  at.north.beats = true;
  await at.clock.advanceBy(14_000);
  for (const outcome of outcomes) assert.equal(outcome.answer?.body.by, "north", shown([outcome]));
  const extra = at.north.door.length - outcomes.length;
  assert.ok(extra <= 4 + 1, `${extra} extra attempts, one in two seconds`);
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  await at.stop();
});

test("[F4] a keyed command that was put back into the queue after it reached one station does not go to another unasked", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, retry: { maxAttempts: 3, baseMs: 50, jitter: "none", budget: { reserve: 10 } } },
    ramp: { capacityPerSecond: 1 },
    ambiguousKeyed: "report",
  });
  at.north.fault = "reset";
  const outcome = at.send({ key: "burn", deadline: deadlineAt(at.clock.nowMs() + 10_000) });
  await at.clock.advanceBy(200);
  assert.equal(at.north.door.length, 1, "its retry would have gone beyond the declared capacity, so it waits");
  at.north.beats = false;
  await at.clock.advanceBy(5_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.equal(at.south.door.length, 0, "the group wants a report, and no re-send");
  assert.equal(outcome.error?.code, "AMBIGUOUS_OUTCOME", shown([outcome]));
  await at.stop();
});

test("[F7] a failback that is tried out → given up when a probe shows that its station is not well after all", async () => {
  let ready = true;
  const at = await TwoStations.begin({
    client: { ...CLIENT, timeoutMs: 100_000 },
    failback: { mode: "automatic", holdDownMs: 1_000, canaryWaitMs: 5_000 },
    probe: () => (ready ? Promise.resolve() : Promise.reject(new Error("not ready"))),
    probeIntervalMs: 500,
  });
  at.north.beats = false;
  await at.clock.advanceBy(2_000);
  assert.equal(at.failover.currentActive, "backup");
  at.south.answerMs = 60_000;
  at.send();
  at.north.beats = true;
  for (let waited = 0; at.told("handover-begun").length === 0 && waited < 40_000; waited += 100)
    await at.clock.advanceBy(100);
  ready = false;
  await at.clock.advanceBy(1_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.match(at.told("handover-ended").at(-1)?.reason ?? "", /north has to prove itself again/);
  await at.stop();
});

for (const answerMs of [3, 3.6]) {
  test(`[F10] a client whose commands all reset both stations, timers a little late (${answerMs} ms) → everybody after it is served`, async () => {
    const at = await TwoStations.begin({ client: { ...CLIENT, timeoutMs: 30_000 } });
    const { clock, failover } = at;
    at.process.latenessMs = 1.2;
    let sent = 0;
    const resets = async (): Promise<never> => {
      sent++;
      await clock.sleepUntil(clock.nowMs() + answerMs);
      throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    };
    for (let call = 0; call < 48; call++) {
      failover.call(resets, { source: "10.0.0.1 POST /crash" }).catch(() => undefined);
      await clock.advanceBy(500);
    }
    assert.equal(sent, 48, "each of its commands reached a station");
    const served: Promise<string>[] = [];
    for (let call = 0; call < 20; call++) {
      served.push(failover.call(async ({ station }) => station.name, { source: `10.0.1.${call} POST /pay` }));
      await clock.advanceBy(1_000);
    }
    assert.equal((await Promise.all(served)).length, 20);
    await at.stop();
  });
}
