/**
 * Estimates how long the stations of a group take to answer, as far as a gateway may have learned
 * it from the same answers. The bounds lie on both sides of what a gateway may take for usual. It
 * also estimates how often calls are late while all is well.
 */
import type { Command } from "../../fleet/observer.ts";
import { sourceOf } from "../documented.ts";

/** At least this many attempts must be overdue. */
export const LEAST_OVERDUE = 2;
/** How many answers are remembered for the usual answer time. */
const ANSWERS = 100;
/**
 * A gateway may take an attempt for overdue once it is out for longer than this share of the last
 * answers took.
 */
const SURELY_QUICKER = 0.9;
/**
 * A gateway must take an attempt for overdue once it is out for this many times the slowest answer
 * ever seen, plus a margin, when enough answers are known.
 */
const SURELY_LATE_RATIO = 2.5;
const SURELY_LATE_MS = 20;
const ENOUGH_ANSWERS = 64;
/**
 * The most that a gateway may count as late once it has this many answers; and the prior share of
 * late calls, with its weight after a call that was not late (`first`) and after one that was
 * (`next`).
 */
const FEWEST_ANSWERS = 20;
const LATE = { ratio: 1.05, marginMs: 5 };
const PRIOR = { share: 0.005, first: 20, next: 6 };
/** Late calls in a row count as no accident if their chance is below this. */
const LEAST_CHANCE = 1e-6;
/** Rarer events count as impossible. */
const LEAST_SHARE = 0.001;

/** How long the stations of a group take to answer. */
export class UsualAnswers {
  readonly #lastMs: number[] = [];
  /** The same, the quickest first. Reads are more frequent than additions. */
  readonly #sortedMs: number[] = [];
  readonly #sources: Set<string> = new Set();
  #slowestMs = 0;
  #answers = 0;
  #late = 0;

  add(tookMs: number, command: Command): void {
    this.#answers++;
    this.#sources.add(sourceOf(command));
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    this.#lastMs.push(tookMs);
    this.#sortedMs.splice(placeOf(tookMs, this.#sortedMs), 0, tookMs);
    if (this.#lastMs.length <= ANSWERS) return;
    this.#sortedMs.splice(placeOf(this.#lastMs.shift() as number, this.#sortedMs), 1);
  }

  /** No gateway may take an attempt for overdue that is out for less. */
  get leastOverdueMs(): number {
    return this.#sortedMs[Math.floor(SURELY_QUICKER * (this.#sortedMs.length - 1))] ?? 0;
  }

  /**
   * Whether any command of its kind has been answered. If not, no gateway takes one for overdue.
   */
  knows(command: Command): boolean {
    return this.#sources.has(sourceOf(command));
  }

  /** An attempt has ended, in any way, and was out for `forMs`. */
  noteOut(forMs: number): void {
    if (this.#answers < FEWEST_ANSWERS) return;
    const usualMs = this.leastOverdueMs;
    if (forMs > Math.max(usualMs * LATE.ratio, usualMs + LATE.marginMs)) this.#late++;
  }

  /**
   * So many late calls in a row are enough for every gateway to rule out an accident, given how
   * many are late while all is well.
   */
  get surelyNoAccident(): number {
    const first = (PRIOR.share * PRIOR.first + this.#late) / (PRIOR.first + this.#answers);
    if (first < LEAST_SHARE) return LEAST_OVERDUE;
    const next = Math.max(first, (PRIOR.share * PRIOR.next + this.#late) / (PRIOR.next + this.#late));
    const more = Math.log(LEAST_CHANCE / first) / Math.log(next);
    return 1 + Math.max(0, Math.ceil(more));
  }

  /**
   * Every gateway must take an attempt for overdue that is out for longer; `Infinity` while too few
   * answers are known.
   */
  get mostOverdueMs(): number {
    if (this.#answers < ENOUGH_ANSWERS) return Number.POSITIVE_INFINITY;
    return SURELY_LATE_RATIO * this.#slowestMs + SURELY_LATE_MS;
  }
}

/** The index of the first of `sorted` that is not less than `value`. */
function placeOf(value: number, sorted: readonly number[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] as number) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
