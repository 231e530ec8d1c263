/**
 * Two stations that refuse nothing: what is more than they can do makes them slow. A FIFO queue in
 * front of workers, or one processor that all share, and most of them go on with the work of
 * callers who have left. Callers hang up after a while, and nobody tells the failover when. In
 * virtual time, in steps of a millisecond, around the pure dispatcher.
 */

import { OverloadedError } from "../../resilience/src/core/errors.ts";
import type { Attempt, Call } from "../../resilience/src/core/failover/call.ts";
import type { Random } from "../../resilience/src/core/random.ts";
import { Dispatching, type DispatchingOptions, type Terms } from "./dispatching.ts";

export interface StationModel {
  /**
   * `queue`: one job after the other at each worker; `shared`: all workers divide themselves among
   * all jobs.
   */
  readonly kind: "queue" | "shared";
  readonly workers: number;
  readonly workMs: number;
  /** The work of one call in ms, where it is not always the same. */
  readonly draw?: () => number;
  /** Is the work of a caller who has left dropped? Most stations never notice. */
  readonly drops: boolean;
}

/**
 * A call whose key begins so is answered with an error of its own at the next step: it is no work
 * for anybody.
 */
export const WRONG = "wrong";

interface Job {
  readonly attempt: Attempt;
  leftMs: number;
}

/** A station's work. */
class Workplace {
  model: StationModel;
  isStopped = false;
  jobs: Job[] = [];
  /** Calls that are wrong. */
  wrong: Attempt[] = [];
  executed = 0;

  constructor(model: StationModel) {
    this.model = model;
  }

  /** Works for a millisecond; returns what became ready. */
  step(): Attempt[] {
    if (this.isStopped) return [];
    const { kind, workers } = this.model;
    const busy = kind === "queue" ? this.jobs.slice(0, workers) : this.jobs;
    const each = kind === "queue" ? 1 : Math.min(1, workers / Math.max(1, this.jobs.length));
    const ready = this.wrong;
    this.wrong = [];
    for (const job of busy) {
      job.leftMs -= each;
      if (job.leftMs <= 1e-9) ready.push(job.attempt);
    }
    if (ready.length > 0) this.jobs = this.jobs.filter((job) => job.leftMs > 1e-9);
    this.executed += ready.length;
    return ready;
  }
}

export interface Offered {
  readonly forMs: number;
  readonly perSecond: number;
  /** Callers hang up after so long. */
  readonly patienceMs: number;
  /** Calls come by chance, as from many callers; without it evenly. */
  readonly random?: Random;
  readonly terms?: (place: number) => Terms;
}

export interface CrowdFigures {
  readonly calls: number;
  /** Calls that were answered while somebody waited for them, in each second. */
  readonly goodput: readonly number[];
  /** How long after their arrival calls were refused, and when they had arrived. */
  readonly refused: readonly { readonly arrivedMs: number; readonly tookMs: number; readonly retryAfterMs: number }[];
  readonly tookMs: readonly number[];
  readonly left: number;
}

export class Crowded extends Dispatching {
  readonly work: Map<string, Workplace>;
  #sent = 0;
  #looked = 0;

  constructor(models: readonly StationModel[], options: DispatchingOptions = {}) {
    super({
      stations: models.map(() => ({ timeoutMs: 60_000 })),
      maxWaiting: 10_000,
      ...options,
    });
    this.work = new Map(this.stations.map(({ name }, number) => [name, new Workplace(models[number] as StationModel)]));
  }

  workAt(name: string): Workplace {
    return this.work.get(name) as Workplace;
  }

  /** What is offered, and what became of it; the figures count seconds from now. */
  offer({ forMs, perSecond, patienceMs, random, terms = keyed }: Offered): CrowdFigures {
    const fromMs = this.nowMs;
    const goodput = new Array<number>(Math.ceil(forMs / 1_000)).fill(0);
    const refused: { arrivedMs: number; tookMs: number; retryAfterMs: number }[] = [];
    const tookMs: number[] = [];
    let waiting: Call[] = [];
    let calls = 0;
    let left = 0;
    let nextMs = 0;
    for (let atMs = 0; atMs < forMs; atMs++) {
      while (nextMs < atMs) {
        waiting.push(this.submit(terms(++this.#sent)));
        calls++;
        if (random === undefined) nextMs = (1_000 * calls) / perSecond;
        else nextMs -= (1_000 / perSecond) * Math.log(1 - random.next());
      }
      this.step();
      const still: Call[] = [];
      for (const call of waiting) {
        const ageMs = this.nowMs - call.arrivedMs;
        if (this.settled.get(call) === undefined && ageMs >= patienceMs) {
          this.input({ type: "cancel", call, reason: "gone" });
          left++;
        }
        const end = this.settled.get(call);
        if (end === undefined) still.push(call);
        else if ("value" in end) {
          goodput[Math.floor((this.nowMs - 1 - fromMs) / 1_000)]!++;
          tookMs.push(ageMs);
        } else if (end.error instanceof OverloadedError) {
          refused.push({
            arrivedMs: call.arrivedMs - fromMs,
            tookMs: ageMs,
            retryAfterMs: end.error.retryAfterMs ?? 0,
          });
        }
      }
      waiting = still;
      this.#follow();
    }
    return { calls, goodput, refused, tookMs, left };
  }

  /** One millisecond. */
  step(): void {
    this.advance(1);
    this.#follow();
    for (const { name } of this.stations) {
      const place = this.workAt(name);
      for (const attempt of place.step()) {
        if (this.out.includes(attempt)) this.end(attempt, isWrong(attempt) ? "failed" : "served");
      }
    }
    this.#follow();
  }

  /** What was sent is work for its station; who is recalled has closed the connection. */
  #follow(): void {
    for (; this.#looked < this.actions.length; this.#looked++) {
      const action = this.actions[this.#looked];
      if (action?.type === "send") {
        const { attempt } = action;
        const place = this.workAt(attempt.station.name);
        const { workMs, draw } = place.model;
        if (isWrong(attempt)) place.wrong.push(attempt);
        else place.jobs.push({ attempt, leftMs: draw?.() ?? workMs });
      } else if (action?.type === "recall" && this.out.includes(action.attempt)) {
        const place = this.workAt(action.attempt.station.name);
        if (place.model.drops) place.jobs = place.jobs.filter(({ attempt }) => attempt !== action.attempt);
        this.end(action.attempt, "lost");
      }
    }
  }
}

function isWrong({ call }: Attempt): boolean {
  return call.idempotencyKey?.startsWith(WRONG) === true;
}

function keyed(place: number): Terms {
  return { source: "route", key: `k${place}` };
}
