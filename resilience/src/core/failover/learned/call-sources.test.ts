/**
 * What is remembered of sources of calls: who served them when, how slow they are, and whose their
 * failures are.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginEra } from "../admission/crowding.ts";
import { CallSource, CallSources } from "./call-sources.ts";

const FIRST = beginEra(0, false);

test("[F10] a source that was served → counts as served by that station for ten seconds", () => {
  const source = new CallSource(2);
  assert.equal(source.isServedLately(0), false);
  assert.deepEqual([source.hasBeenServedBy(0), source.hasBeenServedBy(1)], [false, false]);
  source.noteServed(1, 80, 1_000);
  assert.deepEqual(
    [source.isServedBy(0, 1_000), source.isServedBy(1, 1_000), source.isServedLately(1_000)],
    [false, true, true],
  );
  assert.deepEqual([source.isServedBy(1, 11_000), source.isServedLately(11_000)], [true, true]);
  assert.deepEqual([source.isServedBy(1, 11_001), source.isServedLately(11_001)], [false, false]);
  assert.deepEqual([source.hasBeenServedBy(0), source.hasBeenServedBy(1)], [false, true]);
});

test("[F10] an endpoint of five seconds → not overdue before that and a twentieth, or more where little is known; quick again → the bound fades", () => {
  const source = new CallSource(2);
  assert.deepEqual([source.isKnown, source.overdueAfterMs], [false, Number.POSITIVE_INFINITY]);
  source.noteServed(0, 5_000, 0);
  assert.deepEqual([source.isKnown, source.overdueAfterMs], [true, 10_250], "the next one may take longer as well");
  for (let more = 1; more < 100; more++) source.noteServed(0, 5_000, 0);
  assert.ok(Math.abs(source.overdueAfterMs - 5_300) < 1, String(source.overdueAfterMs));
  source.noteServed(0, 100, 0);
  assert.ok(source.overdueAfterMs < 5_300 && source.overdueAfterMs > 5_000, String(source.overdueAfterMs));
  for (let quick = 0; quick < 300; quick++) source.noteServed(0, 100, 0);
  assert.ok(source.overdueAfterMs < 150, String(source.overdueAfterMs));
});

test("[F11] at leisure: the quickest mean of late, for each station; a slower one is believed after a while", () => {
  const source = new CallSource(2);
  assert.equal(source.leisureMs(0), Number.POSITIVE_INFINITY);
  const served = (count: number, tookMs: number, nowMs: number, crowd: "idle" | "crowded" = "idle"): void => {
    for (let answer = 0; answer < count; answer++) {
      source.noteTook(0, tookMs, nowMs, source.noteSent(0, FIRST, nowMs - tookMs), crowd);
    }
  };
  served(40, 80, 0);
  served(1, 500, 1_000);
  assert.ok(source.leisureMs(0) >= 80 && source.leisureMs(0) < 90, `${source.leisureMs(0)}`);
  assert.equal(source.leisureMs(1), Number.POSITIVE_INFINITY, "the other one may be slower");
  for (let second = 2; second < 40; second++) served(8, 300, second * 1_000);
  assert.ok(Math.abs(source.leisureMs(0) - 300) < 1, `it is slower for good: ${source.leisureMs(0)}`);
  for (let second = 40; second < 80; second++) served(8, 900, second * 1_000, "crowded");
  assert.ok(Math.abs(source.leisureMs(0) - 300) < 1, `it is only crowded: ${source.leisureMs(0)}`);
  served(300, 70, 80_000, "crowded");
  assert.ok(source.leisureMs(0) < 72, `${source.leisureMs(0)}`);
});

test("[F10] eight failures that both stations gave → only one in eight is compared; a success ends that", () => {
  const source = new CallSource(2);
  for (let same = 0; same < 7; same++) {
    source.noteAgreement();
    assert.equal(source.skipsComparison(), false, `after ${same + 1}`);
  }
  source.noteAgreement();
  const skips = Array.from({ length: 16 }, () => source.skipsComparison());
  assert.equal(skips.filter((skipped) => !skipped).length, 2, "one in eight is still asked");
  source.noteServed(0, 5, 0);
  assert.equal(source.skipsComparison(), false);
});

test("[F10] a failure that is not compared, of a source that nobody serves → whose it is follows from what else is known", () => {
  const fresh = (): CallSource => new CallSource(2);
  const never = Number.NEGATIVE_INFINITY;
  const known = fresh();
  known.noteServed(1, 5, 0);
  const again = fresh();
  again.noteFailedAlone(0, never, 100);
  const late = fresh();
  late.noteFailedAlone(0, 99, 100);
  const cases: [string, CallSource, number, number, string][] = [
    ["its first", fresh(), 0, 50, "unknown"],
    ["again, and others were served meanwhile", again, 0, 150, "own"],
    ["once more, and nobody was served since", again, 0, 150, "own"],
    ["again, and others were served before that only", late, 0, 99, "unknown"],
    ["at another station, too", again, 1, never, "alike"],
    ["of a source that somebody has served", known, 0, 150, "unknown"],
    ["again", known, 0, 1_000, "unknown"],
  ];
  for (const [what, source, station, lastServedMs, whose] of cases)
    assert.equal(source.noteFailedAlone(station, lastServedMs, 200), whose, what);
});

test("a million sources → at most 512 are remembered, those in use among them", () => {
  const sources = new CallSources(2);
  const used = sources.of("used");
  used.noteServed(0, 5, 0);
  for (let number = 0; number < 100_000; number++) {
    sources.of(`source ${number}`);
    if (number % 100 === 0) assert.equal(sources.of("used"), used);
    assert.ok(sources.size <= 512, String(sources.size));
  }
  assert.equal(sources.of("used").isServedLately(0), true);
});

test("a source that was forgotten → is as unknown as a new one", () => {
  const sources = new CallSources(2);
  const first = sources.of("first");
  first.noteServed(0, 5_000, 0);
  for (let number = 0; number < 600; number++) sources.of(`source ${number}`);
  assert.equal(sources.of("first").isKnown, false);
});

test("[F10] a source that was refused → counts as refused by that station for ten seconds", () => {
  const source = new CallSource(2);
  assert.equal(source.isRefusedBy(0, 0), false);
  source.noteRefused(0, Number.NEGATIVE_INFINITY, 1_000);
  assert.deepEqual([source.isRefusedBy(0, 1_000), source.isRefusedBy(1, 1_000)], [true, false]);
  source.noteServed(0, 80, 2_000);
  assert.deepEqual([source.isRefusedBy(0, 11_000), source.isRefusedBy(0, 11_001)], [true, false], "served or not");
});
