/**
 * What callers are told: an answer that there was, or that nobody knows; never that it failed where
 * it may have run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import { AmbiguousOutcomeError, AttemptTimeoutError, NoEligibleStationError, StaleEpochError } from "../errors.ts";
import type { AttemptResult, Call, Settlement } from "./call.ts";
import { GIVEN_UP, lastOf, noStationFit, seenEpochOf, unknownAt, verdictOn } from "./verdict.ts";

const world = new Dispatching();

/** A call that ended so at north, and then at south. */
function after(results: readonly AttemptResult[], settlements: readonly Settlement[], key?: string): Call {
  const call = world.call(key === undefined ? {} : { key });
  for (const [place, last] of results.entries()) {
    const visit = call.noteVisit(world.stations[place] as (typeof world.stations)[0]);
    visit.last = last;
    visit.lastSettlement = settlements[place];
  }
  return call;
}

const failure: Settlement = { value: { status: 500 } };
const other: Settlement = { value: { status: 502 } };
const reset = new Error("socket hang up");

test("[F10] both answered with a failure → the answer of the second", () => {
  assert.equal(verdictOn(after(["failed", "failed"], [failure, other])), other);
  assert.equal(verdictOn(after(["failed", "overloaded"], [failure, other])), other);
});

test("[F10] one answered, the other could not be reached → the answer that there was", () => {
  assert.equal(verdictOn(after(["failed", "unreachable"], [failure, { error: reset }])), failure);
  assert.equal(lastOf(after(["failed", "unreachable"], [failure, { error: reset }])), failure);
});

test("[F4] lost at one, failed at the other → that it may have run, with what happened", () => {
  for (const [results, settlements] of [
    [
      ["lost", "failed"],
      [{ error: reset }, failure],
    ],
    [
      ["failed", "lost"],
      [failure, { error: reset }],
    ],
  ] as const) {
    const verdict = verdictOn(after(results, settlements, "k"));
    assert.ok("error" in verdict && verdict.error instanceof AmbiguousOutcomeError);
    assert.match(verdict.error.message, /may have run or not/);
    assert.equal(verdict.error.cause, reset);
  }
});

test("[F4] lost without a key → says so; a timeout or an ambiguous outcome says itself that nobody knows", () => {
  const single = verdictOn(after(["lost"], [{ error: reset }]));
  assert.ok("error" in single && /carries no idempotency key/.test((single.error as Error).message));
  for (const error of [new AttemptTimeoutError("late"), new AmbiguousOutcomeError("lost")]) {
    assert.deepEqual(verdictOn(after(["lost"], [{ error }])), { error });
  }
});

test("[F4] an attempt is still out → that it may have run", () => {
  const out = new Dispatching();
  const call = out.submit({ key: "k" });
  const verdict = verdictOn(call);
  assert.ok("error" in verdict && verdict.error instanceof AmbiguousOutcomeError);
  assert.match(verdict.error.message, /^north was lost before it answered/);
});

test("never sent anywhere → given up; refused connections only → the last of them", () => {
  assert.deepEqual(verdictOn(world.call()), { error: GIVEN_UP });
  assert.ok(GIVEN_UP instanceof NoEligibleStationError);
  const refused = { error: new Error("refused") };
  assert.equal(verdictOn(after(["unreachable"], [refused])), refused);
});

test("[F9] no station took it → what is known of each in a word; no evidence → who is active", () => {
  const at = new Dispatching({ stations: [{}, {}, {}] });
  assert.equal(
    noStationFit("full", at.roles, undefined).message,
    "full; north: active, takes no more now; south: in reserve; east: in reserve",
  );
  at.declare("north", "down");
  at.input({ type: "maintenance", station: at.south, reason: "for a patch", untilMs: Number.POSITIVE_INFINITY });
  at.declare("south", "down");
  const error = noStationFit("full", at.roles, reset);
  assert.equal(error.message, "full; north: down; south: down and in maintenance; east: active, takes no more now");
  assert.equal(error.cause, reset);
  const unheard = new Dispatching({ alive: false });
  unheard.input({ type: "supervised", isRunning: true });
  assert.match(noStationFit("full", unheard.roles, undefined).message, /; south: not heard$/);
});

test("[F3] the epoch that a refusal names, and 0 where it names none", () => {
  assert.equal(seenEpochOf(new StaleEpochError("old", { seenEpoch: 7 })), 7);
  assert.deepEqual([seenEpochOf(new StaleEpochError("old")), seenEpochOf(reset), seenEpochOf(undefined)], [0, 0, 0]);
});

test("[F4] a silent station → names it", () => {
  assert.match(unknownAt(world.south).message, /^south was lost while it had this call/);
});
