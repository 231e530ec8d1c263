/**
 * Calls that were answered with a failure and not sent to another station, because they may not run
 * twice, while their station serves others. Does the station fail a share of its calls, or would as
 * many fail anywhere? New calls of the same source at another station find out. If it serves so
 * many of them that chance does not explain it, the failures count against this station in
 * proportion to its last calls.
 *
 * It is a sequential test of "an eighth as many fail there" against "as many" (Wald, 1945): a
 * caller with half of its requests wrong gets every second one served by any station, so a few
 * successes prove nothing.
 */
import { Uncompared } from "./uncompared.ts";

/** A smaller share of failures among the last `LAST_CALLS` calls is not worth a comparison. */
const WORTH_RATE = 0.2;
const LAST_CALLS = 40;
/** At a healthy station this many times fewer calls fail. */
const FEWER = 8;
/**
 * Chances of a wrong verdict. A verdict against the station must be wrong only rarely, because it
 * changes roles.
 */
const AGAINST_FROM = Math.log(20_000);
const ALIKE_FROM = -Math.log(20);
/** If as many fail at any station, the test is repeated only after this many more failures. */
const REST_FAILURES = 500;

export class FailsSome {
  /** The sources of the failed calls. */
  readonly #failed: Uncompared = new Uncompared();
  /** For each of the last calls, whether it failed; starts at the first failure. */
  #last: boolean[] = [];
  #likelihood = 0;
  #rest = 0;

  get size(): number {
    return this.#failed.size;
  }

  /** A call of `source` was answered with a failure. */
  note(source: object): void {
    if (this.#rest > 0) return void this.#rest--;
    this.#failed.note(source);
    this.#add(true);
  }

  /** The station served a call. */
  noteServed(): void {
    if (this.#failed.size === 0) return;
    this.#add(false);
    if (this.#rate < WORTH_RATE) this.clear();
  }

  /**
   * Is it worth testing whether another station serves a new call of `source`? If this station
   * serves nothing, other evidence decides.
   */
  isWorthComparing(source: object): boolean {
    return this.#failed.isWorthComparing(source) && this.#last.includes(false);
  }

  /**
   * Another station served a call of `source`. Returns how many of the last `calls` of this station
   * count as failed; 0 while the test is undecided.
   */
  noteServedBeside(source: object, calls: number): number {
    if (!this.isWorthComparing(source)) return 0;
    const rate = Math.min(this.#rate, 1 - 1 / calls);
    this.#likelihood += Math.log((1 - rate / FEWER) / (1 - rate));
    if (this.#likelihood < AGAINST_FROM) return 0;
    this.clear();
    return Math.round(rate * calls);
  }

  /** Another station failed such a call too. */
  noteFailedBeside(): void {
    if (this.#failed.size === 0) return;
    this.#likelihood -= Math.log(FEWER);
    if (this.#likelihood > ALIKE_FROM) return;
    this.clear();
    this.#rest = REST_FAILURES;
  }

  clear(): void {
    this.#failed.clear();
    this.#last = [];
    this.#likelihood = 0;
    this.#rest = 0;
  }

  #add(isFailure: boolean): void {
    this.#last.push(isFailure);
    if (this.#last.length > LAST_CALLS) this.#last.shift();
  }

  get #rate(): number {
    return this.#last.filter(Boolean).length / this.#last.length;
  }
}
