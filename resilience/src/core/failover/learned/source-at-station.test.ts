/**
 * What answers take at leisure is learned to a fifth, however much their times vary, and chance
 * makes no crowd.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../random.ts";
import { beginEra } from "../admission/crowding.ts";
import { type SeenAs, SourceAt } from "./source-at-station.ts";

const FIRST = beginEra(0, false);
const SEEDS = 40;
/** Of an exponential with mean 1, the mean of the logarithms is minus Euler's constant. */
const EULER = 0.5772;

interface Offered {
  readonly seed: number;
  readonly meanMs: number;
  readonly everyMs: number;
  readonly isVaried: boolean;
  readonly answers: number;
  readonly crowd?: SeenAs;
}

/**
 * Calls every `everyMs`, each answered after a constant or an exponential time; `answers` of them
 * are told, in their order.
 */
function offer(at: SourceAt, { seed, meanMs, everyMs, isVaried, answers, crowd = "idle" }: Offered): void {
  const random = seededRandom(`source at station ${seed}`);
  const calls = Array.from({ length: 2 * answers + 100 }, (_, place) => {
    const tookMs = isVaried ? -meanMs * Math.log(1 - random.next()) : meanMs;
    return { sentMs: place * everyMs, tookMs, endMs: place * everyMs + tookMs };
  });
  const early = new Set(calls.filter(({ sentMs }) => at.noteSent(FIRST, sentMs)));
  calls.sort((one, other) => one.endMs - other.endMs);
  for (const call of calls.slice(0, answers)) {
    at.noteTook(call.tookMs, Math.log(call.tookMs), early.has(call), crowd, call.endMs, Number.POSITIVE_INFINITY);
  }
}

/** The root of the mean square of how far the logarithm of leisure is off, over all seeds. */
function error(offered: Omit<Offered, "seed">): number {
  let sum = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const at = new SourceAt();
    offer(at, { ...offered, seed });
    sum += (at.leisureLog - Math.log(offered.meanMs) + (offered.isVaried ? EULER : 0)) ** 2;
  }
  return Math.sqrt(sum / SEEDS);
}

test("[F11] constant times → leisure is known exactly, from the first answers on", () => {
  for (const answers of [40, 400]) {
    assert.ok(error({ meanMs: 80, everyMs: 50, isVaried: false, answers }) < 0.001, `${answers}`);
  }
});

test("[F11] exponential times → leisure is off by less than a third, however many calls are out at once", () => {
  for (const everyMs of [5, 20, 100]) {
    const found = error({ meanMs: 80, everyMs, isVaried: true, answers: 400 });
    assert.ok(found < 0.33, `${found.toFixed(2)}, a call every ${everyMs} ms`);
  }
});

test("[F11] callers leave at twice the mean → what is told of them makes leisure no quicker than it is", () => {
  const at = new SourceAt();
  const random = seededRandom("leaves");
  for (let call = 0; call < 300; call++) {
    const tookMs = Math.min(160, -80 * Math.log(1 - random.next()));
    at.noteTook(
      tookMs,
      Math.log(tookMs),
      at.noteSent(FIRST, call * 100),
      "idle",
      call * 100 + tookMs,
      Number.POSITIVE_INFINITY,
    );
  }
  // The mean of the lesser of an exponential time and twice its mean.
  const expected = 80 * (1 - Math.exp(-2));
  assert.ok(Math.abs(at.meanMs / expected - 1) < 0.2, `${at.meanMs}, expected ${expected}`);
});

test("[F11] it takes four times as long from now on → the mean follows after some 32 answers: a step is no variance", () => {
  const at = new SourceAt();
  for (let call = 0; call < 100; call++)
    at.noteTook(80, Math.log(80), at.noteSent(FIRST, call), "idle", call, Number.POSITIVE_INFINITY);
  for (let call = 0; call < 64; call++)
    at.noteTook(320, Math.log(320), false, "crowded", 100 + call, Number.POSITIVE_INFINITY);
  assert.ok(at.meanMs > 250, `${at.meanMs}`);
  assert.ok(Math.abs(at.leisureMs - 80) < 1, `nothing is learned of leisure in a crowd: ${at.leisureMs}`);
});

test("[F11] its first answers take 100 ms, and later ones ten times that → 100 ms is what they take at leisure; where it was shown that they take as long with fewer calls, what they take is", () => {
  const random = seededRandom("shown");
  for (const isShown of [false, true]) {
    const at = new SourceAt();
    const era = beginEra(0, isShown);
    for (let call = 0; call < 32; call++) {
      const tookMs = call < 8 && !isShown ? 100 : -1_000 * Math.log(1 - random.next());
      const isEarly = at.noteSent(era, call * 20);
      at.noteBeside(Math.log(tookMs), Math.log(20));
      at.noteTook(tookMs, Math.log(tookMs), isEarly, "busy", 3_000 + call, at.presumedLog(Math.log(20)));
    }
    // The mean of the logarithms of exponential times is that of 561 ms.
    if (isShown) assert.ok(at.leisureLog > Math.log(350), `${Math.exp(at.leisureLog)} ms`);
    else assert.ok(at.leisureLog < Math.log(110), `${Math.exp(at.leisureLog)} ms: its later calls may have crowded it`);
  }
});

test("[F11] the first answers of exponential times are no quicker than they are anyway → nor is what is presumed of leisure", () => {
  const random = seededRandom("presumed");
  let sum = 0;
  for (let run = 0; run < 200; run++) {
    const [at, era] = [new SourceAt(), beginEra(0, false)];
    for (let call = 0; call < 12; call++) {
      const tookMs = -1_000 * Math.log(1 - random.next());
      const isEarly = at.noteSent(era, call * 20);
      at.noteBeside(Math.log(tookMs), Math.log(20));
      at.noteTook(tookMs, Math.log(tookMs), isEarly, "busy", 3_000 + call, at.presumedLog(Math.log(20)));
    }
    sum += at.leisureLog;
  }
  assert.ok(Math.abs(sum / 200 - (Math.log(1_000) - EULER)) < 0.25, `${Math.exp(sum / 200)} ms, expected 561`);
});

test("[F11] none of its first calls is ever answered → after 64 others it is no longer judged by them, and leisure that was taken to be too short follows", () => {
  const at = new SourceAt();
  for (let call = 0; call < 32; call++) at.noteSent(FIRST, call);
  let nowMs = 1_000;
  const answered = (count: number): void => {
    for (let call = 0; call < count; call++, nowMs += 100) {
      at.noteTook(
        300,
        Math.log(300),
        at.noteSent(FIRST, nowMs),
        "busy",
        nowMs,
        at.isYoung ? Math.log(150) : Number.POSITIVE_INFINITY,
      );
    }
  };
  answered(63);
  assert.deepEqual([at.isYoung, at.leisureMs], [true, Number.POSITIVE_INFINITY]);
  answered(200);
  assert.equal(at.isYoung, false);
  assert.ok(at.leisureMs > 250, `${at.leisureMs}`);
});
