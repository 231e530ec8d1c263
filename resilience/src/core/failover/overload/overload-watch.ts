/**
 * Decides whether the demand exceeds the capacity permanently. Waiting handles a short surge, or
 * the calls left by an outage: the queue is long, and shrinks. The overload is a lasting one if
 * calls have waited for two seconds without a longer interruption, and clearly more calls came than
 * were answered, both in these two seconds and in the last one. Then waiting does not help: each
 * admitted call displaces another, and all are answered late. So the queue is kept short: refusals
 * come at once, and admitted calls are answered soon. This works for any patience of the callers,
 * which need not be known.
 *
 * Delay alone, as in CoDel (Nichols and Jacobson, 2012), cannot distinguish the two cases: after a
 * surge the queue remains for many seconds although the station does more than is demanded. So
 * arrivals are compared with answers, as in Breakwater (Cho et al., OSDI 2020).
 */
import { RateWindow } from "../../guard/rate-window.ts";

/** If calls wait all the time, the answers in this window show the stations' full capacity. */
const FLOW_WINDOW_MS = 1_000;
/**
 * A surge that lasts longer than this is an overload: its queue is as long as most callers wait.
 */
const LASTING_MS = 2_000;
/** It must also last this many answer times: a slow station needs time to show how much it does. */
const LASTING_ROUNDS = 8;
/**
 * Clearly more means a tenth more, which is the cost of searching for a station's capacity, plus
 * the standard deviation of the count, so that chance at few calls a second does not look like
 * overload.
 */
const CLEAR_RATIO = 1.1;
/**
 * In a lasting overload the queue is as long as a call takes to answer, so that no place is ever
 * empty, but at least this.
 */
const MIN_STANDING_MS = 50;
/** Slices of the windows: totals are too low by at most a fortieth. */
const SLICES = 40;
/** A slice of the shorter window lies within one slice of the longer window. */
const SLICE_MS = FLOW_WINDOW_MS / SLICES;
const OFFERED = 0;
const ANSWERED = 1;

export class OverloadWatch {
  readonly #flow = new RateWindow(FLOW_WINDOW_MS, SLICES, 2);
  readonly #balance = new RateWindow(LASTING_MS, SLICES, 2);
  /**
   * Counts that are in neither window yet, and until when they belong to one slice of both. This
   * needs two counts a call instead of four.
   */
  #offered = 0;
  #answered = 0;
  #countedFromMs = 0;
  #countedUntilMs: number = Number.NEGATIVE_INFINITY;
  #isLasting = false;
  /** When this was last asked, because calls were waiting. */
  #askedAtMs: number = Number.NEGATIVE_INFINITY;

  noteOffered(nowMs: number): void {
    if (nowMs >= this.#countedUntilMs) this.#count(nowMs);
    this.#offered++;
  }

  noteAnswered(nowMs: number): void {
    if (nowMs >= this.#countedUntilMs) this.#count(nowMs);
    this.#answered++;
  }

  /**
   * Moves the counts since the last time into the windows; counts from now on belong to the slice
   * of `nowMs`.
   */
  #count(nowMs: number): void {
    for (const window of [this.#flow, this.#balance]) {
      if (this.#offered > 0) window.add(OFFERED, this.#countedFromMs, this.#offered);
      if (this.#answered > 0) window.add(ANSWERED, this.#countedFromMs, this.#answered);
    }
    this.#offered = 0;
    this.#answered = 0;
    this.#countedFromMs = nowMs;
    this.#countedUntilMs = (Math.floor(nowMs / SLICE_MS) + 1) * SLICE_MS;
  }

  /** Calls answered in the last second. */
  answeredPerSecond(nowMs: number): number {
    this.#count(nowMs);
    return this.#flow.total(ANSWERED, nowMs);
  }

  /**
   * Have calls waited since `queuedSinceMs`, for a station that began to serve at `begunAtMs`, long
   * enough to show its full capacity?
   */
  isFull(queuedSinceMs: number, begunAtMs: number, usualMs: number, nowMs: number): boolean {
    return nowMs - Math.max(queuedSinceMs, begunAtMs) >= FLOW_WINDOW_MS + usualMs;
  }

  /**
   * Is the overload a lasting one? Asked while calls wait. It begins if they have waited since
   * `queuedSinceMs`. It ends when the demand no longer exceeds the answers, when no call has waited
   * for as long, or when another station began to serve (`begunAtMs`). A station that answers
   * nothing at all is no measure.
   */
  isLasting(queuedSinceMs: number, begunAtMs: number, usualMs: number, nowMs: number): boolean {
    this.#count(nowMs);
    if (nowMs - this.#askedAtMs > LASTING_MS) this.#isLasting = false;
    this.#askedAtMs = nowMs;
    const fromMs = this.#isLasting ? begunAtMs : Math.max(queuedSinceMs, begunAtMs);
    const longMs = Math.max(LASTING_MS, LASTING_ROUNDS * usualMs);
    const forMs = nowMs - fromMs;
    // One bad second is not enough: while a station's limit is being searched for, it refuses now
    // and then. At few calls a second, distinguishing overload from chance takes twice as long.
    const isSoon = forMs >= longMs && isClearlyMore(this.#flow, 1, nowMs) && isClearlyMore(this.#balance, 0, nowMs);
    const isClear = isSoon || (forMs >= 2 * longMs && isClearlyMore(this.#balance, 0.5, nowMs));
    this.#isLasting = this.#isLasting ? forMs >= longMs && this.#isMore(nowMs) : isClear;
    return this.#isLasting;
  }

  #isMore(nowMs: number): boolean {
    const answered = this.#balance.total(ANSWERED, nowMs);
    return answered > 0 && this.#balance.total(OFFERED, nowMs) > answered;
  }

  /** How long a call may wait in a lasting overload. */
  standingMs(usualMs: number): number {
    return Math.max(MIN_STANDING_MS, usualMs);
  }
}

/** `deviations`: the margin, in standard deviations of the count. */
function isClearlyMore(window: RateWindow, deviations: number, nowMs: number): boolean {
  const answered = window.total(ANSWERED, nowMs);
  return answered > 0 && window.total(OFFERED, nowMs) > CLEAR_RATIO * answered + deviations * Math.sqrt(answered);
}
