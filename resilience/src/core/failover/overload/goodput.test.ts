/**
 * Collapse is never silent: it is told at once, every ten seconds while it lasts, and when it is
 * over.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallSource } from "../learned/call-sources.ts";
import { type CallOutcome, GoodputWatch } from "./goodput.ts";

/** Runs whole seconds, each with these outcomes; returns what was told, by second. */
function run(
  watch: GoodputWatch,
  seconds: readonly Partial<Record<CallOutcome, number>>[],
  fromS = 0,
): [number, string][] {
  const told: [number, string][] = [];
  for (const [second, counts] of seconds.entries()) {
    for (const [outcome, count] of Object.entries(counts)) {
      for (let left = count; left > 0; left--) {
        watch.noteOffered();
        watch.noteEnded(outcome as CallOutcome);
      }
    }
    const said = watch.look((fromS + second + 1) * 1_000);
    if (said !== undefined) told.push([fromS + second + 1, said.type]);
  }
  return told;
}

function begun(): GoodputWatch {
  const watch = new GoodputWatch();
  watch.look(0);
  return watch;
}

test("[F11] most calls of a second answered → nothing to tell", () => {
  assert.deepEqual(run(begun(), new Array(20).fill({ answered: 100, hungUp: 49, refused: 50 })), []);
});

test("[F11] goodput below half for one second → told at the end of it, with its numbers", () => {
  const watch = begun();
  for (let call = 0; call < 200; call++) {
    watch.noteOffered();
    watch.noteEnded(call < 99 ? "answered" : "hungUp");
  }
  assert.equal(watch.look(999), undefined);
  assert.deepEqual(watch.look(1_000), {
    type: "overload",
    atMs: 1_000,
    windowMs: 1_000,
    offered: 200,
    ended: 200,
    answered: 99,
    failed: 0,
    refused: 0,
    expired: 0,
    hungUp: 101,
  });
  assert.equal(watch.isCollapsed, true);
});

test("[F11] collapse that lasts → told every ten seconds, and its end once", () => {
  const bad = { answered: 10, hungUp: 90 };
  const told = run(begun(), [...new Array(25).fill(bad), ...new Array(5).fill({ answered: 100 })]);
  assert.deepEqual(told, [
    [1, "overload"],
    [11, "overload"],
    [21, "overload"],
    [26, "overload-ended"],
  ]);
});

test("[F11] four calls in a second, all failed → too few to say anything", () => {
  assert.deepEqual(run(begun(), new Array(5).fill({ failed: 4 })), []);
  assert.deepEqual(run(begun(), [{ failed: 5 }]), [[1, "overload"]]);
});

test("[F11] every way to end but an answer counts against goodput", () => {
  for (const outcome of ["failed", "refused", "expired", "hungUp"] as const) {
    assert.deepEqual(run(begun(), [{ [outcome]: 10 }]), [[1, "overload"]], outcome);
  }
});

test("[F11] a long rest, then a look → what was counted before it belongs to no second", () => {
  const watch = new GoodputWatch();
  for (let call = 0; call < 4; call++) watch.noteEnded("failed");
  assert.equal(watch.look(50_000), undefined);
  for (let call = 0; call < 6; call++) watch.noteEnded("failed");
  assert.equal(watch.look(100_000), undefined, "six calls in fifty seconds");
});

test("[F11] collapsed, then nobody calls any more → its end is told", () => {
  const watch = begun();
  run(watch, [{ hungUp: 50 }]);
  assert.equal(watch.look(60_000)?.type, "overload-ended");
  assert.equal(watch.isCollapsed, false);
});

test("[F11] collapsed, then a second in which few calls end, and most of them badly → not over", () => {
  const watch = begun();
  const told = run(watch, [{ hungUp: 50 }, { answered: 1, failed: 3 }, { answered: 2, failed: 1 }]);
  assert.deepEqual(told, [
    [1, "overload"],
    [3, "overload-ended"],
  ]);
});

test("[F11] callers who break off their own requests → no collapse, and still in the totals", () => {
  const watch = begun();
  for (let call = 0; call < 10; call++) {
    watch.noteEnded("hungUp");
    watch.noteNotAwaited();
  }
  assert.deepEqual(run(watch, [{ answered: 1 }]), []);
  assert.equal(watch.totals.hungUp, 10);
});

/** A source of one station, which has served it or never. */
function source(wasServed: boolean, isNamed = true): CallSource {
  const made = new CallSource(1, isNamed);
  if (wasServed) made.noteServed(0, 10, 0);
  return made;
}

/** One second in which each of `sources` fails ten times, beside `others`; what is told of it. */
function failing(
  sources: readonly CallSource[],
  others: Partial<Record<CallOutcome, number>> = {},
): string | undefined {
  const watch = begun();
  for (const failed of sources) {
    for (let call = 0; call < 10; call++) {
      watch.noteEnded("failed");
      watch.noteFailedOf(failed);
    }
  }
  return run(watch, [others])[0]?.[1];
}

test("[F10] [F11] one client's calls that no station ever served fail → its own, alone or beside others that are served", () => {
  assert.equal(failing([source(false)]), undefined);
  assert.equal(failing([source(false)], { answered: 5 }), undefined);
  assert.equal(failing([source(false), source(false), source(false)], { answered: 1 }), undefined);
});

test("[F10] [F11] a route that was served before fails → its own while the others are served, and a collapse where it is all there is", () => {
  assert.equal(failing([source(true)], { answered: 5 }), undefined);
  assert.equal(failing([source(true)]), "overload");
  assert.equal(failing([source(true)], { answered: 4 }), "overload", "too few others");
  assert.equal(failing([source(true), source(true)], { answered: 5 }), "overload");
});

test("[F11] failures of one client beside others that are refused, late or gone → told", () => {
  for (const outcome of ["refused", "expired", "hungUp"] as const) {
    assert.equal(failing([source(false)], { [outcome]: 5 }), "overload", outcome);
    assert.equal(failing([source(true)], { answered: 2, [outcome]: 5 }), "overload", outcome);
  }
});

test("[F11] eight sources fail that were never served, or calls that name none → told", () => {
  assert.equal(failing(Array.from({ length: 7 }, () => source(false))), undefined);
  assert.equal(failing(Array.from({ length: 8 }, () => source(false))), "overload");
  assert.equal(failing(Array.from({ length: 20 }, () => source(false))), "overload");
  assert.equal(failing([source(false, false)]), "overload");
  assert.equal(failing([source(true, false)], { answered: 5 }), "overload");
});

test("[F11] what one source failed in one second says nothing of the next", () => {
  const watch = begun();
  const own = source(false);
  for (let call = 0; call < 10; call++) {
    watch.noteEnded("failed");
    watch.noteFailedOf(own);
  }
  assert.deepEqual(run(watch, [{}, { failed: 10 }]).at(-1), [2, "overload"]);
});

test("totals → count from the start, and are not reset by looking", () => {
  const watch = begun();
  assert.deepEqual(watch.totals, { answered: 0, failed: 0, refused: 0, expired: 0, hungUp: 0 });
  run(watch, [
    { answered: 3, failed: 1 },
    { answered: 2, refused: 4 },
  ]);
  assert.deepEqual(watch.totals, { answered: 5, failed: 1, refused: 4, expired: 0, hungUp: 0 });
});
