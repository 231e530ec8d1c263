/**
 * Promises [F6], [F10] and [F11] for stations that take any number of calls at once, and more time
 * for each from one moment to the next: the database behind them is slow, or the backup is. No
 * limit helps there; one that was set because answers take long has to go before it refuses much.
 * And for new processes, which have seen only the quick half of what is usual. Each cell is a
 * seeded run in virtual time; bounds are for the mean of all cells and for the worst one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../resilience/src/core/random.ts";
import { Crowded, type CrowdFigures, type StationModel } from "../worlds/crowded.ts";
import type { Terms } from "../worlds/dispatching.ts";

const SEED = process.env["SEED"] ?? "3011";
const REPLAY = `replay: SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/slower-services.test.ts`;

type Shape = "exponential" | "lognormal" | "two kinds" | "constant";

/** How long a call takes: `meanMs` on the average. */
const SHAPES: Readonly<Record<Shape, (meanMs: number, random: Random) => number>> = {
  exponential: (meanMs, random) => -meanMs * Math.log(1 - random.next()),
  lognormal: (meanMs, random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return meanMs * Math.exp(normal - 0.5);
  },
  "two kinds": (meanMs, random) => (random.next() < 0.1 ? 5.5 : 0.5) * meanMs,
  constant: (meanMs) => meanMs,
};

/** A station that works on everything at once. */
function wide(shape: Shape, meanMs: number, random: Random): StationModel {
  return { kind: "queue", workers: 1e6, workMs: meanMs, draw: () => SHAPES[shape](meanMs, random), drops: false };
}

/** A third each: repeatable without a key, keyed, and sent once. */
function mixed(place: number): Terms {
  const source = `caller ${place % 4}`;
  if (place % 3 === 0) return { source, isIdempotent: true, isRepeatable: true };
  return place % 3 === 1 ? { source, key: `k${place}` } : { source };
}

/**
 * Of the calls from second `fromS` on, the share that was answered in time, of those that can be.
 */
function served(
  { calls, goodput }: CrowdFigures,
  fromS: number,
  shape: Shape,
  meanMs: number,
  patienceMs: number,
): number {
  const random = seededRandom("possible");
  const draws = Array.from({ length: 5_000 }, () => SHAPES[shape](meanMs, random));
  const possible = draws.filter((ms) => ms < patienceMs).length / draws.length;
  const good = goodput.slice(fromS).reduce((sum, count) => sum + count, 0);
  return Math.min(1, good / (((calls * (goodput.length - fromS)) / goodput.length) * possible));
}

interface Cell {
  readonly shape: Shape;
  readonly perSecond: number;
  readonly patienceMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

function* cells(times: readonly (readonly [number, number])[], patience: readonly number[]): Generator<Cell> {
  for (const shape of Object.keys(SHAPES) as Shape[])
    for (const perSecond of [10, 50, 150])
      for (const [fromMs, toMs] of times)
        for (const patienceMs of patience) yield { shape, perSecond, patienceMs, fromMs, toMs };
}

/** Runs each cell, and holds the shares that were served against the bounds. */
function judge(
  all: Iterable<Cell>,
  least: { mean: number; each: number },
  run: (cell: Cell, random: Random) => number,
): void {
  const shares: { name: string; share: number }[] = [];
  for (const cell of all) {
    const name = JSON.stringify(cell);
    shares.push({ name, share: run(cell, seededRandom(`${SEED} ${name}`)) });
  }
  shares.sort((one, other) => one.share - other.share);
  const mean = shares.reduce((sum, { share }) => sum + share, 0) / shares.length;
  const worst = shares.slice(0, 3).map(({ name, share }) => `${share.toFixed(2)} in ${name}`);
  assert.ok(mean >= least.mean, `${mean.toFixed(3)} served on the average; worst ${worst.join("; ")}; ${REPLAY}`);
  assert.ok((shares[0]?.share ?? 0) >= least.each, `worst: ${worst.join("; ")}; ${REPLAY}`);
}

for (const both of [true, false]) {
  test(`[F11] ${both ? "both stations" : "the active station"} become five to twenty times slower, and take any number → it is not throttled for long`, () => {
    const times = [
      [60, 300],
      [60, 600],
      [20, 400],
    ] as const;
    judge(
      cells(times, [2_000, 10_000]),
      { mean: 0.9, each: 0.4 },
      ({ shape, perSecond, patienceMs, fromMs, toMs }, random) => {
        const world = new Crowded([wide(shape, fromMs, random), wide(shape, fromMs, random)], { isNew: true });
        const load = { perSecond, patienceMs, random, terms: mixed };
        world.offer({ forMs: 6_000, ...load });
        for (const { name } of both ? world.stations : [world.north])
          world.workAt(name).model = wide(shape, toMs, random);
        return served(world.offer({ forMs: 14_000, ...load }), 0, shape, both ? toMs : fromMs, patienceMs);
      },
    );
  });
}

test("[F11] the active station becomes slower and slower, up to three seconds, and the backup does not → what one cannot take goes to the other", () => {
  const slopes = [50, 200, 500, 1_000, 3_000].map((perSecondMs) => [20, perSecondMs] as const);
  const quick = (random: Random): number => 20 + 5 * random.next();
  const model = (draw: () => number): StationModel => ({ kind: "queue", workers: 1e6, workMs: 20, draw, drops: false });
  judge(
    [...cells(slopes, [5_000])].filter(({ shape }) => shape === "constant"),
    { mean: 0.99, each: 0.95 },
    ({ perSecond, patienceMs, toMs }, random) => {
      let fromMs = Number.POSITIVE_INFINITY;
      const growing = (): number =>
        quick(random) + Math.min(3_000, (Math.max(0, world.nowMs - fromMs) * toMs) / 1_000 || 0);
      const world: Crowded = new Crowded([model(growing), model(() => quick(random))], { isNew: true });
      const load = { perSecond, patienceMs, random, terms: mixed };
      world.offer({ forMs: 6_000, ...load });
      fromMs = world.nowMs;
      const { calls, left, refused } = world.offer({ forMs: 12_000, ...load });
      return 1 - (left + refused.length) / calls;
    },
  );
});

test("[F6] the backup is ten to fifty times slower than the primary was, and takes any number → it is given what it needs", () => {
  const times = [
    [20, 200],
    [20, 1_000],
    [60, 600],
  ] as const;
  judge(
    cells(times, [2_000, 4_000, 10_000]),
    { mean: 0.9, each: 0.05 },
    ({ shape, perSecond, patienceMs, fromMs, toMs }, random) => {
      const world = new Crowded([wide(shape, fromMs, random), wide(shape, toMs, random)], { isNew: true });
      const load = { perSecond, patienceMs, random, terms: mixed };
      world.offer({ forMs: 6_000, ...load });
      world.workAt("north").isStopped = true;
      return served(world.offer({ forMs: 18_000, ...load }), 4, shape, toMs, patienceMs);
    },
  );
});

test("[F1] the primary hangs a second after its first call → the backup serves within seconds, whatever its answers take", () => {
  for (const hangsAfterMs of [300, 1_200, 2_500]) {
    judge(
      cells([[60, 60]], [2_000, 10_000]),
      { mean: 0.9, each: 0.25 },
      ({ shape, perSecond, patienceMs, fromMs }, random) => {
        const world = new Crowded([wide(shape, fromMs, random), wide(shape, fromMs, random)], { isNew: true });
        const load = { perSecond, patienceMs, random, terms: mixed };
        world.offer({ forMs: hangsAfterMs, ...load });
        world.workAt("north").isStopped = true;
        return served(world.offer({ forMs: 8_000, ...load }), 0, shape, fromMs, patienceMs);
      },
    );
  }
});

test("[F2] each tenth or fifth call takes 2 s and the others 10 ms, from the first one on → hardly ever a change of roles", () => {
  let moved = 0;
  for (const perSecond of [20, 50, 100])
    for (const slow of [0.1, 0.2])
      for (const patienceMs of [2_000, 2_500, 5_000])
        for (let run = 0; run < 6; run++) {
          const random = seededRandom(`${SEED} ${perSecond} ${slow} ${patienceMs} ${run}`);
          const draw = (): number => (random.next() < slow ? 2_000 : 10);
          const model: StationModel = { kind: "queue", workers: 1e6, workMs: 10, draw, drops: false };
          const world = new Crowded([model, model], { isNew: true });
          world.offer({ forMs: 8_000, perSecond, patienceMs, random, terms: mixed });
          if (world.roles.epoch > 1) moved++;
        }
  assert.ok(moved <= 10, `${moved} of 108 starts end in a change of roles; ${REPLAY}`);
});
