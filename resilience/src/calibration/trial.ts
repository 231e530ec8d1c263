/**
 * One detector, replayed over a trace. Just before each arrival, the trial reads the detector's
 * level. The node was alive, so any threshold at or below that level would have raised a false
 * alarm. One replay therefore counts the false alarms of *every* threshold at once. The counts are
 * kept separately for blocks of time, so that a threshold chosen on some blocks can be tested on
 * the others.
 *
 * The detector is the production one, behind its common interface (`DetectorMachine`): it learns
 * and forgets during the replay exactly as it would in service. Any further model can be tried in
 * the same way.
 */

import type { DetectorMachine, Heartbeat } from "../core/detection/detector.ts";
import type { CalibrationGoal } from "./goal.ts";
import type { HeartbeatTrace, NodeTrace } from "./heartbeat-trace.ts";

/** Number of blocks of time; each has a tenth of the trace. */
export const TRIAL_BLOCKS = 10;
/** Levels are counted in steps of this width … */
export const LEVEL_STEP = 0.02;
/**
 * … up to this level, the highest threshold that the gateway accepts. Higher levels count in the
 * last step.
 */
export const HIGHEST_LEVEL = 100;
const LEVEL_STEPS: number = Math.round(HIGHEST_LEVEL / LEVEL_STEP);
/**
 * Length of a stretch in beats. It is long compared with a detector's window, so that what was
 * learned in the previous stretch is soon forgotten.
 */
const STRETCH_BEATS = 10_000;
/** The wait of the detector is sampled at this many instants. */
const SILENCE_SAMPLES = 1_000;
/** Levels at which it is sampled; values in between are interpolated linearly. */
const SAMPLED_LEVELS: readonly number[] = [
  ...[0.1, 0.25, 0.5, 0.75],
  ...Array.from({ length: 31 }, (_, place) => 1 + place / 2),
  ...Array.from({ length: 28 }, (_, place) => 19 + 3 * place),
];

/** How long a silence lasts until it is declared, over the sampled instants. */
export interface SilenceFigures {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

interface Replayed {
  sequence: number | undefined;
  sentAtMs: number | undefined;
  incarnation: number;
}

export class CalibrationTrial {
  /** Time watched in each block, in ms. */
  readonly watchedMs: Float64Array = new Float64Array(TRIAL_BLOCKS);
  readonly #levels: Float64Array[] = emptyCounts();
  /**
   * Only silences without a lost beat, as far as is known: late beats have one smooth tail, lost
   * beats come in clusters of lengths.
   */
  readonly #lateLevels: Float64Array[] = emptyCounts();
  readonly #silences: number[][] = SAMPLED_LEVELS.map(() => []);
  readonly #machine: DetectorMachine;
  readonly #outageMs: number;
  readonly #startMs: number;
  readonly #blockMs: number;
  readonly #everyBeats: number;
  readonly #oneStretchIn: number;
  #seen = 0;
  readonly #figures: Map<number, SilenceFigures> = new Map();
  #cumulated: Float64Array[] | undefined;

  /**
   * `oneStretchIn`: use only one of this many stretches of beats, for a first estimate on a long
   * trace. Default 1: all of them.
   */
  constructor(
    machine: DetectorMachine,
    trace: HeartbeatTrace,
    { outageMs }: Pick<CalibrationGoal, "outageMs">,
    oneStretchIn: number = 1,
  ) {
    this.#oneStretchIn = oneStretchIn;
    const nodes = [...trace.nodes.values()];
    this.#machine = machine;
    this.#outageMs = outageMs;
    this.#startMs = nodes.reduce((first, { firstMs }) => Math.min(first, firstMs), Number.POSITIVE_INFINITY);
    const endMs = nodes.reduce((last, { lastMs }) => Math.max(last, lastMs), Number.NEGATIVE_INFINITY);
    this.#blockMs = Math.max((endMs - this.#startMs) / TRIAL_BLOCKS, Number.MIN_VALUE);
    this.#everyBeats = Math.max(1, Math.ceil(trace.beats / oneStretchIn / SILENCE_SAMPLES));
  }

  /** True if it used only a part of the trace. */
  get sampled(): boolean {
    return this.#oneStretchIn > 1;
  }

  /** Replays all that is known of one node through the detector. */
  replay(name: string, node: NodeTrace): void {
    const machine = this.#machine;
    // One object for all beats: a machine reads it and does not keep it. Missing numbers are
    // undefined.
    const beat: Replayed = { sequence: undefined, sentAtMs: undefined, incarnation: 0 };
    let sequence = 0;
    let untilSample = this.#everyBeats;
    let leftOut = false;
    node.forEach(({ arrivalMs, gapMs, missing, sentAtMs }) => {
      const stretch = Math.floor(this.#seen++ / STRETCH_BEATS);
      if (stretch % this.#oneStretchIn !== 0) {
        leftOut = true;
        return;
      }
      if (Number.isNaN(gapMs) || leftOut) {
        leftOut = false;
        beat.incarnation++;
        sequence = 0;
      } else if (gapMs < this.#outageMs)
        this.#noteGap(arrivalMs, gapMs, missing, machine.suspicionLevel(name, arrivalMs));
      sequence += missing + 1;
      if (node.numbered) beat.sequence = sequence;
      beat.sentAtMs = sentAtMs;
      machine.noteHeartbeat(name, beat as Heartbeat, arrivalMs);
      if (--untilSample > 0) return;
      untilSample = this.#everyBeats;
      for (const [place, level] of SAMPLED_LEVELS.entries()) {
        (this.#silences[place] as number[]).push((machine.whenLevel(name, level) as number) - arrivalMs);
      }
    });
    machine.forget(name);
  }

  /** Silences in a block that reached `level`. */
  alarms(block: number, level: number): number {
    this.#cumulated ??= this.#levels.map(fromTheTop);
    return this.#cumulated[block]?.[stepOf(level)] ?? 0;
  }

  /**
   * How many silences of a block ended at each step of levels, without silences over lost beats.
   */
  lateCounts(block: number): Float64Array {
    return this.#lateLevels[block] as Float64Array;
  }

  /** How long the detector waits before it reaches `level`; only valid after the last replay. */
  silence(level: number): SilenceFigures {
    const known = this.#figures.get(level);
    if (known !== undefined) return known;
    const figures = this.#silenceFigures(level);
    if (this.#figures.size < LEVEL_STEPS) this.#figures.set(level, figures);
    return figures;
  }

  #silenceFigures(level: number): SilenceFigures {
    const above = SAMPLED_LEVELS.findIndex((sampled) => sampled >= level);
    const high = above < 0 ? SAMPLED_LEVELS.length - 1 : above;
    const low = Math.max(0, high - 1);
    const [lowLevel, highLevel] = [SAMPLED_LEVELS[low] as number, SAMPLED_LEVELS[high] as number];
    const share = high === low ? 1 : Math.min(1, (level - lowLevel) / (highLevel - lowLevel));
    const highSilences = this.#silences[high] as number[];
    const sorted = (this.#silences[low] as number[])
      .map((silenceMs, place) => silenceMs + share * ((highSilences[place] as number) - silenceMs))
      .sort((left, right) => left - right);
    if (sorted.length === 0) return { meanMs: 0, p50Ms: 0, p99Ms: 0, longestMs: 0 };
    const at = (quantile: number): number => sorted[Math.ceil(quantile * sorted.length) - 1] as number;
    const meanMs = sorted.reduce((sum, silenceMs) => sum + silenceMs, 0) / sorted.length;
    return { meanMs, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
  }

  #noteGap(arrivalMs: number, gapMs: number, missing: number, level: number): void {
    const block = Math.min(Math.max(Math.floor((arrivalMs - this.#startMs) / this.#blockMs), 0), TRIAL_BLOCKS - 1);
    this.watchedMs[block] = (this.watchedMs[block] as number) + gapMs;
    const step = level >= HIGHEST_LEVEL ? LEVEL_STEPS : Math.floor(level / LEVEL_STEP);
    const counts = this.#levels[block] as Float64Array;
    counts[step] = (counts[step] as number) + 1;
    if (missing > 0) return;
    const late = this.#lateLevels[block] as Float64Array;
    late[step] = (late[step] as number) + 1;
  }
}

function emptyCounts(): Float64Array[] {
  return Array.from({ length: TRIAL_BLOCKS }, () => new Float64Array(LEVEL_STEPS + 1));
}

/** The step that begins at `level`. */
function stepOf(level: number): number {
  return Math.min(Math.round(level / LEVEL_STEP), LEVEL_STEPS);
}

/** For each step, the count of that step and all steps above. */
function fromTheTop(counts: Float64Array): Float64Array {
  const sums = Float64Array.from(counts);
  for (let step = sums.length - 2; step >= 0; step--) sums[step] = (sums[step] as number) + (sums[step + 1] as number);
  return sums;
}
