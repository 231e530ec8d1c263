/**
 * How long the stations of a group take to answer, as far as a gateway may have learned it from the
 * same answers; the bounds are on either side of what it may take for usual. And how often calls
 * are late while all is well.
 */
import type { Command } from "../../fleet/observer.ts";
import { sourceOf } from "../documented.ts";

/** So many attempts have to be overdue. */
export const LEAST_OVERDUE = 2;
/** Answers that are remembered to tell what is usual. */
const ANSWERS = 100;
/**
 * An attempt is overdue once it is out for longer than nearly all of them: at least than this share
 * of the last.
 */
const SURELY_QUICKER = 0.9;
/**
 * And surely overdue where it is out for so many times the slowest answer ever seen, once so many
 * are known.
 */
const SURELY_LATE_RATIO = 2.5;
const SURELY_LATE_MS = 20;
const ENOUGH_ANSWERS = 64;
/**
 * What is late at most for a gateway, which knows by so many answers how long is usual; and how
 * often one is after one that was not, and after one that was, before any was seen.
 */
const FEWEST_ANSWERS = 20;
const LATE = { ratio: 1.05, marginMs: 5 };
const PRIOR = { share: 0.005, first: 20, next: 6 };
/** So small is the chance that what is late in a row is so by accident. */
const LEAST_CHANCE = 1e-6;
/** What happens more rarely never happens. */
const LEAST_SHARE = 0.001;

/** How long the stations of a group take to answer. */
export class UsualAnswers {
  readonly #lastMs: number[] = [];
  /** The same, the quickest first: it is asked for more often than one is added. */
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

  /** Has any command of its kind been answered? Otherwise no gateway takes one for overdue. */
  knows(command: Command): boolean {
    return this.#sources.has(sourceOf(command));
  }

  /** An attempt has ended, however it did, and was out for so long. */
  noteOut(forMs: number): void {
    if (this.#answers < FEWEST_ANSWERS) return;
    const usualMs = this.leastOverdueMs;
    if (forMs > Math.max(usualMs * LATE.ratio, usualMs + LATE.marginMs)) this.#late++;
  }

  /**
   * No gateway needs more late ones in a row to know that they are no accident, by how many are
   * while all is well.
   */
  get surelyNoAccident(): number {
    const first = (PRIOR.share * PRIOR.first + this.#late) / (PRIOR.first + this.#answers);
    if (first < LEAST_SHARE) return LEAST_OVERDUE;
    const next = Math.max(first, (PRIOR.share * PRIOR.next + this.#late) / (PRIOR.next + this.#late));
    const more = Math.log(LEAST_CHANCE / first) / Math.log(next);
    return 1 + Math.max(0, Math.ceil(more));
  }

  /**
   * Every gateway has to take an attempt for overdue that is out for longer; `Infinity` while too
   * little is known.
   */
  get mostOverdueMs(): number {
    if (this.#answers < ENOUGH_ANSWERS) return Number.POSITIVE_INFINITY;
    return SURELY_LATE_RATIO * this.#slowestMs + SURELY_LATE_MS;
  }
}

/** The place of the first of `sorted` that is not less than `value`. */
function placeOf(value: number, sorted: readonly number[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] as number) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
