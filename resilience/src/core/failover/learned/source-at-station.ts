/**
 * What is known about one source of calls at one station: when it was last served, failed or
 * refused there, and how long its answers take recently, at leisure and in quiet times. Means are
 * means of logarithms. They cover more answers if the times vary more: the error of a mean of `n`
 * answers is their deviation divided by the root of `n`. The variance is half the mean square of
 * the difference between one answer and the next (von Neumann, 1941), which does not grow when the
 * mean itself moves.
 */

import type { Era } from "../admission/crowding.ts";

/**
 * The answer time at leisure is the lowest recent mean. It doubles in this time, so that old values
 * are forgotten, …
 */
const LEISURE_DOUBLED_MS = 10_000;
/** … or in this many answer times if that is longer, … */
const LEISURE_DOUBLED_ANSWERS = 16;
/** … in steps of this length: shorter steps make no difference. */
const LEISURE_STEP_MS = 20;
/**
 * The answer time in quiet times works in the same way, but doubles in ten minutes, and is unknown
 * at first.
 */
const QUIET_DOUBLED_MS = 600_000;
const QUIET_STEP_MS = 1_000;
/**
 * Both use the mean of about this many answers, because single answers are quick by chance or come
 * from a cache. If the times vary more, more answers are needed: this factor times the variance of
 * their logarithms, so that chance moves the mean by a sixth.
 */
const MEAN_ANSWERS = 32;
const MOST_MEAN_ANSWERS = 256;
const PER_VARIANCE = 64;
/**
 * When a station begins to serve, its quick answers arrive first, and its slow ones later. So it is
 * measured by the first few calls that it is given, once this share of them is answered. For
 * `YOUNG_ANSWER_TIMES` answer times nothing else is used.
 */
const EARLY_CALLS = 32;
const EARLY_ANSWERED = 0.95;
/**
 * Minimum number of first calls: this many, or this many for each unit of the variance of their
 * logarithms.
 */
const LEAST_EARLY = 8;
const EARLY_PER_VARIANCE = 16;
/** From this variance on, answers vary much: single answers and the first few say little. */
const SPREAD = 0.5;
const YOUNG_ANSWER_TIMES = 5;
/** If many of the first calls are never answered, this many other answers replace them. */
const ENOUGH_ANSWERS = 64;
/** The event has not happened, or not since. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/**
 * The state of a station when it serves a call. `idle`: the answer time is that at leisure. `busy`:
 * the answer time is that at leisure or slightly more. `crowded`: the answer takes longer because
 * of the station's load, so nothing is learned from slow answers.
 */
export type SeenAs = "idle" | "busy" | "crowded";

/** What is known about one source at one station. */
export class SourceAt {
  servedAtMs: number = Number.NEGATIVE_INFINITY;
  /** When the station first failed the source without another station being tried. */
  failedFromMs: number = NEVER;
  /**
   * Refusals for load in a row since it last served the source, and when the first of them came.
   */
  refusals = 0;
  refusedFromMs: number = NEVER;
  /** When it last refused the source for load, whether or not it served the source since. */
  refusedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Since when the following fields count, and when the first call after that was sent. */
  sinceMs: number = Number.NEGATIVE_INFINITY;
  #firstSentMs = 0;
  #earlySent = 0;
  #earlyAnswered = 0;
  #era: Era | undefined = undefined;
  #otherAnswers = 0;
  /** True while it is measured only by the first calls that it was given. */
  isYoung = true;
  /**
   * The recent answer time, the mean of its logarithms, and the number of answers. These show
   * whether answers take longer than before: a few very slow ones, which are normal, hardly move
   * the mean of the logarithms.
   */
  meanMs = 0;
  #logMean = 0;
  #logVariance = 0;
  #lastLog = 0;
  #answers = 0;
  /** The lowest recent values of both, and when they were last computed. */
  leisureMs: number = NEVER;
  leisureLog: number = NEVER;
  #leisureAtMs: number = Number.NEGATIVE_INFINITY;
  /** The lowest mean in quiet times. */
  quietMs: number = NEVER;
  #quietAtMs: number = Number.NEGATIVE_INFINITY;

  /** A call is sent to the station. True if it is one of the first of `era`. */
  noteSent(era: Era, nowMs: number): boolean {
    if (this.sinceMs !== era.sinceMs) this.#begin(era);
    if (this.#earlySent >= EARLY_CALLS) return false;
    if (this.#earlySent++ === 0) this.#firstSentMs = nowMs;
    return true;
  }

  #begin(era: Era): void {
    this.sinceMs = era.sinceMs;
    this.#era = era;
    this.#earlySent = 0;
    this.#earlyAnswered = 0;
    this.#otherAnswers = 0;
    this.isYoung = true;
    this.#answers = 0;
    this.leisureMs = NEVER;
    this.leisureLog = NEVER;
  }

  noteTook(tookMs: number, tookLog: number, isEarly: boolean, crowd: SeenAs, nowMs: number, presumedLog: number): void {
    if (isEarly) this.#earlyAnswered++;
    else if (this.#isYoungAt(nowMs)) {
      if (++this.#otherAnswers < ENOUGH_ANSWERS) return;
      this.isYoung = false;
    }
    const most = Math.min(MOST_MEAN_ANSWERS, Math.max(MEAN_ANSWERS, PER_VARIANCE * this.#logVariance));
    this.#answers = this.#answers < most ? this.#answers + 1 : most;
    const offLog = tookLog - this.#logMean;
    this.meanMs += (tookMs - this.meanMs) / this.#answers;
    this.#logMean += offLog / this.#answers;
    // From the difference between one answer and the next: a station that becomes slower does not
    // vary more because of that.
    const stepLog = tookLog - this.#lastLog;
    this.#lastLog = tookLog;
    this.#logVariance +=
      this.#answers <= 1 ? 0 : ((stepLog * stepLog) / 2 - this.#logVariance) / Math.min(this.#answers, MEAN_ANSWERS);
    const isIdle = crowd === "idle";
    const isMeasured = !isEarly || this.#areEarlyIn(isIdle);
    const isUnknown = this.leisureLog === NEVER;
    // At first quick answers are seen, and slow ones later.
    const isMore = this.isYoung && isIdle && (isMeasured || this.#logVariance > SPREAD);
    const seenLog = isMeasured || presumedLog === NEVER ? Math.min(this.#logMean, presumedLog) : presumedLog;
    if (isUnknown ? isMeasured || presumedLog < NEVER : isMore || seenLog < this.leisureLog) {
      this.leisureLog = seenLog;
      this.leisureMs = this.meanMs * Math.exp(this.leisureLog - this.#logMean);
      this.#leisureAtMs = nowMs;
    } else if (crowd !== "crowded" && !this.isYoung) this.#fadeLeisure(nowMs);
  }

  /**
   * A presumed answer time at leisure, from the time at another station. Calls that come all at
   * once crowd a station more and more from the first one on, so it is never seen at leisure. Its
   * first few answers, of any source, show most of its ratio to the other station, unless quicker
   * ones follow (`beside-log.ts`). `Infinity` before that.
   */
  presumedLog(elsewhereLog: number): number {
    const era = this.#era;
    if (era === undefined || era.isShown || !this.isYoung) return NEVER;
    return elsewhereLog + Math.max(0, era.beside.value);
  }

  /**
   * An answer came. `elsewhereLog`: the time that it takes at leisure at another station;
   * `Infinity` if unknown.
   */
  noteBeside(tookLog: number, elsewhereLog: number): void {
    if (elsewhereLog < NEVER) this.#era?.beside.note(tookLog - elsewhereLog);
  }

  /** Have enough of the first calls been answered that quick answers are not overrepresented? */
  #areEarlyIn(isIdle: boolean): boolean {
    const all = EARLY_ANSWERED * this.#earlySent;
    if (isIdle) return this.#earlyAnswered >= all;
    const least = Math.max(LEAST_EARLY, EARLY_PER_VARIANCE * this.#logVariance);
    return this.#earlyAnswered >= Math.min(least, EARLY_ANSWERED * EARLY_CALLS);
  }

  #isYoungAt(nowMs: number): boolean {
    if (!this.isYoung) return false;
    const isKnown =
      this.#earlySent >= EARLY_CALLS &&
      this.#areEarlyIn(true) &&
      nowMs >= this.#firstSentMs + YOUNG_ANSWER_TIMES * this.meanMs;
    this.isYoung = !isKnown;
    return this.isYoung;
  }

  noteQuiet(nowMs: number, quietSinceMs: number): void {
    if (this.#quietAtMs < quietSinceMs) this.quietMs = NEVER;
    if (this.#answers < MEAN_ANSWERS) return;
    const sinceMs = nowMs - this.#quietAtMs;
    if (sinceMs >= QUIET_STEP_MS) {
      if (this.quietMs < NEVER) this.quietMs *= 2 ** (sinceMs / QUIET_DOUBLED_MS);
      this.#quietAtMs = nowMs;
    }
    if (this.meanMs < this.quietMs) this.quietMs = this.meanMs;
  }

  #fadeLeisure(nowMs: number): void {
    const fadedMs = nowMs - this.#leisureAtMs;
    // It fades later, for all of the time that has passed by then.
    if (fadedMs < LEISURE_STEP_MS) return;
    const doubledMs = Math.max(LEISURE_DOUBLED_MS, LEISURE_DOUBLED_ANSWERS * this.leisureMs);
    const byLog = Math.min(this.#logMean - this.leisureLog, (Math.LN2 * fadedMs) / doubledMs);
    this.leisureLog += byLog;
    this.leisureMs *= Math.exp(byLog);
    this.#leisureAtMs = nowMs;
  }
}
