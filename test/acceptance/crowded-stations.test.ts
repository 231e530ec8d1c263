/**
 * Promise [F11] for stations that refuse nothing: they queue what is too much, or share their
 * processor, and most of them go on with the work of callers who have left. Whatever is asked of
 * them for good, four fifths of what they can do are goodput, the rest is refused at once with an
 * honest `Retry-After`, nobody takes their slowness for a failure, and what was learned is
 * forgotten when the load has gone. What is slow for another reason is not throttled.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../resilience/src/core/random.ts";
import { Crowded, type CrowdFigures, type StationModel, WRONG } from "../worlds/crowded.ts";
import type { Terms } from "../worlds/dispatching.ts";

const MODELS: Readonly<Record<string, Omit<StationModel, "drops">>> = {
  "one worker with a queue, 20/s": { kind: "queue", workers: 1, workMs: 50 },
  "one worker with a queue, 100/s": { kind: "queue", workers: 1, workMs: 10 },
  "four workers with a queue, 20/s": { kind: "queue", workers: 4, workMs: 200 },
  "eight workers with a queue, 100/s": { kind: "queue", workers: 8, workMs: 80 },
  "a shared processor, 20/s": { kind: "shared", workers: 4, workMs: 200 },
  "a shared processor, 100/s": { kind: "shared", workers: 8, workMs: 80 },
};

const CALLS: Readonly<Record<string, (place: number) => Terms>> = {
  keyed: (place) => ({ source: "route", key: `k${place}` }),
  unkeyed: () => ({ source: "route" }),
  GET: () => ({ source: "route", isRepeatable: true, isIdempotent: true }),
  "of 16 routes": (place) => ({ source: `route ${place % 16}`, key: `k${place}` }),
};

/** Calls answered a second, from second `fromS` on. */
function goodput({ goodput: seconds }: CrowdFigures, fromS: number): number {
  return seconds.slice(fromS).reduce((sum, count) => sum + count, 0) / (seconds.length - fromS);
}

for (const [name, model] of Object.entries(MODELS)) {
  const capacity = (model.workers * 1_000) / model.workMs;
  for (const ratio of [1.3, 2, 5]) {
    for (const patienceMs of [1_000, 2_000]) {
      test(`[F11] ${name}, ${ratio} times that for good, callers wait ${patienceMs} ms → four fifths are goodput, the rest is refused early`, () => {
        for (const drops of [false, true]) {
          for (const [kind, terms] of Object.entries(CALLS)) {
            const told = `${drops ? "drops what nobody waits for" : "works for callers who left"}, calls ${kind}`;
            const world = new Crowded([
              { ...model, drops },
              { ...model, drops },
            ]);
            world.offer({ forMs: 3_000, perSecond: capacity / 2, patienceMs, terms });
            const over = world.offer({ forMs: 20_000, perSecond: capacity * ratio, patienceMs, terms });
            assert.equal(world.roles.epoch, 1, `${told}: overload is no failure`);
            const after = world.offer({ forMs: 8_000, perSecond: capacity * 0.8, patienceMs, terms });
            // The slowest to be found out is a third too much: its queue is as long as callers wait
            // only after seven seconds.
            assert.ok(goodput(over, 11) >= 0.8 * capacity, `${told}: ${over.goodput} of ${capacity}/s`);
            assert.ok(goodput(after, 5) >= 0.95 * 0.8 * capacity, `${told}: ${after.goodput} after it`);
            const refused = over.refused.filter(({ arrivedMs }) => arrivedMs >= 16_000);
            const late = refused.filter(({ tookMs }) => tookMs > 100);
            assert.ok(
              late.length <= Math.max(1, 0.02 * refused.length),
              `${told}: ${late.length} of ${refused.length} late`,
            );
            const longestMs = Math.max(0, ...over.refused.map(({ retryAfterMs }) => retryAfterMs));
            assert.ok(longestMs <= 10_000, `${told}: told to come back after ${longestMs} ms`);
          }
        }
      });
    }
  }
}

for (const wrongRatio of [0.5, 0.8]) {
  test(`[F11] ${100 * wrongRatio} % of the calls are wrong and answered at once, more of the others than can be served → four fifths are goodput`, () => {
    for (const [name, model] of Object.entries(MODELS)) {
      const capacity = (model.workers * 1_000) / model.workMs;
      const world = new Crowded([
        { ...model, drops: false },
        { ...model, drops: false },
      ]);
      const terms = (number: number): Terms => {
        const isWrong = Math.floor(number * wrongRatio) > Math.floor((number - 1) * wrongRatio);
        return isWrong ? { source: "wrong", key: `${WRONG} ${number}` } : { source: "route", key: `k${number}` };
      };
      const load = { patienceMs: Math.max(2_000, 5 * model.workMs), terms };
      world.offer({ forMs: 5 * model.workMs, perSecond: capacity / 2, ...load });
      const over = world.offer({ forMs: 40_000, perSecond: (2 * capacity) / (1 - wrongRatio), ...load });
      assert.equal(world.roles.epoch, 1, `${name}: overload is no failure`);
      assert.ok(goodput(over, 20) >= 0.8 * capacity, `${name}: ${over.goodput} of ${capacity}/s`);
    }
  });
}

/** A station that takes `workMs` however much it is given. */
function wide(workMs: number): StationModel {
  return { kind: "queue", workers: 10_000, workMs, drops: false };
}

test("[F11] a station becomes slower for good, with no more load → it is not throttled", () => {
  const world = new Crowded([wide(80), wide(80)]);
  // Calls that cannot be hedged: nothing but their own answers says anything of the station.
  const terms = (): Terms => ({ source: "route" });
  world.offer({ forMs: 5_000, perSecond: 100, patienceMs: 2_000, terms });
  // The other one would be no better.
  for (const { name } of world.stations) world.workAt(name).model = wide(250);
  const figures = world.offer({ forMs: 20_000, perSecond: 100, patienceMs: 2_000, terms });
  assert.deepEqual([figures.left, figures.refused.length, world.told("capacity-learned").length], [0, 0, 0]);
  assert.equal(world.roles.epoch, 1);
});

for (const slowMs of [300, 600]) {
  test(`[F11] both stations take ${slowMs} ms instead of 80 from one moment to the next → nobody is refused after five seconds`, () => {
    for (const perSecond of [20, 100, 200]) {
      const world = new Crowded([wide(80), wide(80)]);
      const load = { perSecond, patienceMs: 2_000, terms: (): Terms => ({ source: "route" }) };
      world.offer({ forMs: 10_000, ...load });
      for (const { name } of world.stations) world.workAt(name).model = wide(slowMs);
      world.offer({ forMs: 5_000, ...load });
      const figures = world.offer({ forMs: 20_000, ...load });
      assert.deepEqual([figures.left, figures.refused.length], [0, 0], `${perSecond}/s`);
    }
  });
}

for (const patienceMs of [2_500, 10_000]) {
  test(`[F11] half of a station's calls take 1.7 s more from one moment to the next, callers wait ${patienceMs} ms → hardly any is refused`, () => {
    const figures = [30, 60, 120, 200].flatMap((perSecond) =>
      [1, 2, 3, 4].map((seed) => {
        const random = seededRandom(`half ${perSecond} ${patienceMs} ${seed}`);
        let isSlow = false;
        const draw = (): number => 144 + 32 * random.next() + (isSlow && random.next() < 0.5 ? 1_700 : 0);
        const world = new Crowded([{ ...wide(160), draw }, wide(160)]);
        // No other one could help.
        world.declare("south", "down");
        const load = { perSecond, patienceMs, random, terms: (): Terms => ({ source: "route" }) };
        world.offer({ forMs: 10_000, ...load });
        isSlow = true;
        return { perSecond, seed, ...world.offer({ forMs: 40_000, ...load }) };
      }),
    );
    const hit = figures.filter(({ refused, left }) => refused.length + left > 0);
    const calls = figures.reduce((sum, run) => sum + run.calls, 0);
    const lost = hit.reduce((sum, { refused, left }) => sum + refused.length + left, 0);
    const told = hit.map(
      (run) => `${run.perSecond}/s, seed ${run.seed}: ${run.refused.length} refused, ${run.left} left`,
    );
    // Not none: where nothing was answered by chance for a moment, it is tried out, and its limit
    // begins where it was before.
    assert.ok(lost <= 0.01 * calls, `${lost} of ${calls}: ${told.join("; ")}`);
  });

  test(`[F11] six of a station's eight workers stop, callers wait ${patienceMs} ms → its limit is learned within five seconds`, () => {
    for (const seed of [1, 2, 3, 4]) {
      const random = seededRandom(`workers ${patienceMs} ${seed}`);
      const model: StationModel = { kind: "queue", workers: 8, workMs: 80, drops: false };
      const world = new Crowded([model, model]);
      world.declare("south", "down");
      const load = { perSecond: 70, patienceMs, random, terms: (): Terms => ({ source: "route" }) };
      world.offer({ forMs: 8_000, ...load });
      world.workAt("north").model = { ...model, workers: 2 };
      const figures = world.offer({ forMs: 30_000, ...load });
      const [learned] = world.told("capacity-learned");
      assert.ok(learned !== undefined && learned.atMs <= 13_000, `seed ${seed}: at ${learned?.atMs}`);
      assert.ok(goodput(figures, 15) >= 0.8 * 25, `seed ${seed}: ${figures.goodput}`);
    }
  });
}

/**
 * Calls that may be sent twice, by their keys or because they are idempotent; and calls that may
 * not.
 */
const KINDS: Readonly<Record<string, (place: number) => Terms>> = {
  keyed: (place) => ({ source: `caller ${place % 4}`, key: `k${place}` }),
  idempotent: (place) => ({ source: `caller ${place % 4}`, isIdempotent: true, isRepeatable: true }),
  "sent once": (place) => ({ source: `caller ${place % 4}` }),
};

for (const [kind, terms] of Object.entries(KINDS)) {
  test(`[F10] half of the primary's calls take longer than their callers wait, and the backup is idle, ${kind} → within eight seconds nearly all are served`, () => {
    for (const [perSecond, patienceMs] of [
      [10, 1_000],
      [30, 1_000],
      [200, 1_000],
      [30, 2_000],
    ] as const) {
      const random = seededRandom(`half beside an idle one ${perSecond} ${patienceMs}`);
      let isSlow = false;
      const draw = (): number => 100 + 20 * random.next() + (isSlow && random.next() < 0.5 ? patienceMs + 900 : 0);
      const world = new Crowded([{ ...wide(110), draw }, wide(110)]);
      const load = { perSecond, patienceMs, random, terms };
      world.offer({ forMs: 10_000, ...load });
      isSlow = true;
      const first = world.offer({ forMs: 8_000, ...load });
      const told = `${perSecond}/s, callers wait ${patienceMs} ms`;
      const lostAtFirst = first.left + first.refused.length;
      assert.ok(lostAtFirst <= 0.5 * first.calls, `${told}: ${lostAtFirst} of ${first.calls} lost at first`);
      const figures = world.offer({ forMs: 10_000, ...load });
      const lost = figures.left + figures.refused.length;
      assert.ok(lost <= 0.01 * figures.calls, `${told}: ${lost} of ${figures.calls} lost after that`);
    }
  });

  test(`[F10] as many are late as everywhere, beside an idle backup, ${kind} → no change of roles in ten minutes`, () => {
    for (const [name, draw] of Object.entries(DRAWS)) {
      const random = seededRandom(`late as everywhere ${name}`);
      const model: StationModel = { ...wide(100), draw: () => draw(random) };
      const world = new Crowded([model, model]);
      world.offer({ forMs: 600_000, perSecond: 10, patienceMs: 5_000, random, terms });
      assert.equal(world.told("promoted").length, 0, name);
    }
  });
}

test("[F10] a part of the calls, which may not be sent twice, is much work from one moment to the next, at both stations → no change of roles", () => {
  for (const perSecond of [30, 200]) {
    for (const share of [0.3, 0.5]) {
      const random = seededRandom(`much work ${perSecond} ${share}`);
      let isMuch = false;
      const draw = (): number => 100 + 20 * random.next() + (isMuch && random.next() < share ? 1_500 : 0);
      const model: StationModel = { ...wide(110), draw };
      const world = new Crowded([model, model]);
      const load = { perSecond, patienceMs: 10_000, random, terms: KINDS["sent once"] as (place: number) => Terms };
      world.offer({ forMs: 15_000, ...load });
      isMuch = true;
      const figures = world.offer({ forMs: 30_000, ...load });
      const told = `${perSecond}/s, ${share} of them`;
      assert.deepEqual([world.told("promoted").length, figures.left], [0, 0], told);
      assert.ok(figures.refused.length <= 0.01 * figures.calls, `${told}: ${figures.refused.length} refused`);
    }
  }
});

test("[F11] more than a primary can do, and the backup is idle: its answers would be quicker → the role does not move", () => {
  for (const workers of [1, 4, 16]) {
    for (const [kind, terms] of Object.entries(KINDS)) {
      for (const model of ["queue", "shared"] as const) {
        const station: StationModel = { kind: model, workers, workMs: 80, drops: false };
        const random = seededRandom(`too much beside an idle one ${model} ${kind}`);
        const world = new Crowded([station, station]);
        const capacity = (1_000 * workers) / 80;
        const load = { patienceMs: 2_000, random, terms };
        world.offer({ forMs: 10_000, perSecond: 0.6 * capacity, ...load });
        world.offer({ forMs: 20_000, perSecond: 1.5 * capacity, ...load });
        assert.equal(world.told("promoted").length, 0, `${workers} workers, ${model}, ${kind}`);
      }
    }
  }
});

/** How long services take, in ms: most of them not the same time twice. */
const DRAWS: Readonly<Record<string, (random: Random) => number>> = {
  "10 to 200 ms": (random) => 10 + 190 * random.next(),
  "exponential, 80 ms": (random) => exponential(random, 80),
  "exponential, 800 ms": (random) => exponential(random, 800),
  "lognormal, half of all below 40 ms and one in a thousand above 1.6 s": (random) =>
    40 * Math.exp(1.2 * normal(random)),
  "from a cache as a rule": (random) => (random.next() < 0.9 ? 5 : 300),
  "seldom from a cache": (random) => (random.next() < 0.1 ? 2 : 200),
};

function exponential(random: Random, meanMs: number): number {
  return -meanMs * Math.log(1 - random.next());
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

for (const [what, draw] of Object.entries(DRAWS)) {
  test(`[F11] answers take ${what}, and the stations have room → nobody is refused, no role changes`, () => {
    for (const perSecond of [5, 50, 200]) {
      for (let seed = 1; seed <= 4; seed++) {
        const random = seededRandom(`${what} ${perSecond} ${seed}`);
        const model = { ...wide(0), draw: () => draw(random) };
        const world = new Crowded([model, model]);
        const figures = world.offer({ forMs: 60_000, perSecond, patienceMs: 60_000 });
        const told = `${perSecond}/s, seed ${seed}: ${world.told("capacity-learned").length} times a capacity`;
        assert.deepEqual([figures.refused.length, world.roles.epoch], [0, 1], told);
      }
    }
  });
}

test("[F2] … and the other one is as quick as ever → that one is active within ten seconds, nobody is refused, and it stays", () => {
  const world = new Crowded([wide(80), wide(80)]);
  const terms = (): Terms => ({ source: "route" });
  const load = { perSecond: 100, patienceMs: 2_000, terms };
  world.offer({ forMs: 10_000, ...load });
  world.workAt("north").model = wide(300);
  const figures = world.offer({ forMs: 10_000, ...load });
  assert.deepEqual(
    world.told("promoted").map(({ station, cause }) => [station, cause]),
    [["south", "slowness"]],
  );
  const after = world.offer({ forMs: 60_000, ...load });
  assert.deepEqual([figures.left, figures.refused.length, after.left, after.refused.length], [0, 0, 0, 0]);
  assert.equal(world.roles.epoch, 2);
});

for (const slowMs of [120, 170, 200, 240, 300, 600, 1_200]) {
  test(`[F11] a station is made active again that takes ${slowMs} ms instead of 80 by now → it is given as much as it needs for that`, () => {
    for (const [kind, terms] of Object.entries(CALLS)) {
      const world = new Crowded([wide(80), wide(80)]);
      const load = { perSecond: 200, patienceMs: 2_000, terms };
      world.offer({ forMs: 5_000, ...load });
      assert.equal(world.dispatcher.switchover("south", "switchover", "test", world.nowMs), 2);
      world.workAt("north").model = wide(slowMs);
      world.offer({ forMs: 3_000, ...load });
      assert.equal(world.dispatcher.switchover("north", "switchover", "test", world.nowMs), 3);
      const figures = world.offer({ forMs: 15_000, ...load });
      assert.ok(goodput(figures, 3) >= 199, `${kind}: ${figures.goodput}`);
      assert.equal(figures.refused.length, 0, kind);
    }
  });
}

test("[F11] callers who wait 300 ms at an endpoint of half a second → no sign of load for the others", () => {
  const world = new Crowded([wide(500), wide(500)]);
  world.offer({ forMs: 3_000, perSecond: 50, patienceMs: 2_000 });
  for (let second = 0; second < 5; second++) {
    const hasty = world.offer({ forMs: 500, perSecond: 20, patienceMs: 300 });
    assert.equal(hasty.refused.length, 0);
    assert.equal(world.offer({ forMs: 1_500, perSecond: 50, patienceMs: 2_000 }).left, 0);
  }
  assert.equal(world.north.admission.limit, Number.POSITIVE_INFINITY);
});

for (const [what, loadMs] of [
  ["at leisure", 0],
  ["after an overload", 10_000],
] as const) {
  test(`[F1] a station that hangs ${what} → found as soon as ever`, () => {
    const model: StationModel = { kind: "queue", workers: 8, workMs: 80, drops: false };
    const world = new Crowded([model, model]);
    world.offer({ forMs: 4_000, perSecond: 50, patienceMs: 2_000 });
    if (loadMs > 0) world.offer({ forMs: loadMs, perSecond: 200, patienceMs: 2_000 });
    world.offer({ forMs: 5_000, perSecond: 50, patienceMs: 2_000 });
    world.workAt("north").isStopped = true;
    const atMs = world.nowMs;
    world.offer({ forMs: 3_000, perSecond: 50, patienceMs: 2_000 });
    const [promoted] = world.told("promoted");
    assert.ok(promoted !== undefined, "it answers nothing");
    const boundMs = loadMs === 0 ? 500 : 2_500;
    assert.ok(promoted.atMs - atMs <= boundMs, `after ${promoted.atMs - atMs} ms`);
  });
}

test("[F11] the primary is killed, and the backup queues what is too much → its limit does not grow past what it can do", () => {
  const backup: StationModel = { kind: "queue", workers: 8, workMs: 80, drops: false };
  const world = new Crowded([wide(80), backup]);
  const patienceMs = 2_000;
  world.offer({ forMs: 5_000, perSecond: 143, patienceMs });
  world.workAt("north").isStopped = true;
  world.declare("north", "down");
  const figures = world.offer({ forMs: 50_000, perSecond: 143, patienceMs });
  assert.equal(world.roles.active.name, "south");
  assert.ok(goodput(figures, 8) >= 80, `${figures.goodput}`);
  assert.ok(world.south.admission.limit <= 30, `limit ${world.south.admission.limit}`);
});
