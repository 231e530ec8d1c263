/**
 * Calls that were answered with a failure, and that were not sent to another station because they
 * may not run twice, while their station serves others: does it fail a share of what it is given,
 * or would as many fail anywhere? New calls of the same source tell, at another station. If it
 * serves so many of them, one after the other or nearly, that chance does not explain it, as many
 * of the last that this station was given count against it as it failed.
 *
 * It is a sequential test of "an eighth as many fail there" against "as many" (Wald, 1945), because
 * whose requests are wrong by half finds one in two of them served anywhere.
 */
import { Uncompared } from "./uncompared.ts";

/**
 * A smaller share of failures, among so many of the last calls at most, is not worth a comparison.
 */
const WORTH_RATE = 0.2;
const LAST_CALLS = 40;
/** At a station that is well so many times fewer fail. */
const FEWER = 8;
/**
 * Chances of a wrong verdict: that it is the station is seldom wrong, because roles change for it.
 */
const AGAINST_FROM = Math.log(20_000);
const ALIKE_FROM = -Math.log(20);
/** As many fail anywhere: it is not asked again before so many more have failed. */
const REST_FAILURES = 500;

export class FailsSome {
  /** Of which sources they are. */
  readonly #failed: Uncompared = new Uncompared();
  /** Did each of the last calls fail? From the first failure on. */
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
   * Is it worth finding out whether another station serves a new call of `source`? Where nothing is
   * served, other evidence tells.
   */
  isWorthComparing(source: object): boolean {
    return this.#failed.isWorthComparing(source) && this.#last.includes(false);
  }

  /**
   * Another station served a call of `source`: so many of the last `calls` that this one was given
   * it failed; 0 while that is open.
   */
  noteServedBeside(source: object, calls: number): number {
    if (!this.isWorthComparing(source)) return 0;
    const rate = Math.min(this.#rate, 1 - 1 / calls);
    this.#likelihood += Math.log((1 - rate / FEWER) / (1 - rate));
    if (this.#likelihood < AGAINST_FROM) return 0;
    this.clear();
    return Math.round(rate * calls);
  }

  /** Another station did not serve such a call either. */
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
