/** A call's own record: where it has been, what is out, and whether it may have run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import { DONE, RUNNING } from "./call.ts";

test("a new call → waits since its arrival, has been nowhere and cannot have run", () => {
  const world = new Dispatching();
  world.advance(7);
  const call = world.call();
  assert.deepEqual([call.state.phase, call.arrivedMs], ["waiting", 7]);
  assert.deepEqual([call.attempts, call.out, call.visits, call.mayHaveRun], [0, undefined, undefined, false]);
  assert.deepEqual([call.isOutAt(world.north), call.visitAt(world.north)], [false, undefined]);
  assert.deepEqual([RUNNING.phase, DONE.phase], ["running", "done"]);
});

test("a visit → one record a station, however often it is noted", () => {
  const world = new Dispatching();
  const call = world.call();
  const visit = call.noteVisit(world.north);
  visit.attempts = 2;
  assert.equal(call.noteVisit(world.north), visit);
  assert.equal(call.visitAt(world.north)?.attempts, 2);
  assert.equal(call.visitAt(world.south), undefined);
  call.noteVisit(world.south);
  assert.equal(call.visits?.length, 2);
});

test("[F4] may have run: while an attempt is out, or after one was lost; not after a refusal or a failure", () => {
  const world = new Dispatching();
  const call = world.submit({ key: "k" });
  assert.deepEqual([call.mayHaveRun, call.isOutAt(world.north), call.isOutAt(world.south)], [true, true, false]);
  for (const [last, mayHaveRun] of [
    ["lost", true],
    ["failed", false],
    ["overloaded", false],
    ["unreachable", false],
    ["stale", false],
    [undefined, false],
  ] as const) {
    const other = world.call();
    other.noteVisit(world.south).last = "failed";
    other.noteVisit(world.north).last = last;
    assert.equal(other.mayHaveRun, mayHaveRun, String(last));
  }
});
