/**
 * Calls that may not run twice, and that have taken longer than such calls ever do at their
 * station, while it serves others: is it the station, or would they take as long anywhere? No
 * second attempt of one can tell, but a new call can, at another station. If some are served there
 * in the usual time, as many count against this station, of the last that it was given, as were
 * late: a station of which one call in a hundred is late, as everywhere, is not failing. One alone
 * says too little: where half of the calls are much work all of a sudden, every second one is
 * served in time by any station.
 */
import { Uncompared } from "./uncompared.ts";

/** A smaller share of late calls is not worth a comparison. */
const WORTH_RATE = 0.2;
/** So many have to be served in time elsewhere, one after the other, and none late. */
const ENOUGH_IN_TIME = 3;

export class LateAlone {
  readonly #late: Uncompared = new Uncompared();
  #served = 0;
  #inTimeElsewhere = 0;

  get size(): number {
    return this.#late.size;
  }

  /** A call of `source` has become late. */
  note(source: object): void {
    this.#late.note(source);
  }

  /** The station served a call. */
  noteServed(): void {
    if (this.#late.size === 0) return;
    this.#served++;
    if (this.#rate < WORTH_RATE) this.clear();
  }

  /** Is it worth finding out whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#late.isWorthComparing(source);
  }

  /**
   * Another station served a call of `source` in time: so many of the last `calls` that this one
   * was given were late; 0 while too few were served in time to tell.
   */
  take(source: object, calls: number): number {
    if (!this.#late.isWorthComparing(source) || ++this.#inTimeElsewhere < ENOUGH_IN_TIME) return 0;
    const late = Math.min(this.#late.size, Math.round(this.#rate * calls));
    this.clear();
    return late;
  }

  clear(): void {
    this.#late.clear();
    this.#served = 0;
    this.#inTimeElsewhere = 0;
  }

  get #rate(): number {
    return this.#late.size / (this.#late.size + this.#served);
  }
}
