/**
 * Promises [F10] and [F11] for services whose answers vary as those of most do (exponential service
 * times), for calls that come by chance, and for callers who wait for only a few times as long as
 * answers take. A station that is well is neither throttled nor replaced; one that hangs, with its
 * heartbeats alive, is replaced, and the other one serves at once all that it can; and one that is
 * given more than it can do, refuses nothing and goes on with what nobody waits for any more, does
 * not collapse. Each cell is a seeded run in virtual time, and the bounds are for all cells
 * together and for the worst one: chance differs from seed to seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../resilience/src/core/random.ts";
import { Crowded, type StationModel } from "../worlds/crowded.ts";
import type { Terms } from "../worlds/dispatching.ts";

const SEED = process.env["SEED"] ?? "2702003";
const REPLAY = `replay: SEED=${SEED} node --conditions=@gsf/source --test test/acceptance/varied-services.test.ts`;

interface Cell {
  readonly name: string;
  readonly workMs: number;
  readonly isVaried: boolean;
  /** Callers wait for so many times as long as an answer takes on the average. */
  readonly patience: number;
}

const CELLS: readonly Cell[] = [80, 300].flatMap((workMs) =>
  [false, true].flatMap((isVaried) =>
    [2, 5, 20].map((patience) => ({
      name: `${workMs} ms${isVaried ? " on the average" : ""}, patience ${patience} times that`,
      workMs,
      isVaried,
      patience,
    })),
  ),
);

/** Of what is answered at all, so much is answered in time where nobody has to wait. */
function bestShare({ isVaried, patience }: Cell): number {
  return isVaried ? 1 - Math.exp(-patience) : 1;
}

class Run {
  readonly world: Crowded;
  readonly #cell: Cell;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #terms: (place: number) => Terms;

  constructor(cell: Cell, model: Omit<StationModel, "workMs" | "drops">, kind: "keyed" | "plain") {
    const { workMs, isVaried } = cell;
    this.#cell = cell;
    this.#random = seededRandom(`${SEED} ${cell.name} ${kind} ${model.workers}`);
    const random = this.#random;
    const draw = (): number => (isVaried ? -workMs * Math.log(1 - random.next()) : workMs);
    const station = { ...model, workMs, draw, drops: false };
    this.world = new Crowded([station, station]);
    this.#terms = (place) => (kind === "keyed" ? { source: "route", key: `k${place}` } : { source: "route" });
  }

  /**
   * Offers calls, and returns how many a second are answered in time from second `fromS` on, as a
   * share of the best.
   */
  offer(seconds: number, perSecond: number, best: number, fromS = 0): number {
    const { goodput } = this.world.offer({
      forMs: seconds * 1_000,
      perSecond,
      patienceMs: this.#cell.patience * this.#cell.workMs,
      random: this.#random,
      terms: this.#terms,
    });
    const sum = goodput.slice(fromS).reduce((total, count) => total + count, 0);
    return sum / ((goodput.length - fromS) * best * bestShare(this.#cell));
  }
}

const AMPLE = { kind: "queue", workers: 10_000 } as const;

interface Least {
  /** Of the best, in each cell. */
  readonly each: number;
  /**
   * … where callers wait for twice as long as an answer takes, and every queue is nearly too long.
   */
  readonly eachHasty?: number;
  /** On the average of all cells. */
  readonly mean: number;
}

/** Fails unless the share of every cell, and that of all on the average, is at least so much. */
function assertShares(shares: ReadonlyMap<string, number>, { each, eachHasty = each, mean }: Least): void {
  const told = [...shares].map(([name, share]) => `${name}: ${share.toFixed(2)}`).join("; ");
  const found = [...shares.values()].reduce((sum, share) => sum + Math.min(1, share), 0) / shares.size;
  for (const [name, share] of shares)
    assert.ok(share >= (name.includes("patience 2 ") ? eachHasty : each), `${name}: ${share}. ${told}. ${REPLAY}`);
  assert.ok(found >= mean, `${found.toFixed(3)} on the average. ${told}. ${REPLAY}`);
}

for (const kind of ["keyed", "plain"] as const) {
  test(`[F10] [F11] ${kind} calls, all stations are well → nobody is throttled, and no role changes`, () => {
    const shares = new Map<string, number>();
    for (const cell of CELLS) {
      const run = new Run(cell, AMPLE, kind);
      shares.set(cell.name, run.offer(60, 50, 50, 1));
      assert.equal(run.world.roles.epoch, 1, `${cell.name}. ${REPLAY}`);
    }
    assertShares(shares, { each: 0.7, mean: 0.93 });
  });

  test(`[F1] [F6] ${kind} calls, the active station hangs → the other one serves, from three seconds later on nearly all`, () => {
    const shares = new Map<string, number>();
    for (const cell of CELLS) {
      const run = new Run(cell, AMPLE, kind);
      run.offer(30, 50, 50);
      run.world.workAt("north").isStopped = true;
      shares.set(cell.name, run.offer(20, 50, 50, 3));
      assert.ok(run.world.roles.epoch >= 2, `${cell.name}. ${REPLAY}`);
    }
    assertShares(shares, { each: 0.4, mean: 0.85 });
  });
}

for (const ratio of [1.3, 3]) {
  test(`[F11] ${ratio} times what a station can do, which refuses nothing → it does not collapse`, () => {
    const shares = new Map<string, number>();
    for (const cell of CELLS) {
      for (const model of [
        { kind: "shared", workers: 8 },
        { kind: "queue", workers: 20 },
      ] as const) {
        const run = new Run(cell, model, "keyed");
        const capacity = (model.workers * 1_000) / cell.workMs;
        run.offer(20, capacity / 2, capacity / 2);
        shares.set(
          `${model.kind}, ${model.workers} workers, ${cell.name}`,
          run.offer(40, ratio * capacity, capacity, 16),
        );
      }
    }
    assertShares(shares, { each: 0.4, eachHasty: 0.1, mean: 0.75 });
  });
}
