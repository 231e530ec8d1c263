/**
 * How a crowd is told from a slow route, a slow station and a silent one, and what a station works
 * on at once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CROWDED, Crowding, FULL } from "./crowding.ts";

interface Flow {
  readonly untilMs: number;
  readonly sentEveryMs: number;
  /** `Infinity`: nothing is answered. */
  readonly servedEveryMs: number;
  readonly tookMs: number;
  readonly leisureMs?: number;
  readonly outStretch?: number;
  /** Since when the oldest call is out. Default: as long as answers take. */
  readonly oldestMs?: number;
}

/** Calls are sent and served evenly, from `fromMs` on, and looked at when that is due. */
function flow(crowding: Crowding, fromMs: number, { leisureMs = 100, outStretch = 1, ...plan }: Flow): void {
  for (let nowMs = fromMs; nowMs < plan.untilMs; nowMs++) {
    if (nowMs % plan.sentEveryMs === 0) crowding.noteSent();
    if (nowMs % plan.servedEveryMs === 0) {
      crowding.noteEnded();
      crowding.noteTook(Math.log(plan.tookMs), Math.log(leisureMs), leisureMs);
      crowding.noteServed(nowMs);
    }
    const oldestMs = plan.oldestMs ?? nowMs - plan.tookMs;
    if (crowding.isLookDue(nowMs)) crowding.look(outStretch, Math.max(10, 6 * outStretch), oldestMs, nowMs);
  }
}

const CALM = { untilMs: 5_000, sentEveryMs: 20, servedEveryMs: 20, tookMs: 100 };

function calm(): Crowding {
  const crowding = new Crowding();
  flow(crowding, 0, CALM);
  return crowding;
}

test("[F11] as much is answered as was sent, at leisure → no crowd; it works on rate times leisure", () => {
  const crowding = calm();
  assert.deepEqual([crowding.stretch, crowding.isMounting, crowding.isBusy(5_000)], [1, false, false]);
  assert.ok(Math.abs(crowding.work(5_000) - 5) < 0.5, `50/s of 100 ms: ${crowding.work(5_000)}`);
});

test("[F11] more is sent than is answered, and answers take long → it mounts within half a second, and is busy", () => {
  const crowding = calm();
  flow(crowding, 5_000, { untilMs: 5_700, sentEveryMs: 10, servedEveryMs: 20, tookMs: 500 });
  assert.ok(crowding.stretch >= CROWDED && crowding.isMounting && crowding.isBusy(5_700));
});

test("[F11] a fifth more is sent than it can do, at eight a second → it mounts, after two of its answer times", () => {
  const crowding = new Crowding();
  flow(crowding, 0, { untilMs: 8_000, sentEveryMs: 125, servedEveryMs: 125, tookMs: 100 });
  flow(crowding, 8_000, { untilMs: 16_000, sentEveryMs: 104, servedEveryMs: 125, tookMs: 800, outStretch: 8 });
  assert.equal(crowding.isMounting, true);
  flow(crowding, 16_000, { untilMs: 18_000, sentEveryMs: 125, servedEveryMs: 125, tookMs: 100 });
  assert.equal(crowding.isMounting, false, "its answers are quick again");
});

test("[F11] answers take long, and all are answered → a slower station, and no crowd", () => {
  const crowding = calm();
  flow(crowding, 5_000, { untilMs: 8_000, sentEveryMs: 20, servedEveryMs: 20, tookMs: 500 });
  assert.deepEqual([crowding.isMounting, crowding.isBusy(8_000)], [false, false]);
});

/** Of 50 calls a second, so many are answered as ever, and the others are out. */
const HALF_OUT = { sentEveryMs: 20, servedEveryMs: 40, tookMs: 100, outStretch: 8 };

test("[F11] half of its answers take 1.7 s more from one moment to the next → no crowd, neither before these come nor after", () => {
  const crowding = calm();
  flow(crowding, 5_000, { ...HALF_OUT, untilMs: 6_800, oldestMs: 5_000 });
  assert.equal(crowding.isMounting, false);
  // The mean of the logarithms of 100 and 1,800.
  flow(crowding, 6_800, { untilMs: 12_000, sentEveryMs: 20, servedEveryMs: 20, tookMs: 424 });
  assert.equal(crowding.isMounting, false);
});

test("[F11] … and still no more end, when all that was sent before has ended → it mounts", () => {
  const crowding = calm();
  flow(crowding, 5_000, { ...HALF_OUT, untilMs: 6_800, oldestMs: 5_000 });
  flow(crowding, 6_800, { ...HALF_OUT, untilMs: 8_200, oldestMs: 6_000 });
  assert.equal(crowding.isMounting, true);
});

test("[F11] it finishes a quarter of what it did, and is sent no more than ever → it mounts, as soon as its answers take long", () => {
  const crowding = calm();
  flow(crowding, 5_000, { ...HALF_OUT, servedEveryMs: 80, tookMs: 500, untilMs: 7_000, oldestMs: 5_000 });
  assert.equal(crowding.isMounting, true);
});

test("[F11] it became slower before a rest, and does again after it → the number out has time to settle again", () => {
  const crowding = calm();
  flow(crowding, 5_000, { ...HALF_OUT, untilMs: 5_600, oldestMs: 5_000 });
  flow(crowding, 9_000, { ...HALF_OUT, untilMs: 11_500, oldestMs: 9_000 });
  assert.equal(crowding.isMounting, false);
});

test("[F11] answers that take less than 20 ms → a multiple of them says nothing", () => {
  const crowding = new Crowding();
  flow(crowding, 0, { ...CALM, tookMs: 15, leisureMs: 1 });
  assert.equal(crowding.stretch, 1);
});

test("[F11] a source that was never answered → says nothing of a crowd", () => {
  const crowding = calm();
  crowding.noteServed(5_000);
  assert.equal(crowding.stretch, 1);
});

test("[F1] nothing is answered any more → silent where as much is sent as ever; a crowd where far more is, for five seconds", () => {
  const silent = calm();
  flow(silent, 5_000, { untilMs: 6_000, sentEveryMs: 20, servedEveryMs: Infinity, tookMs: 0, outStretch: 10 });
  assert.deepEqual([silent.isMounting, silent.isBusy(6_000)], [false, false]);
  const crowded = calm();
  flow(crowded, 5_000, { untilMs: 6_000, sentEveryMs: 5, servedEveryMs: Infinity, tookMs: 0, outStretch: 10 });
  assert.ok(crowded.isMounting && crowded.isBusy(6_000));
  for (let left = 0; left < 1_000; left++) crowded.noteAbandoned(6_000);
  assert.deepEqual([crowded.isBusy(9_900), crowded.isBusy(10_100)], [true, false]);
});

test("[F11] callers leave → the station is busy for as long as their work takes; where it was not, it is not", () => {
  const crowding = calm();
  crowding.noteAbandoned(5_000);
  assert.equal(crowding.isBusy(5_000), false);
  flow(crowding, 5_000, { untilMs: 6_000, sentEveryMs: 10, servedEveryMs: 20, tookMs: 500 });
  assert.equal(crowding.isBusy(8_000), false);
  for (let left = 0; left < 150; left++) crowding.noteAbandoned(6_000);
  assert.equal(crowding.isBusy(8_000), true, "150 at 50/s");
});

test("[F11] it begins to serve anew → nothing is known", () => {
  const crowding = calm();
  flow(crowding, 5_000, { untilMs: 6_000, sentEveryMs: 10, servedEveryMs: 20, tookMs: 500 });
  crowding.restart(0);
  assert.deepEqual(
    [crowding.stretch, crowding.isMounting, crowding.isBusy(6_000), crowding.work(6_000)],
    [1, false, false, 0],
  );
});

test("[F11] callers wait for twice as long as an answer takes at leisure → answers of 1.6 times leisure are a crowd; without that, they are none", () => {
  const stretchOf = (patienceMs: number): number => {
    const crowding = new Crowding();
    crowding.patienceMs = patienceMs;
    for (let answer = 0; answer < 100; answer++) crowding.noteTook(Math.log(160), Math.log(100), 100);
    return crowding.stretch;
  };
  assert.ok(stretchOf(200) >= CROWDED, `${stretchOf(200)}`);
  assert.ok(stretchOf(Number.POSITIVE_INFINITY) < FULL, `${stretchOf(Number.POSITIVE_INFINITY)}`);
});

test("[F11] callers leave before they are answered → more of a crowd, and what is known of the last answer counts once one is answered", () => {
  const crowding = new Crowding();
  for (let answer = 0; answer < 100; answer++) crowding.noteTook(Math.log(100), Math.log(100), 100);
  for (let call = 0; call < 100; call++) crowding.noteLeft(Math.log(1_000), Math.log(100));
  assert.ok(crowding.stretch > 5 && crowding.answeredStretch < 1.1, `${crowding.stretch}, ${crowding.answeredStretch}`);
  crowding.noteTook(Math.log(1_000), Math.log(100), 100);
  assert.ok(crowding.answeredStretch > 5, `${crowding.answeredStretch}`);
});

test("[F11] a station takes over for which others were compared with it a moment ago → these count for its leisure; long ago they do not", () => {
  for (const [laterMs, isKnown] of [
    [1_000, true],
    [3_000, false],
  ] as const) {
    const crowding = new Crowding();
    for (let answer = 0; answer < 4; answer++) crowding.era.beside.note(Math.log(2));
    crowding.noteServed(1_000);
    crowding.restart(1_000 + laterMs);
    const isTold = (): boolean => crowding.era.beside.value < Number.POSITIVE_INFINITY;
    assert.deepEqual([crowding.era.sinceMs, isTold()], [1_000 + laterMs, isKnown]);
    crowding.end();
    assert.equal(isTold(), false, "it was replaced");
  }
});
