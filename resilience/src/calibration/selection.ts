/**
 * The lowest threshold of one trial that keeps false alarms as rare as required, and how reliable
 * that is.
 *
 * If the trace is long enough to prove the rate, a threshold is accepted if the upper confidence
 * bound on its false alarms is low enough. If it is not (no alarm in a time T still allows 3 / T),
 * the tail of the levels is fitted and continued (`tail-fit.ts`). It is continued to a rate ten
 * times rarer than required, if there is room for that, and the verdict says so. In both cases the
 * choice is then tested on parts of the trace that were not used for it: each tenth is judged by a
 * threshold chosen on the other nine. If these held-out tenths disagree, the choice is repeated for
 * a rarer rate. Alarms that come in clusters count as fewer independent ones (the variance of the
 * tenths divided by their mean), which widens the bound.
 */

import { poissonUpperBound, standardNormalPoint } from "./poisson-bounds.ts";
import { fitTail, type TailFit, tailMisfit, tailShareAtMost } from "./tail-fit.ts";
import { type CalibrationTrial, HIGHEST_LEVEL, LEVEL_STEP, TRIAL_BLOCKS } from "./trial.ts";

export interface Selection {
  /** The threshold. */
  readonly level: number;
  /** False alarms of this threshold in the whole trace. */
  readonly alarms: number;
  /** False alarms in held-out tenths, with thresholds chosen without them. */
  readonly heldOutAlarms: number;
  /** Upper confidence bound on the rate, from the held-out tenths. */
  readonly atMostPerMs: number;
  /**
   * Upper confidence bound on the rate from continuing the tail of the levels; undefined if that
   * was not needed.
   */
  readonly continuedPerMs: number | undefined;
  /** True if the held-out bound alone is as low as required. */
  readonly shown: boolean;
}

/** The thresholds that may be chosen. */
export interface LevelRange {
  readonly lowest: number;
  readonly highest: number;
  readonly step: number;
}

/** Thresholds of a phi detector that the gateway accepts, in steps that a person would use. */
export const PHI_LEVELS: LevelRange = { lowest: 1, highest: HIGHEST_LEVEL, step: 0.1 };

/**
 * A tail holds at most a fiftieth of the silences, and this many at most: the largest number with a
 * good fit is used.
 */
const TAIL_SHARE = 1 / 50;
const TAIL_SIZES: readonly number[] = [500, 250, 120, 60, 30];
/**
 * The factors by which a choice may be rarer than required, tried in this order, if the trace can
 * prove the rate.
 */
const PROVEN_FACTORS: readonly number[] = [1, 2, 4, 8, 16];
/**
 * The factors if it cannot: they include a margin for what so short a trace has not shown, unless
 * the time for detection is too short for it.
 */
const CONTINUED_FACTORS: readonly number[] = [10, 5, 2, 1];

/** The requirements on a threshold. */
export interface SelectionTerms {
  readonly alarmsPerMs: number;
  readonly confidence: number;
  /**
   * Upper bound on false alarms per ms that are missing from the levels' own tail when it is
   * continued to `level`, such as those that the ceiling causes. Default: none.
   */
  readonly addedPerMs?: (level: number) => number;
}

/** The lowest level of `range` that meets the terms; undefined if none does. */
export function selectThreshold(
  trial: CalibrationTrial,
  range: LevelRange,
  terms: SelectionTerms,
): Selection | undefined {
  const { alarmsPerMs, confidence } = terms;
  const whole = new Evidence(trial, undefined, terms);
  const others = Array.from({ length: TRIAL_BLOCKS }, (_, block) => new Evidence(trial, block, terms));
  for (const factor of whole.proves(alarmsPerMs) ? PROVEN_FACTORS : CONTINUED_FACTORS) {
    const level = whole.lowestLevel(range, alarmsPerMs / factor);
    if (level === undefined) continue;
    const perBlock = others.map((evidence, block) =>
      trial.alarms(block, evidence.lowestLevel(range, alarmsPerMs / factor) ?? range.highest),
    );
    const heldOutAlarms = perBlock.reduce((sum, alarms) => sum + alarms, 0);
    const clusters = clustering(perBlock);
    const atMostPerMs = (clusters * poissonUpperBound(heldOutAlarms / clusters, confidence)) / whole.watchedMs;
    const shown = atMostPerMs <= alarmsPerMs;
    const agrees = whole.proves(alarmsPerMs) ? shown : heldOutAlarms <= alarmsPerMs * whole.watchedMs;
    if (!agrees) continue;
    const continuedPerMs = shown ? undefined : whole.continuedPerMs(level);
    return { level, alarms: whole.alarms(level), heldOutAlarms, atMostPerMs, continuedPerMs, shown };
  }
  return undefined;
}

/** What is known about one threshold. */
export interface AlarmRate {
  readonly level: number;
  /** False alarms in the trace. */
  readonly counted: number;
  /** Upper bound per ms from continuing the tail. */
  readonly continuedPerMs: number;
  /** As counted; if none was counted, from continuing the tail. */
  readonly perMs: number;
}

export function alarmRates(
  trial: CalibrationTrial,
  levels: readonly number[],
  terms: Omit<SelectionTerms, "alarmsPerMs">,
): AlarmRate[] {
  const whole = new Evidence(trial, undefined, terms);
  return levels.map((level) => {
    const counted = whole.alarms(level);
    const continuedPerMs = whole.continuedPerMs(level);
    return { level, counted, continuedPerMs, perMs: counted > 0 ? counted / whole.watchedMs : continuedPerMs };
  });
}

/** The results of a trial, with or without one of its tenths. */
class Evidence {
  readonly watchedMs: number;
  readonly #trial: CalibrationTrial;
  readonly #without: number | undefined;
  readonly #confidence: number;
  readonly #addedPerMs: (level: number) => number;
  readonly #tail: Tail;

  constructor(
    trial: CalibrationTrial,
    without: number | undefined,
    { confidence, addedPerMs = () => 0 }: Omit<SelectionTerms, "alarmsPerMs">,
  ) {
    this.#trial = trial;
    this.#without = without;
    this.#confidence = confidence;
    this.#addedPerMs = addedPerMs;
    this.watchedMs = trial.watchedMs.reduce((sum, ms, block) => (block === without ? sum : sum + ms), 0);
    this.#tail = tailOf(blocksBut(without).map((block) => trial.lateCounts(block)));
  }

  alarms(level: number): number {
    let sum = 0;
    for (let block = 0; block < TRIAL_BLOCKS; block++) {
      if (block !== this.#without) sum += this.#trial.alarms(block, level);
    }
    return sum;
  }

  /** Would a trace without any alarm be sufficient proof? */
  proves(alarmsPerMs: number): boolean {
    return poissonUpperBound(0, this.#confidence) <= alarmsPerMs * this.watchedMs;
  }

  lowestLevel({ lowest, highest, step }: LevelRange, alarmsPerMs: number): number | undefined {
    const proves = this.proves(alarmsPerMs);
    const bearable = alarmsPerMs * this.watchedMs;
    const steps = Math.round((highest - lowest) / step);
    const willDo = (place: number): boolean => {
      const level = lowest + place * step;
      const alarms = this.alarms(level);
      if (alarms > bearable) return false;
      if (proves) return poissonUpperBound(alarms, this.#confidence) <= bearable;
      return this.continuedPerMs(level) <= alarmsPerMs;
    };
    // If a level is sufficient, all higher ones are.
    if (!willDo(steps)) return undefined;
    let low = -1;
    let high = steps;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (willDo(middle)) high = middle;
      else low = middle;
    }
    return Number((lowest + high * step).toPrecision(12));
  }

  /**
   * Upper bound on the rate at `level` by the fitted tail. Silences that reach every threshold are
   * added as counted.
   */
  continuedPerMs(level: number): number {
    const { fit, beginsAt, beyond } = this.#tail;
    const deviations = standardNormalPoint(this.#confidence);
    const hopeless = beyond === 0 ? 0 : poissonUpperBound(beyond, this.#confidence);
    if (fit === undefined) return Number.POSITIVE_INFINITY;
    const silences = hopeless + fit.excesses * tailShareAtMost(fit, level - beginsAt, deviations);
    return silences / this.watchedMs + this.#addedPerMs(level);
  }
}

interface Tail {
  readonly fit: TailFit | undefined;
  readonly beginsAt: number;
  /** Silences that reach every threshold, so that the ceiling declares them. */
  readonly beyond: number;
}

function tailOf(blocks: readonly Float64Array[]): Tail {
  const steps = (blocks[0] as Float64Array).length;
  const count = (step: number): number => blocks.reduce((sum, counts) => sum + (counts[step] as number), 0);
  const beyond = count(steps - 1);
  let all = 0;
  for (const counts of blocks) for (const silences of counts) all += silences;
  const smallest = TAIL_SIZES.at(-1) as number;
  const sizes = TAIL_SIZES.filter((size) => size <= Math.max(all * TAIL_SHARE, smallest));
  let tail: Tail = { fit: undefined, beginsAt: 0, beyond };
  for (const size of sizes) {
    const levels: number[] = [];
    const weights: number[] = [];
    let step = steps - 2;
    for (let taken = 0; step >= 0 && taken < size; step--) {
      const silences = count(step);
      if (silences === 0) continue;
      taken += silences;
      levels.push((step + 0.5) * LEVEL_STEP);
      weights.push(silences);
    }
    const beginsAt = (step + 1) * LEVEL_STEP;
    const excesses = levels.map((level) => level - beginsAt);
    const fit = fitTail(excesses, weights);
    tail = { fit, beginsAt, beyond };
    if (fit !== undefined && tailMisfit(fit, excesses, weights) <= 1) break;
  }
  return tail;
}

/**
 * How many alarms come together: the variance of the tenths divided by their mean, if there are
 * enough alarms; at least 1.
 */
function clustering(perBlock: readonly number[]): number {
  const sum = perBlock.reduce((total, alarms) => total + alarms, 0);
  if (sum < 5) return 1;
  const mean = sum / perBlock.length;
  const squares = perBlock.reduce((total, alarms) => total + (alarms - mean) ** 2, 0);
  return Math.max(1, squares / ((perBlock.length - 1) * mean));
}

function blocksBut(without: number | undefined): number[] {
  return Array.from({ length: TRIAL_BLOCKS }, (_, block) => block).filter((block) => block !== without);
}
