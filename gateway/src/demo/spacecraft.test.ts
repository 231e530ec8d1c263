import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { Spacecraft } from "./spacecraft.ts";

test("[F4] a key is executed once, and its repetition gets the first result, also while the first is running", async () => {
  const clock = new VirtualClock();
  const spacecraft = new Spacecraft({ clock });
  const arrival = { command: "c-1", idempotencyKey: "k-1", epoch: 1 };
  const first = spacecraft.receive(arrival);
  const second = spacecraft.receive(arrival);
  await clock.advanceBy(2);
  assert.deepEqual(await first, { type: "executed", result: { command: "c-1", place: 0 } });
  assert.deepEqual(await second, { type: "replayed", result: { command: "c-1", place: 0 } });
  assert.deepEqual(await spacecraft.receive(arrival), { type: "replayed", result: { command: "c-1", place: 0 } });
  const { attempts, executions, replayed, commands } = spacecraft.ledger;
  assert.deepEqual({ attempts, executions, replayed }, { attempts: 3, executions: 1, replayed: 2 });
  assert.deepEqual(commands, [["c-1", 3, 1]]);
});

test("the ledger counts by the command's name, so a command whose key was lost shows as executed twice", async () => {
  const clock = new VirtualClock();
  const spacecraft = new Spacecraft({ clock, executionMs: 0 });
  const runs = ["k-1", undefined].map((idempotencyKey) =>
    spacecraft.receive({ command: "c-1", idempotencyKey, epoch: 1 }),
  );
  await clock.advanceBy(1);
  await Promise.all(runs);
  assert.deepEqual(spacecraft.ledger.commands, [["c-1", 2, 2]]);
});

test("[F3] an epoch older than the newest seen is refused and not executed", async () => {
  const clock = new VirtualClock();
  const spacecraft = new Spacecraft({ clock, executionMs: 0 });
  const newer = spacecraft.receive({ command: "c-1", idempotencyKey: "k-1", epoch: 2 });
  await clock.advanceBy(1);
  assert.equal((await newer).type, "executed");
  const late = await spacecraft.receive({ command: "c-0", idempotencyKey: "k-0", epoch: 1 });
  assert.deepEqual(late, { type: "stale", epochSeen: 2 });
  assert.equal(spacecraft.ledger.refusedStale, 1);
  assert.deepEqual(spacecraft.ledger.commands, [
    ["c-1", 1, 1],
    ["c-0", 1, 0],
  ]);
});

test("its memory is bounded: the oldest commands and keys are forgotten, and that is said", async () => {
  const clock = new VirtualClock();
  const spacecraft = new Spacecraft({ clock, executionMs: 0, remembered: 10 });
  for (let place = 0; place < 25; place++) {
    const run = spacecraft.receive({ command: `c-${place}`, idempotencyKey: `k-${place}`, epoch: 1 });
    await clock.advanceBy(1);
    await run;
  }
  const { commands, forgotten, executions } = spacecraft.ledger;
  assert.deepEqual({ listed: commands.length, forgotten, executions }, { listed: 10, forgotten: 15, executions: 25 });
});
