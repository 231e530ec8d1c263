/**
 * The clocks of one simulated machine, derived from the world's true time: a monotonic one that may
 * run fast or slow but never goes back, and a calendar clock that can also be set. Real machines
 * have both, and code that measures a duration on the calendar clock is wrong on the day it is
 * corrected. A world shows such faults.
 */

/** The clocks of one machine: a monotonic axis and a calendar. Both may differ from true time. */
export class NodeClock {
  readonly #trueNowMs: () => number;
  /** Where the line through (true, local) begins; moved whenever its slope changes. */
  #anchorTrueMs: number;
  #anchorLocalMs: number;
  #rate = 1;
  /**
   * The clock is never behind this: an event that was promised for an instant happens at that
   * instant, despite rounding.
   */
  #floorMs: number;
  #wallOffsetMs: number;

  /**
   * `offsetMs`: how far the monotonic axis is from true time at first; `wallMs`: the calendar time
   * at that moment.
   */
  constructor(trueNowMs: () => number, offsetMs: number, wallMs: number) {
    this.#trueNowMs = trueNowMs;
    this.#anchorTrueMs = trueNowMs();
    this.#anchorLocalMs = this.#anchorTrueMs + offsetMs;
    this.#floorMs = this.#anchorLocalMs;
    this.#wallOffsetMs = wallMs - this.#anchorLocalMs;
  }

  /** The monotonic axis. */
  nowMs(): number {
    const localMs = this.#anchorLocalMs + (this.#trueNowMs() - this.#anchorTrueMs) * this.#rate;
    if (localMs > this.#floorMs) this.#floorMs = localMs;
    return this.#floorMs;
  }

  /** Its rate; 1 is true time. */
  get rate(): number {
    return this.#rate;
  }

  /** The calendar time of this machine, which may be wrong. */
  wallMs(): number {
    return this.nowMs() + this.#wallOffsetMs;
  }

  /** The true instant at which the monotonic axis reaches `localMs`; now if it already has. */
  trueAtMs(localMs: number): number {
    const trueNowMs = this.#trueNowMs();
    if (localMs === Number.POSITIVE_INFINITY) return localMs;
    return Math.max(trueNowMs, this.#anchorTrueMs + (localMs - this.#anchorLocalMs) / this.#rate);
  }

  /** Whether the monotonic axis reached `localMs` before this instant. */
  hasPassed(localMs: number): boolean {
    return this.#anchorTrueMs + (localMs - this.#anchorLocalMs) / this.#rate < this.#trueNowMs();
  }

  /** The monotonic axis has reached `localMs`, despite rounding. */
  reach(localMs: number): void {
    if (localMs > this.#floorMs) this.#floorMs = localMs;
  }

  /** Runs at `rate` of true time from now on: 1.0002 gains 200 ppm. Above 0. */
  setRate(rate: number): void {
    if (!(rate > 0 && rate < Number.POSITIVE_INFINITY))
      throw new RangeError(`a clock runs at a rate above 0, not ${rate}`);
    this.#anchorLocalMs = this.nowMs();
    this.#anchorTrueMs = this.#trueNowMs();
    this.#rate = rate;
  }

  /** The machine boots: the monotonic axis begins at `localMs`; the rate and the calendar stay. */
  reboot(localMs: number): void {
    const wallMs = this.wallMs();
    this.#anchorTrueMs = this.#trueNowMs();
    this.#anchorLocalMs = this.#floorMs = localMs;
    this.#wallOffsetMs = wallMs - localMs;
  }

  /** The calendar is set forward, or back if `byMs` is negative. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}
