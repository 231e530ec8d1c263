/** When more calls come than usual, and what counts as usual. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsualDemand } from "./usual-demand.ts";

/** `perSecond` calls for `forMs`, evenly; returns when it is over. */
function offer(demand: UsualDemand, perSecond: number, fromMs: number, forMs: number, isQuick = true): number {
  for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 1_000 / perSecond)
    if (demand.noteOffered(nowMs)) demand.endWindow(isQuick, nowMs);
  return fromMs + forMs;
}

test("nothing is known yet → more than usual; as many as for some seconds → not more", () => {
  const demand = new UsualDemand();
  assert.equal(demand.isMore, true);
  let nowMs = offer(demand, 50, 0, 1_500);
  assert.equal(demand.isMore, true);
  nowMs = offer(demand, 50, nowMs, 2_000);
  assert.equal(demand.isMore, false);
});

test("a surge → more than usual within its first second, and no more a second after its end", () => {
  const demand = new UsualDemand();
  let nowMs = offer(demand, 50, 0, 5_000);
  nowMs = offer(demand, 200, nowMs, 700, false);
  assert.equal(demand.isMore, true);
  nowMs = offer(demand, 200, nowMs, 20_000, false);
  assert.equal(demand.isMore, true);
  nowMs = offer(demand, 50, nowMs, 3_000, false);
  assert.equal(demand.isMore, false);
});

test("what a station was slow at does not become usual, nor what it was still quick at for a second", () => {
  const demand = new UsualDemand();
  let nowMs = offer(demand, 50, 0, 5_000);
  nowMs = offer(demand, 200, nowMs, 900);
  nowMs = offer(demand, 200, nowMs, 60_000, false);
  assert.equal(demand.isMore, true);
  nowMs = offer(demand, 200, nowMs, 4_000);
  assert.equal(demand.isMore, false, "quick at it for seconds: usual from now on");
});

test("few calls come by chance in bunches → not more", () => {
  const demand = new UsualDemand();
  let nowMs = offer(demand, 5, 0, 10_000);
  for (let bunch = 0; bunch < 6; bunch++) if (demand.noteOffered(nowMs)) demand.endWindow(true, nowMs);
  nowMs += 1;
  assert.equal(demand.isMore, false);
});
