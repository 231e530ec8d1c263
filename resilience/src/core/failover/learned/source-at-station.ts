/**
 * What is known of one source of calls at one station: when it was last served, failed or refused
 * there, and how long its answers take, of late, at leisure and in quiet times. Means are those of
 * logarithms, and of as many answers as their times vary: the error of a mean of `n` answers is
 * their deviation divided by the root of `n`. The variance is half the mean square of what differs
 * from one answer to the next (von Neumann, 1941), which does not grow where the mean itself moves.
 */

import type { Era } from "../admission/crowding.ts";

/**
 * How long an answer takes at leisure: as its answers took at their quickest, of late. That is
 * forgotten by half in this time, …
 */
const LEISURE_DOUBLED_MS = 10_000;
/** … or in so many answer times: */
const LEISURE_DOUBLED_ANSWERS = 16;
/** … in steps of so long: of less, nothing is noticed. */
const LEISURE_STEP_MS = 20;
/**
 * What it takes in quiet times: the same, forgotten by half in ten minutes, and unknown at first.
 */
const QUIET_DOUBLED_MS = 600_000;
const QUIET_STEP_MS = 1_000;
/**
 * Both by the mean of about so many answers: single ones are quick by chance, or from a cache. The
 * more their times differ, the more it takes: by this factor of the variance of their logarithms,
 * so that chance moves the mean by a sixth.
 */
const MEAN_ANSWERS = 32;
const MOST_MEAN_ANSWERS = 256;
const PER_VARIANCE = 64;
/**
 * Of a station that begins to serve, quick answers are seen first, and its slow ones later. So it
 * is measured by the first few calls that it is given, once this share of them is answered, and for
 * so many times as long as they take by nothing else.
 */
const EARLY_CALLS = 32;
const EARLY_ANSWERED = 0.95;
/** … and no fewer than these: so many for each unit of the variance of their logarithms. */
const LEAST_EARLY = 8;
const EARLY_PER_VARIANCE = 16;
/** Answers differ much from this variance on: single ones, and the first few, say little. */
const SPREAD = 0.5;
const YOUNG_ANSWER_TIMES = 5;
/** Where many of these are never answered, so many other answers will do. */
const ENOUGH_ANSWERS = 64;
/** It has not happened, and nothing has since. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/**
 * How a station looks when it serves a call. `idle`: what it takes is what it takes at leisure;
 * `busy`: or a little more; `crowded`: it takes longer because of what it has to do, so that
 * nothing is learned from slow answers.
 */
export type SeenAs = "idle" | "busy" | "crowded";

/** What is known of one source at one station. */
export class SourceAt {
  servedAtMs: number = Number.NEGATIVE_INFINITY;
  /** When it first failed the source, and no other station was asked. */
  failedFromMs: number = NEVER;
  /**
   * Refusals for load in a row since it last served the source, and when the first of them came.
   */
  refusals = 0;
  refusedFromMs: number = NEVER;
  /** When it last refused the source for load, served since or not. */
  refusedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Since when what follows counts, and when the first call was sent then. */
  sinceMs: number = Number.NEGATIVE_INFINITY;
  #firstSentMs = 0;
  #earlySent = 0;
  #earlyAnswered = 0;
  #era: Era | undefined = undefined;
  #otherAnswers = 0;
  /** Is it measured by the first calls that it was given, and by no others yet? */
  isYoung = true;
  /**
   * Its answer time of late, and of how many answers: the mean, and the mean of the logarithms. By
   * these it is told whether answers take longer than they did: a few that take very long, as
   * everywhere, hardly move them.
   */
  meanMs = 0;
  #logMean = 0;
  #logVariance = 0;
  #lastLog = 0;
  #answers = 0;
  /** Both at their lowest of late, and when that was last worked out. */
  leisureMs: number = NEVER;
  leisureLog: number = NEVER;
  #leisureAtMs: number = Number.NEGATIVE_INFINITY;
  /** The lowest mean in quiet times. */
  quietMs: number = NEVER;
  #quietAtMs: number = Number.NEGATIVE_INFINITY;

  /** A call is sent there. Is it one of the first of `era`? */
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
    // By what differs from one answer to the next: a station that becomes slower does not vary more
    // for that.
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
   * What it may take at leisure, beside what it takes elsewhere: calls that come all at once crowd
   * a station more and more from the first one on, and nobody sees it at leisure then. Its first
   * few answers, of any source, tell the most of it, unless quicker ones follow (`beside-log.ts`);
   * `Infinity` before.
   */
  presumedLog(elsewhereLog: number): number {
    const era = this.#era;
    if (era === undefined || era.isShown || !this.isYoung) return NEVER;
    return elsewhereLog + Math.max(0, era.beside.value);
  }

  /** An answer came, which takes so long at leisure elsewhere; `Infinity` where nobody knows. */
  noteBeside(tookLog: number, elsewhereLog: number): void {
    if (elsewhereLog < NEVER) this.#era?.beside.note(tookLog - elsewhereLog);
  }

  /** Are so many of the first calls answered that quick ones do not count for more? */
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
