/** What is told of load, patience and shortage: at once, with numbers, and not again and again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { station } from "../../../../test/worlds/dispatching.ts";
import { Reports } from "./reports.ts";

const figures = {
  atMs: 1,
  windowMs: 1_000,
  offered: 9,
  ended: 8,
  answered: 1,
  failed: 2,
  refused: 3,
  expired: 1,
  hungUp: 1,
};

test("[F11] a limit that is lowered → told at once, then every ten seconds, for each station apart", () => {
  const reports = new Reports();
  const [north, south] = [station(0), station(1)];
  north.admission.begin(0, 0);
  const ratePerSecond = Number.POSITIVE_INFINITY;
  const told = { type: "capacity-learned", station: "north", limit: 10, ratePerSecond, atMs: 0 };
  assert.deepEqual(reports.capacity(north, 0), told);
  assert.equal(reports.capacity(north, 9_999), undefined);
  assert.equal(reports.capacity(south, 9_999)?.type, "capacity-learned");
  assert.equal(reports.capacity(north, 10_000)?.type, "capacity-learned");
});

test("[R2] a retry that a budget refuses → told at once with its numbers, then every ten seconds, for each station apart", () => {
  const reports = new Reports();
  const [north, south] = [station(0), station(1)];
  const budget = { calls: 40, sent: 3, pending: 1, allowed: 4, refused: 1 };
  const told = { type: "retry-refused", station: "north", used: 4, allowed: 4, calls: 40, atMs: 0 };
  assert.deepEqual(reports.retryRefused(north, budget, 0), told);
  assert.equal(reports.retryRefused(north, budget, 9_999), undefined);
  assert.equal(reports.retryRefused(south, budget, 9_999)?.type, "retry-refused");
  assert.equal(reports.retryRefused(north, budget, 10_000)?.type, "retry-refused");
});

test("[F10] a shortage → told at once, then every ten seconds, whatever the station", () => {
  const reports = new Reports();
  assert.deepEqual(reports.shortage(station(0), "EMFILE", 0), {
    type: "local-shortage",
    station: "north",
    code: "EMFILE",
    atMs: 0,
  });
  assert.equal(reports.shortage(station(1), "EMFILE", 9_999), undefined);
  assert.equal(reports.shortage(station(1), "ENFILE", 10_000)?.type, "local-shortage");
});

test("[F11] patience → told when it is learned, when it changes by a quarter, and when it is forgotten", () => {
  const reports = new Reports();
  const told = (patienceMs: number | undefined): number | string | undefined => {
    const event = reports.patience(patienceMs, 5);
    if (event === undefined) return "nothing";
    assert.equal(event.type, "patience-learned");
    return event.type === "patience-learned" ? event.patienceMs : "nothing";
  };
  assert.deepEqual(
    [
      told(undefined),
      told(2_000),
      told(2_000),
      told(2_400),
      told(1_600),
      told(2_501),
      told(undefined),
      told(undefined),
    ],
    ["nothing", 2_000, "nothing", "nothing", "nothing", 2_501, undefined, "nothing"],
  );
});

test("[F11] goodput → with what explains it; its end without; nothing where there is nothing", () => {
  const reports = new Reports();
  const north = station(0);
  north.admission.begin(0, 0);
  assert.equal(reports.goodput(undefined, north, 0, undefined), undefined);
  const event = reports.goodput({ type: "overload", ...figures }, north, 42, 2_000);
  assert.ok(event?.type === "overload");
  assert.deepEqual(
    [event.station, event.waiting, event.inFlight, event.limit, event.patienceMs],
    ["north", 42, 0, 10, 2_000],
  );
  assert.deepEqual([event.ended, event.answered], [8, 1]);
  assert.deepEqual(reports.goodput({ type: "overload-ended", ...figures }, north, 42, 2_000), {
    type: "overload-ended",
    ...figures,
  });
});
