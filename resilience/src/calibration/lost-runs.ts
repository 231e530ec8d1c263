/**
 * How often runs of lost beats may come, including runs longer than any seen. The gaps of lost
 * beats form clusters, one for each number of beats, and a smooth tail that is continued beyond the
 * last cluster misses the next one. Instead, the runs are continued with the chance that a run goes
 * on by one beat more, at its upper confidence bound.
 *
 * If losses come in bursts, that chance grows with the run: single losses end at once, a burst goes
 * on (E. N. Gilbert, "Capacity of a burst-noise channel", 1960). So runs are continued from the
 * shortest length after which the trace no longer shows the chance to grow. Without sequence
 * numbers nothing is known about losses, and nothing is added.
 */
import { poissonLowerBound, poissonUpperBound } from "./poisson-bounds.ts";
import { LONGEST_COUNTED_RUN, type TrafficSummary } from "./traffic-summary.ts";

/**
 * Confidence at which longer runs are assumed to go on more often. It is deliberately low: a wrong
 * assumption costs a longer wait, a missed one breaks the promise. At 0.8, a third of the bounds
 * were too low for single losses of 2 % between bursts of five.
 */
const GROWTH_CONFIDENCE = 0.6;

/** Upper bounds on how often runs of lost beats come, from one trace. */
export class LostRuns {
  readonly #traffic: TrafficSummary;
  readonly #confidence: number;
  /** For each number: lost beats that came after the first that many of their runs. */
  readonly #wentOn: readonly number[];
  /**
   * The shortest run after which the chance to go on is no longer seen to grow, and an upper bound
   * on that chance.
   */
  readonly #anchor: number;
  readonly #goesOn: number;

  constructor(traffic: TrafficSummary, confidence: number) {
    this.#traffic = traffic;
    this.#confidence = confidence;
    const { lost, runsOfAtLeast } = traffic.loss ?? { lost: 0, runsOfAtLeast: [] };
    let left = lost;
    this.#wentOn = runsOfAtLeast.map((runs, length) => {
      if (length > 0) left -= runs;
      return left;
    });
    this.#anchor = this.#steady();
    this.#goesOn = this.#goesOnAtMost(this.#anchor);
  }

  /** Runs of at least `length` lost beats, per ms of one node. */
  perMs(length: number): number {
    const { loss, watchedMs } = this.#traffic;
    if (loss === undefined || loss.lost === 0 || watchedMs <= 0) return 0;
    if (length < 1) return Number.POSITIVE_INFINITY;
    const counted = this.#atMost(Math.min(length, LONGEST_COUNTED_RUN));
    if (length <= this.#anchor) return counted / watchedMs;
    return Math.min(counted, this.#atMost(this.#anchor) * this.#goesOn ** (length - this.#anchor)) / watchedMs;
  }

  #steady(): number {
    const longest = Math.min((this.#traffic.loss?.longestRun ?? 0) - 1, LONGEST_COUNTED_RUN);
    let anchor = 1;
    for (; anchor < longest; anchor++) {
      const most = this.#goesOnAtMost(anchor);
      let grows = false;
      for (let from = anchor + 1; from <= longest && !grows; from++) grows = this.#goesOnAtLeast(from) > most;
      if (!grows) break;
    }
    return anchor;
  }

  /**
   * Upper bound on the chance that a run of `from` beats or more goes on by another. Each beat of a
   * run from there on was followed by another lost beat or ended the run. Both counts give a bound;
   * the lower one is used.
   */
  #goesOnAtMost(from: number): number {
    const [on, ended] = [this.#wentOn[from] ?? 0, this.#runs(from)];
    const beats = Math.max(1, on + ended);
    const confidence = this.#confidence;
    return Math.min(poissonUpperBound(on, confidence) / beats, 1 - poissonLowerBound(ended, confidence) / beats);
  }

  /** Lower bound on the same chance. */
  #goesOnAtLeast(from: number): number {
    const on = this.#wentOn[from] ?? 0;
    return poissonLowerBound(on, GROWTH_CONFIDENCE) / (on + this.#runs(from));
  }

  #atMost(length: number): number {
    return poissonUpperBound(this.#runs(length), this.#confidence);
  }

  #runs(length: number): number {
    return this.#traffic.loss?.runsOfAtLeast[length] ?? 0;
  }
}

/**
 * The minimum number of lost beats whose gap may last `silenceMs`, allowing half an interval for
 * jitter.
 */
export function lostBeatsIn(silenceMs: number, intervalMs: number): number {
  return Math.max(1, Math.ceil(silenceMs / intervalMs - 1.5));
}
