/** When another station takes what the active one cannot, and when that is over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatching } from "../../../../../test/worlds/dispatching.ts";
import { Spillover } from "./spillover.ts";
import { UsualDemand } from "./usual-demand.ts";

/** 50 calls a second are usual; north is active, and its limit was lowered if `isLimited`. */
function made({ isLimited = true }: { readonly isLimited?: boolean } = {}) {
  const world = new Dispatching();
  const demand = new UsualDemand();
  const offer = (perSecond: number, fromMs: number, forMs: number, isQuick: boolean): void => {
    for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 1_000 / perSecond)
      if (demand.noteOffered(nowMs)) demand.endWindow(isQuick, nowMs);
  };
  offer(50, 0, 4_000, true);
  if (isLimited) world.north.admission.note("unanswered", 20, 4_000);
  return { ...world, north: world.north, south: world.south, offer, spillover: new Spillover(demand) };
}

test("the limit was lowered, and no more calls come than usual → another station may take calls, told once", () => {
  const { spillover, north } = made();
  assert.equal(spillover.news(), undefined);
  assert.equal(spillover.allows(north, 4_000), true);
  assert.deepEqual(spillover.news(), { type: "spillover-begun", station: "north" });
  assert.equal(spillover.news(), undefined);
  spillover.review(north);
  assert.equal(spillover.allows(north, 5_000), true);
  assert.equal(spillover.news(), undefined);
});

test("there is no lowered limit, or more calls come than usual → none", () => {
  const unlimited = made({ isLimited: false });
  assert.equal(unlimited.spillover.allows(unlimited.north, 4_000), false);
  const loaded = made();
  loaded.offer(100, 4_000, 2_000, false);
  assert.equal(loaded.spillover.allows(loaded.north, 6_000), false);
});

test("more calls come than usual, or another station becomes active → it ends, and is told", () => {
  const surge = made();
  surge.spillover.allows(surge.north, 4_000);
  surge.spillover.news();
  surge.offer(100, 4_000, 2_000, false);
  surge.spillover.review(surge.north);
  assert.deepEqual(surge.spillover.news(), { type: "spillover-ended", station: "north" });
  const moved = made();
  moved.spillover.allows(moved.north, 4_000);
  moved.spillover.news();
  moved.spillover.review(moved.south);
  assert.deepEqual(moved.spillover.news(), { type: "spillover-ended", station: "north" });
});
