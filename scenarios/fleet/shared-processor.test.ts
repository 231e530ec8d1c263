/**
 * Processor sharing: full speed up to the parallelism, an even share beyond it, and nothing lost
 * when jobs come and go.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "ground-station-failover/sim";
import { HangUp } from "./hang-up.ts";
import { SharedProcessor } from "./shared-processor.ts";

interface Done {
  readonly job: string;
  readonly atMs: number;
}

/** Gives `processor` jobs of `workMs` at their instants; when each is done. */
async function doneAt(
  parallelism: number,
  jobs: readonly { readonly job: string; readonly atMs: number; readonly workMs: number }[],
): Promise<Done[]> {
  const world = new World({ seed: "shared", traps: false });
  const processor = new SharedProcessor(world.clock, parallelism);
  const done: Done[] = [];
  for (const { job, atMs, workMs } of jobs) {
    world.at(atMs, () => void processor.work(workMs).then(() => done.push({ job, atMs: Math.round(world.nowMs) })));
  }
  await world.run(10_000);
  assert.equal(processor.busy, 0);
  return done;
}

test("as many as there is room for → each takes its own time", async () => {
  const done = await doneAt(2, [
    { job: "a", atMs: 0, workMs: 100 },
    { job: "b", atMs: 10, workMs: 100 },
  ]);
  assert.deepEqual(done, [
    { job: "a", atMs: 100 },
    { job: "b", atMs: 110 },
  ]);
});

test("twice as many → each takes twice its time", async () => {
  const done = await doneAt(
    1,
    ["a", "b"].map((job) => ({ job, atMs: 0, workMs: 100 })),
  );
  assert.deepEqual(done, [
    { job: "a", atMs: 200 },
    { job: "b", atMs: 200 },
  ]);
});

test("a short job passes a long one, which then has the machine for itself", async () => {
  const done = await doneAt(1, [
    { job: "long", atMs: 0, workMs: 300 },
    { job: "short", atMs: 100, workMs: 50 },
  ]);
  // 100 ms alone, 100 ms shared with 50 ms of work each, 150 ms alone.
  assert.deepEqual(done, [
    { job: "short", atMs: 200 },
    { job: "long", atMs: 350 },
  ]);
});

test("a job that nobody waits for any more → the others go on faster", async () => {
  const world = new World({ seed: "gone", traps: false });
  const processor = new SharedProcessor(world.clock, 1);
  const gone = new HangUp();
  const ends: string[] = [];
  processor.work(100, gone).catch((error: unknown) => ends.push(`${error} at ${world.nowMs}`));
  void processor.work(100).then(() => ends.push(`done at ${Math.round(world.nowMs)}`));
  world.at(100, () => gone.abort("hung up"));
  await world.run(1_000);
  // Half of its work is done by then; the other half has the machine for itself.
  assert.deepEqual(ends, ["hung up at 100", "done at 150"]);
});
