/**
 * Which refusals are tolerated, and what an experiment shows of the others. `admission.test.ts` has
 * them at work.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusals } from "./refusals.ts";

/**
 * `count` calls, one in `every` ms, of which one in `oneIn` is refused. Returns how many were more
 * than is tolerated.
 */
function give(refusals: Refusals, count: number, oneIn: number, fromMs: number, isLearned = true, everyMs = 1): number {
  let excess = 0;
  for (let call = 1; call <= count; call++) {
    const nowMs = fromMs + call * everyMs;
    if (call % oneIn !== 0) refusals.noteFinished(isLearned, nowMs);
    else if (refusals.noteRefused(isLearned, nowMs)) excess++;
  }
  return excess;
}

test("[F11] few refusals beside what is finished → tolerated, fewer once a limit was learned", () => {
  assert.equal(give(new Refusals(), 10_000, 25, 0, false), 0, "4 % while there is no limit");
  assert.ok(give(new Refusals(), 10_000, 10, 0, false) >= 400, "10 %");
  assert.ok(give(new Refusals(), 10_000, 25, 0) >= 250, "4 % below a limit");
  assert.equal(give(new Refusals(), 10_000, 200, 0), 0, "0.5 %");
});

test("[F11] a promotion → no refusal is tolerated for five seconds", () => {
  const refusals = new Refusals();
  refusals.restart(5, 0);
  assert.equal(refusals.noteRefused(false, 0), true);
  refusals.noteLowered(0);
  give(refusals, 4_900, 10, 0);
  assert.equal(refusals.noteRefused(false, 4_999), true);
  assert.equal(refusals.experimentPerMs(false, 4_999), 0, "nor is an experiment made in the first five seconds");
  assert.ok(refusals.experimentPerMs(false, 5_000) > 0);
});

/** One call in `oneIn` was refused for a second below a limit, and then an experiment begins. */
function experimenting(oneIn: number): Refusals {
  const refusals = new Refusals();
  refusals.noteLowered(0);
  give(refusals, 1_000, oneIn, 0);
  assert.ok(refusals.experimentPerMs(false, 1_000) > 0);
  refusals.beginExperiment(1_000, 1_000);
  return refusals;
}

/**
 * Gives 0.75 calls a ms, of which one in `oneIn` is refused, until the experiment shows something;
 * returns what, and when.
 */
function find(refusals: Refusals, oneIn: number, fromMs: number, perMs = 0.75): [finding: unknown, atMs: number] {
  for (let call = 1; call <= 2_000; call++) {
    const nowMs = fromMs + call / perMs;
    if (call % oneIn === 0) refusals.noteRefused(true, nowMs);
    else refusals.noteFinished(true, nowMs);
    const finding = refusals.finding(nowMs, nowMs);
    if (finding !== undefined) return [finding, nowMs];
  }
  return [undefined, Number.POSITIVE_INFINITY];
}

/** An experiment has found that one call in `oneIn` is refused whatever the load. Returns when. */
function findBackground(refusals: Refusals, oneIn: number): number {
  const [less, firstMs] = find(refusals, oneIn, 1_000);
  assert.ok(typeof less === "number" && less < 0.75, `still less is to be given: ${less}`);
  const [finding, atMs] = find(refusals, oneIn, firstMs, less);
  assert.equal(finding, "background");
  return atMs;
}

test("[F11] less is given, and the same share is refused, and so again → the background, and tolerated from then on", () => {
  const refusals = experimenting(10);
  const atMs = findBackground(refusals, 10);
  assert.ok(Math.abs(refusals.background - 0.1) < 0.03, `${refusals.background}`);
  assert.equal(give(refusals, 2_000, 10, atMs), 0);
  assert.ok(give(refusals, 2_000, 4, atMs + 2_000) > 100, "what comes on top of it is not");
});

test("[F11] less is given, and hardly anything is refused → load, and soon", () => {
  const refusals = experimenting(10);
  const [finding, atMs] = find(refusals, 1_000, 1_000);
  assert.equal(finding, "load");
  assert.ok(atMs < 1_060, `${atMs}`);
  assert.equal(refusals.background, 0);
});

test("[F11] less is given, and only the first ones are refused: its own reserve was empty → load, as soon as that cannot be chance", () => {
  const refusals = experimenting(10);
  for (let call = 0; call < 4; call++) refusals.noteRefused(true, 1_000);
  const [finding, atMs] = find(refusals, 1_000, 1_000);
  assert.deepEqual([finding, atMs > 1_060, atMs < 1_070], ["load", true, true], `at ${atMs} ms`);
});

test("[F11] still less is given, and then hardly anything is refused → load", () => {
  const refusals = experimenting(10);
  const [less, firstMs] = find(refusals, 10, 1_000);
  assert.equal(find(refusals, 1_000, firstMs, less as number)[0], "load");
});

test("[F11] less is given, and a much larger share is refused → shows nothing: the station has become weaker", () => {
  assert.equal(find(experimenting(10), 2, 1_000)[0], "nothing");
});

test("[F11] as much is given as was finished → shows nothing, and ends", () => {
  assert.equal(find(experimenting(10), 10, 1_000, 1)[0], "nothing");
  assert.equal(experimenting(10).finding(0, 21_001), "nothing", "nor where nothing comes");
});

test("[F11] the background is known, and so much is refused in an experiment → the others were load", () => {
  const refusals = experimenting(10);
  const atMs = findBackground(refusals, 10);
  refusals.noteLowered(atMs);
  give(refusals, 1_000, 4, atMs);
  refusals.beginExperiment(atMs + 1_000, atMs + 1_000);
  assert.equal(find(refusals, 10, atMs + 1_000, 0.6)[0], "load");
  assert.ok(refusals.background > 0);
});

test("[F11] too few or too many are refused, or an experiment was made lately → none, unless it is due", () => {
  const few = new Refusals();
  few.noteLowered(0);
  give(few, 40, 10, 0);
  assert.deepEqual([few.experimentPerMs(true, 600), few.isShareKnown(600)], [0, false]);
  const many = new Refusals();
  many.noteLowered(0);
  give(many, 600, 1, 0);
  assert.equal(many.experimentPerMs(true, 600), 0);
  const again = experimenting(10);
  const [, atMs] = find(again, 1_000, 1_000);
  again.noteLowered(atMs);
  give(again, 1_000, 10, atMs);
  assert.equal(again.isExperimenting, false);
  assert.equal(again.experimentPerMs(false, atMs + 1_000), 0);
  assert.ok(again.experimentPerMs(true, atMs + 1_000) > 0);
  assert.ok(again.experimentPerMs(false, atMs + 5_001) > 0, "five seconds later");
});

test("[F11] hardly anything is refused any more → the background is forgotten", () => {
  const refusals = experimenting(10);
  const atMs = findBackground(refusals, 10);
  assert.ok(refusals.background > 0);
  give(refusals, 600, 1_000, atMs);
  assert.equal(refusals.background, 0);
});
