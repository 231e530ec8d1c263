/**
 * Promises [F3] and [F4]: what becomes of commands that are out when their station is replaced, and
 * that epochs, leases and deadlines keep an old sender from doing harm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadlineAt, type KeyStatus, StaleEpochError } from "ground-station-failover";
import type { Station } from "../worlds/station.ts";
import { CLIENT, shown, TwoStations } from "../worlds/two-stations.ts";

/** The primary falls silent while it has commands in hand; the backup is promoted. */
async function lose(at: TwoStations): Promise<void> {
  at.north.beats = false;
  await at.clock.advanceBy(500);
  assert.equal(at.failover.currentActive, "backup");
}

test("[F4] a command that was never sent goes to the other station as soon as the first is replaced", async () => {
  const at = await TwoStations.begin();
  at.north.fault = "refuse";
  const unkeyed = [at.send({ keyed: false }), at.send({ keyed: false })];
  await at.clock.advanceBy(100);
  assert.equal(at.failover.epoch, 2, "two refused connections are proof");
  for (const { answer, settledAtMs, sentAtMs } of unkeyed) {
    assert.deepEqual([answer?.body.by, (settledAtMs ?? 1e9) - sentAtMs], ["south", 5]);
  }
  await at.stop();
});

test("[F4] a keyed command in flight is sent again under the same key, and takes effect once", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  at.north.fault = "reset";
  at.north.answerMs = 400;
  const outcome = at.send({ key: "burn" });
  await lose(at);
  await at.clock.advanceBy(1_000);
  assert.equal(outcome.answer?.body.by, "south", shown([outcome]));
  const doors = [at.north, at.south].map(({ door }) => door.map(({ key, epoch }) => `${key}@${epoch}`));
  assert.deepEqual(doors, [["burn@1"], ["burn@2"]]);
  assert.equal(at.spacecraft.executed.get("burn"), 1);
  await at.stop();
});

test("[F4] an unkeyed command in flight is never sent again: its real answer if the old station still gives one", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  at.north.answerMs = 700;
  const outcome = at.send({ keyed: false });
  await lose(at);
  assert.equal(outcome.settledAtMs, undefined, "it is waited for");
  await at.clock.advanceBy(1_000);
  assert.equal(outcome.answer?.body.by, "north", shown([outcome]));
  assert.deepEqual([at.north.door.length, at.south.door.length], [1, 0]);
  await at.stop();
});

for (const [fault, timeoutMs, code] of [
  ["reset", 10_000, "AMBIGUOUS_OUTCOME"],
  ["hang", 10_000, "AMBIGUOUS_OUTCOME"],
  ["hang", 1_000, "ATTEMPT_TIMEOUT"],
] as const) {
  test(`[F4] an unkeyed command in flight gets no answer (${fault}, timeout ${timeoutMs} ms) → ${code}, that it may have run`, async () => {
    const at = await TwoStations.begin({ client: { ...CLIENT, timeoutMs }, maxWaitMs: 1_500 });
    at.north.fault = fault;
    at.north.answerMs = 300;
    const outcome = at.send({ keyed: false });
    await lose(at);
    await at.clock.advanceBy(2_500);
    assert.equal(outcome.error?.code, code, shown([outcome]));
    assert.match(outcome.error?.message ?? "", /may have run or not/);
    if (fault === "reset") assert.ok(outcome.error?.cause instanceof Error);
    assert.equal(at.south.door.length, 0);
    await at.stop();
  });
}

test("[F4] an unkeyed command to which the old station answers with a refusal of its epoch provably did not run, and goes on", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  at.north.answerMs = 700;
  const old = at.send({ keyed: false });
  await lose(at);
  const next = at.send();
  await at.clock.advanceBy(1_000);
  assert.equal(next.answer?.body.by, "south");
  assert.equal(old.answer?.body.by, "south", shown([old]));
  assert.equal(at.spacecraft.executed.get(old.key), 1);
  await at.stop();
});

test("[F4] ambiguousKeyed 'report': a keyed command in flight ends as ambiguous instead of being sent again", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 }, ambiguousKeyed: "report", maxWaitMs: 1_500 });
  at.north.fault = "hang";
  const outcome = at.send();
  await lose(at);
  assert.equal(outcome.settledAtMs, undefined, "its answer may come yet");
  await at.clock.advanceBy(1_500);
  assert.equal(outcome.error?.code, "AMBIGUOUS_OUTCOME");
  assert.equal(at.south.door.length, 0);
  await at.stop();
});

const STATUSES: ReadonlyArray<readonly [string, () => unknown, "resend" | "report", string]> = [
  ["ran", () => ({ ran: true, result: { status: 200, body: { by: "its record" } } }), "report", "its record"],
  ["did not run", () => ({ ran: false }), "report", "south"],
  ["cannot say", () => "unknown", "resend", "south"],
  ["cannot say, and this is to be reported", () => "unknown", "report", "AMBIGUOUS_OUTCOME"],
  ["answers nonsense", () => undefined, "resend", "south"],
  ["fails", () => Promise.reject(new Error("no")), "resend", "south"],
  ["hangs", () => new Promise(() => undefined), "resend", "south"],
];
for (const [says, status, ambiguousKeyed, end] of STATUSES) {
  test(`[F4] a lost station that is asked about a key ${says}: ${end} (${ambiguousKeyed})`, async () => {
    const asked: string[] = [];
    const at = await TwoStations.begin({
      client: { timeoutMs: 10_000 },
      ambiguousKeyed,
      keyStatus: (station: Station, key: string) => {
        asked.push(`${station.name} ${key}`);
        return status() as KeyStatus<unknown>;
      },
    });
    at.north.fault = "hang";
    const outcome = at.send({ key: "burn" });
    await lose(at);
    await at.clock.advanceBy(1_000);
    assert.deepEqual(asked, ["north burn"]);
    assert.equal(outcome.answer?.body.by ?? outcome.error?.code, end, shown([outcome]));
    assert.equal(at.south.door.length, end === "south" ? 1 : 0);
    await at.stop();
    assert.equal(at.clock.pending, 0);
  });
}

test("[F4] the deadline travels to the next station and does not grow", async () => {
  const at = await TwoStations.begin({ client: { timeoutMs: 10_000 } });
  const left: number[] = [];
  const began = at.clock.nowMs();
  const call = at.failover.call(
    ({ station, timeLeftMs: _, ...context }) => station.send("burn", context.epoch ?? 0, new AbortController().signal),
    { idempotencyKey: "unused", deadline: deadlineAt(began + 10_000) },
  );
  await at.clock.runUntilSettled(call);
  at.north.fault = "hang";
  const hung = at.failover.call(
    (context) => {
      left.push(context.timeLeftMs(), context.deadline);
      return context.station.send("turn", context.epoch, context.signal);
    },
    { idempotencyKey: "turn", deadline: deadlineAt(began + 10_000) },
  );
  await lose(at);
  await at.clock.runUntilSettled(hung);
  assert.equal(left.length, 4);
  assert.deepEqual([left[1], left[3]], [began + 10_000, began + 10_000]);
  assert.ok((left[2] as number) < (left[0] as number));
  await at.stop();
});

test("[F3] the epoch rises with every promotion and travels with every command", async () => {
  const at = await TwoStations.begin();
  at.load({ perSecond: 100, forMs: 6_000 });
  for (const to of ["south", "north", "south"]) {
    await at.clock.advanceBy(1_500);
    await at.clock.runUntilSettled(at.failover.switchover(to, "drill"));
  }
  await at.clock.advanceBy(3_000);
  assert.deepEqual(
    at.told("promoted").map(({ epoch }) => epoch),
    [2, 3, 4],
  );
  assert.deepEqual([...new Set(at.north.door.map(({ epoch }) => epoch))], [1, 3]);
  assert.deepEqual([...new Set(at.south.door.map(({ epoch }) => epoch))], [2, 4]);
  assert.equal(at.errors.length, 0, shown(at.errors));
  await at.stop();
});

test("[F3] a station has seen a newer epoch: ours goes above it, and the command is sent again, without an error", async () => {
  const at = await TwoStations.begin();
  at.spacecraft.newestEpoch = 41;
  const outcomes = Array.from({ length: 50 }, (_, place) => at.send({ keyed: place % 2 === 0 }));
  await at.clock.advanceBy(1_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(
    at.told("epoch-adopted").map(({ epoch }) => epoch),
    [42],
  );
  assert.equal(at.failover.epoch, 42);
  assert.equal(at.failover.status.stations[0]?.breaker?.failures, 0, "which is no failure of the station");
  assert.deepEqual(at.account, { doubled: [], lost: [] });
  assert.equal(outcomes.length, 50);
  await at.stop();
});

test("[F3] whoever keeps being overtaken by another sender says so after a few tries", async () => {
  const at = await TwoStations.begin();
  let attempts = 0;
  const call = at.failover.call(({ epoch }) => {
    attempts++;
    throw new StaleEpochError("overtaken", { seenEpoch: epoch + 10 });
  }, {});
  await assert.rejects(at.clock.runUntilSettled(call), StaleEpochError);
  assert.equal(attempts, 4);
  await at.stop();
});

test("[F3] nothing is sent, first attempt or retry, once the lease is over less its margin; it goes on when it is renewed", async () => {
  let validUntilMs = 7_000;
  const lease = { validUntilMs: () => validUntilMs, marginMs: 200 };
  const client = { ...CLIENT, retry: { jitter: "none", baseMs: 100 } } as const;
  const at = await TwoStations.begin({ lease, client });
  at.load({ perSecond: 50, forMs: 4_000, deadlineMs: 20_000 });
  at.north.poison.add("late");
  await at.clock.advanceBy(1_750);
  const late = at.send({ key: "late", deadline: deadlineAt(20_000) });
  await at.clock.advanceBy(1_750);
  assert.deepEqual(
    at.north.door.filter(({ key }) => key === "late").map(({ atMs }) => atMs),
    [6_750],
    "its retry was due at 6,855",
  );
  const last = Math.max(...at.north.door.map(({ atMs }) => atMs));
  assert.ok(last < 6_800 && last > 6_750, `${last}`);
  at.north.beats = false;
  await at.clock.advanceBy(500);
  assert.equal(at.failover.epoch, 1, "and nobody is promoted by whoever has no say");
  validUntilMs = 1e9;
  await at.clock.advanceBy(5_000);
  assert.equal(at.failover.currentActive, "backup");
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.equal(late.answer?.body.by, "south");
  await at.stop();
});

test("[F4] an operation that asks for a switchover while it is being started → finishes where it is", async () => {
  const at = await TwoStations.begin();
  const doors: string[] = [];
  const call = at.failover.call(
    ({ station, epoch }) => {
      doors.push(`${station.name}@${epoch}`);
      if (doors.length === 1) at.failover.switchover("south", "from inside").catch(() => undefined);
      return new Promise((resolve) =>
        at.clock.at(at.clock.nowMs() + 50, () => resolve({ status: 200, body: { by: station.name } })),
      );
    },
    { idempotencyKey: "inside" },
  );
  assert.deepEqual(await at.clock.runUntilSettled(call), { status: 200, body: { by: "north" } });
  assert.deepEqual(doors, ["north@1"], "north still answers: nothing is sent twice");
  assert.deepEqual([at.failover.activeStation.name, at.failover.epoch], ["south", 2]);
  await at.stop();
});

test("[F4] an operation that aborts its own call, and listeners that call back in, leave nothing behind", async () => {
  const at = await TwoStations.begin();
  at.failover.onEvent((event) => {
    if (event.type === "promoted") at.send({ deadline: deadlineAt(at.clock.nowMs() + 5_000) });
    if (event.type === "handover-begun") at.send({ deadline: deadlineAt(at.clock.nowMs() + 5_000) });
  });
  const caller = new AbortController();
  const call = at.failover.call(
    ({ station, epoch, signal }) => {
      caller.abort(new Error("changed my mind"));
      return station.send("never", epoch, signal);
    },
    { signal: caller.signal },
  );
  await assert.rejects(at.clock.runUntilSettled(call), { code: "CALL_ABORTED" });
  await at.clock.runUntilSettled(at.failover.switchover("south", "drill"));
  await at.clock.advanceBy(1_000);
  assert.equal(at.errors.length, 0, shown(at.errors));
  assert.deepEqual(
    at.failover.status.stations.map(({ inFlight, ramp }) => [inFlight, ramp.inFlight]),
    [
      [0, 0],
      [0, 0],
    ],
  );
  await at.stop();
  assert.equal(at.clock.pending, 0);
});

test("[F4] the station is replaced in the very step in which a command is being started → it finishes there, or goes on", async () => {
  for (const fault of ["none", "errors"] as const) {
    const at = await TwoStations.begin();
    at.north.fault = fault;
    const doors: string[] = [];
    at.failover
      .call(
        ({ station, epoch, signal }) => {
          doors.push(`${station.name}@${epoch}`);
          if (doors.length === 1) at.failover.setMaintenance("north", "now");
          return station.send("moved", epoch, signal);
        },
        { idempotencyKey: "moved" },
      )
      .then(
        () => doors.push("done"),
        (error) => doors.push(`failed: ${error.message}`),
      );
    await at.clock.advanceBy(100);
    assert.deepEqual(doors, fault === "none" ? ["north@1", "done"] : ["north@1", "south@2", "done"]);
    assert.equal(at.failover.epoch, 2);
    await at.stop();
    assert.equal(at.clock.pending, 0);
  }
});
