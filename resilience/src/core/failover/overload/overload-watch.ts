/**
 * Is more asked for than is answered, and for good? A short surge, or what an outage left behind,
 * is ridden out by waiting: its queue is long, and shrinks. Where calls have waited for two seconds
 * without a break to speak of, and in both, and in the last of them, clearly more came than were
 * answered, waiting mends nothing: a call that is let in displaces another, and all are answered
 * late. Then the queue is kept short instead, so that a refusal is told at once and what is let in
 * is answered soon, whatever callers are willing to wait, which nobody has to know for it.
 *
 * Delay alone, as in CoDel (Nichols and Jacobson, 2012), would not tell the two apart: after a
 * surge the queue stands for many seconds although the station does more than is asked for. So
 * arrivals are compared with answers, as Breakwater (Cho et al., OSDI 2020) does it.
 */
import { RateWindow } from "../../guard/rate-window.ts";

/** What is answered in so long is all that the stations do, where calls wait all the time. */
const FLOW_WINDOW_MS = 1_000;
/**
 * A surge that lasts longer than this is no surge: the queue that it leaves is as long as most
 * callers wait.
 */
const LASTING_MS = 2_000;
/**
 * … and so many answer times: a station that is slow to answer is slow to show how much it does.
 */
const LASTING_ROUNDS = 8;
/**
 * Clearly more: a tenth, which is what looking for a station's capacity costs, and the standard
 * deviation of what came by chance, so that at few calls a second no accident is taken for
 * overload.
 */
const CLEAR_RATIO = 1.1;
/**
 * The queue of a lasting overload is as long as a call takes to answer, so that no place is ever
 * left empty, but at least this.
 */
const MIN_STANDING_MS = 50;
/** Slices of the windows: totals are a fortieth too low at most. */
const SLICES = 40;
/** A slice of the shorter window lies within one of the longer. */
const SLICE_MS = FLOW_WINDOW_MS / SLICES;
const OFFERED = 0;
const ANSWERED = 1;

export class OverloadWatch {
  readonly #flow = new RateWindow(FLOW_WINDOW_MS, SLICES, 2);
  readonly #balance = new RateWindow(LASTING_MS, SLICES, 2);
  /**
   * What is counted in neither yet, and until when it belongs to one slice of both: two counts a
   * call instead of four.
   */
  #offered = 0;
  #answered = 0;
  #countedFromMs = 0;
  #countedUntilMs: number = Number.NEGATIVE_INFINITY;
  #isLasting = false;
  /** When somebody last asked, because calls wait. */
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
   * Puts what has come since the last time into the windows; what comes from now on belongs to the
   * slice of `nowMs`.
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
   * Have calls waited since `queuedSinceMs` for a station that began to serve at `begunAtMs`, long
   * enough to show all that it does?
   */
  isFull(queuedSinceMs: number, begunAtMs: number, usualMs: number, nowMs: number): boolean {
    return nowMs - Math.max(queuedSinceMs, begunAtMs) >= FLOW_WINDOW_MS + usualMs;
  }

  /**
   * Is the overload a lasting one? Asked while calls wait. It begins where they have waited since
   * `queuedSinceMs`, and ends when no more is asked for than is answered, when no call has waited
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
    // One poor second is none: while a station's limit is looked for, it refuses now and then. At
    // few calls a second it takes twice as long to tell an overload from chance.
    const isSoon = forMs >= longMs && isClearlyMore(this.#flow, 1, nowMs) && isClearlyMore(this.#balance, 0, nowMs);
    const isClear = isSoon || (forMs >= 2 * longMs && isClearlyMore(this.#balance, 0.5, nowMs));
    this.#isLasting = this.#isLasting ? forMs >= longMs && this.#isMore(nowMs) : isClear;
    return this.#isLasting;
  }

  #isMore(nowMs: number): boolean {
    const answered = this.#balance.total(ANSWERED, nowMs);
    return answered > 0 && this.#balance.total(OFFERED, nowMs) > answered;
  }

  /** How long a call may have to wait in a lasting overload. */
  standingMs(usualMs: number): number {
    return Math.max(MIN_STANDING_MS, usualMs);
  }
}

/** `deviations`: by how many standard deviations of what came by chance. */
function isClearlyMore(window: RateWindow, deviations: number, nowMs: number): boolean {
  const answered = window.total(ANSWERED, nowMs);
  return answered > 0 && window.total(OFFERED, nowMs) > CLEAR_RATIO * answered + deviations * Math.sqrt(answered);
}
