/**
 * What reviewers found by trying: each was a defect once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  httpErrorBody,
  PhiAccrualDetector,
  PrimaryBackupFailover,
  ResilientClient,
  RetryBudget,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { CLIENT, TwoStations } from "../worlds/two-stations.ts";

for (const fault of ["hang", "reset"] as const) {
  test(`[F4] a keyed call that failed before the promotion (${fault}) is asked about before it goes elsewhere`, async () => {
    let asked = 0;
    const keyStatus = (): { ran: false } => {
      asked++;
      return { ran: false };
    };
    const world = await TwoStations.begin({
      ambiguousKeyed: "report",
      keyStatus,
      client: { ...CLIENT, timeoutMs: 50, retry: false },
    });
    world.north.fault = fault;
    world.north.beats = false;
    const outcome = world.send();
    await world.clock.advanceBy(5_000);
    assert.equal(asked, 1);
    assert.ok(outcome.answer !== undefined);
    await world.stop();
  });

  test(`[F4] ambiguousKeyed 'report' holds for a keyed call that failed before the promotion (${fault}), too`, async () => {
    const world = await TwoStations.begin({
      ambiguousKeyed: "report",
      client: { ...CLIENT, timeoutMs: 50, retry: false },
    });
    world.north.fault = fault;
    world.north.beats = false;
    const outcome = world.send();
    await world.clock.advanceBy(5_000);
    // A timeout says itself that nobody knows.
    assert.equal(outcome.error?.code, fault === "hang" ? "ATTEMPT_TIMEOUT" : "AMBIGUOUS_OUTCOME");
    assert.match(outcome.error?.message ?? "", /may have run or not/);
    assert.equal(world.south.door.length, 0);
    await world.stop();
  });
}

test("[F4] an unkeyed call without timeout or deadline at a dead station ends as ambiguous, at the latest after maxWaitMs", async () => {
  const world = await TwoStations.begin({
    client: { ...CLIENT, timeoutMs: Number.POSITIVE_INFINITY, retry: false },
    maxWaitMs: 5_000,
  });
  world.north.fault = "hang";
  world.north.beats = false;
  const outcome = world.send({ keyed: false });
  await world.clock.advanceBy(6_000);
  assert.equal(outcome.error?.code, "AMBIGUOUS_OUTCOME");
  await world.stop();
});

test("[F1] a success that took long is a recent success: the failures just after it prove nothing", async () => {
  const world = await TwoStations.begin({ client: { ...CLIENT, timeoutMs: 3_000, retry: false } });
  let calls = 0;
  world.north.answerMs = 1_790;
  world.north.fault = "errors";
  world.north.strikes = () => calls++ > 0;
  for (let call = 0; call < 6; call++) world.send({ keyed: false });
  await world.clock.advanceBy(1_820);
  assert.deepEqual(world.told("promoted"), []);
  await world.stop();
});

test("[C5] contradictions of a failover's own settings are refused", () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ clock });
  const stations = { primary: { name: "north" }, backup: { name: "south" }, detector };
  const budget = new RetryBudget({ clock });
  const refused: object[] = [
    { deadlineMs: 500, client: { timeoutMs: 2_000 } },
    { client: { retry: { budget } } },
    { failback: { mode: "auto" } },
    { ambiguousKeyed: "Report" },
    { lease: { validUntilMs: () => 0, marginMs: Number.NaN } },
    { primary: { name: undefined } },
  ];
  for (const options of refused) {
    const make = (): unknown => new PrimaryBackupFailover({ ...stations, ...options } as never);
    assert.throws(make, { code: "INVALID_CONFIGURATION" }, JSON.stringify(options));
  }
});

test("[F3] an absurd epoch is not believed", async () => {
  const world = await TwoStations.begin();
  world.failover.noteEpochSeen(Number.MAX_SAFE_INTEGER - 1);
  assert.equal(world.failover.epoch, 1);
  await world.stop();
});

test("[C2] a body preset refuses a body that nobody has read, instead of letting every lie through", async () => {
  const client = new ResilientClient({ name: "north", classify: httpErrorBody, retry: false });
  const unread = client.call(async () => new Response('{"error":"uplink lost"}'));
  await assert.rejects(unread, { code: "INVALID_CONFIGURATION", hazard: "body-not-parsed" });
});
