/**
 * Calls that may not run twice, and that take longer than such calls ever do at their station,
 * while it serves others. Is the station the reason, or would they take as long anywhere? A second
 * attempt is not allowed, so a new call at another station finds out. If some are served there in
 * the usual time, the failures count against this station in proportion to the late calls among its
 * last calls. A station with one late call in a hundred, which is normal, is not failing. One call
 * in time is not enough: if half of the calls suddenly need much work, any station serves every
 * second one in time.
 */
import { Uncompared } from "./uncompared.ts";

/** A smaller share of late calls is not worth a comparison. */
const WORTH_RATE = 0.2;
/** This many calls in a row must be served in time at another station, with none late. */
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

  /** Is it worth testing whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#late.isWorthComparing(source);
  }

  /**
   * Another station served a call of `source` in time. Returns how many of the last `calls` of this
   * station were late; 0 while too few were served in time to decide.
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
