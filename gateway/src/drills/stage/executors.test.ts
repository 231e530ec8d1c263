import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { Executors } from "./executors.ts";

function made(kind: "shared" | "own") {
  const clock = new VirtualClock();
  const executed: string[] = [];
  const executors = new Executors({
    clock,
    kind,
    onExecuted: (command, station) => executed.push(`${command}@${station}`),
  });
  const send = (command: string, station: string, epoch?: number) =>
    clock.runUntilSettled(executors.execute({ command, station, idempotencyKey: command, epoch }));
  return { executors, executed, send, clock };
}

test("one key at two stations with one executor → executed once", async () => {
  const { executed, send } = made("shared");
  assert.equal((await send("c", "north")).type, "executed");
  assert.equal((await send("c", "south")).type, "replayed");
  assert.deepEqual(executed, ["c@north"]);
});

test("one key at two stations with executors of their own → executed at both", async () => {
  const { executed, send } = made("own");
  await send("c", "north");
  await send("c", "south");
  assert.deepEqual(executed, ["c@north", "c@south"]);
});

test("an epoch that is over → refused, not executed", async () => {
  const { executed, send } = made("shared");
  await send("new", "south", 2);
  assert.equal((await send("old", "north", 1)).type, "stale");
  assert.deepEqual(executed, ["new@south"]);
});

test("a key that is asked about and cancelled → never executed there", async () => {
  const { executors, executed, send } = made("own");
  assert.deepEqual(executors.ask("north", "c", false), { executed: false, inflight: false });
  assert.deepEqual(executors.ask("north", "c", true), { executed: false, inflight: false, cancelled: true });
  assert.equal((await send("c", "north")).type, "cancelled");
  assert.equal((await send("c", "south")).type, "executed");
  assert.deepEqual(executed, ["c@south"]);
});

test("a key that is being executed, then has been → is said so, and is not cancelled", async () => {
  const { executors, clock } = made("shared");
  const running = executors.execute({ command: "c", station: "north", idempotencyKey: "c" });
  assert.deepEqual(executors.ask("north", "c", true), { executed: false, inflight: true });
  await clock.runUntilSettled(running);
  assert.equal(executors.ask("south", "c", true).executed, true);
});
