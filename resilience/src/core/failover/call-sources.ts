/**
 * What is remembered of each source of calls: who calls, and which route (`CallOptions.source`). A station is judged by
 * what happens to many, so one caller that repeats a request which always fails must not count as many, and a route
 * that always takes five seconds is not overdue after a tenth of one. Per source: when each station last served it and
 * first failed it, the slowest of its latest answers, and how often its failures turned out to be its own.
 *
 * Bounded: two generations of at most {@link MAX_SOURCES} each; a source that is used moves to the young one, and when
 * that is full the old one is forgotten. An evicted source is as unknown as a new one, which is the careful side.
 */
import type { Era } from "./crowding.ts";

/** Sources remembered in each of two generations. */
const MAX_SOURCES = 256;
/** A station has served or refused a source lately if it did so within this time. */
const LATELY_MS = 10_000;
/** The slowest answer fades by this share with each quicker one, so that a route may become quick again. */
const FADING = 0.98;
/**
 * The slowest answer and this share of it: later than that, an attempt of this source is overdue. And more where few answers
 * are known: the next of `n` is slower than all before with a chance of 1 in `n`.
 */
const OVERDUE_RATIO = 1.05;
/** One that was out for this share of it should have been answered. */
const ANSWERED_RATIO = 0.9;
/** After so many failures in a row that were the same at two stations, the other station is asked less often. */
const AGREEMENTS_TO_TRUST = 8;
/** … namely for one failure in so many. */
const ASK_EVERY = 8;
/** How long an answer takes at leisure: as its answers took at their quickest, of late. That is forgotten by half in this time, … */
const LEISURE_DOUBLED_MS = 10_000;
/** … or in so many answer times: */
const LEISURE_DOUBLED_ANSWERS = 16;
/** … in steps of so long: of less, nothing is noticed. */
const LEISURE_STEP_MS = 20;
/** What it takes in quiet times: the same, forgotten by half in ten minutes, and unknown at first. */
const QUIET_DOUBLED_MS = 600_000;
const QUIET_STEP_MS = 1_000;
/**
 * Both by the mean of about so many answers: single ones are quick by chance, or from a cache. The more their times differ,
 * the more it takes: by this factor of the variance of their logarithms, so that chance moves the mean by a sixth.
 */
const MEAN_ANSWERS = 32;
const MOST_MEAN_ANSWERS = 256;
const PER_VARIANCE = 64;
/**
 * Of a station that begins to serve, quick answers are seen first, and its slow ones later. So it is measured by the first
 * few calls that it is given, once this share of them is answered, and for so many times as long as they take by nothing else.
 */
const EARLY_CALLS = 32;
const EARLY_ANSWERED = 0.95;
/** … and no fewer than these: so many for each unit of the variance of their logarithms. */
const LEAST_EARLY = 8;
const SPREAD = 0.5;
const EARLY_PER_VARIANCE = 16;
const YOUNG_ANSWER_TIMES = 5;
/** Where many of these are never answered, so many other answers will do. */
const ENOUGH_ANSWERS = 64;
/** It has not happened, and nothing has since. */
const NEVER = Number.POSITIVE_INFINITY;

/** After so many refusals for load in a row, of a source that was served before, it is likely that it is the route. */
const REFUSALS_TO_TRUST = 3;

/**
 * How a station looks when it serves a call. `idle`: what it takes is what it takes at leisure; `busy`: or a little more;
 * `crowded`: it takes longer because of what it has to do, so that nothing is learned from slow answers.
 */
export type SeenAs = "idle" | "busy" | "crowded";

/** What is known of one source at one station. */
class SourceAt {
  servedAtMs: number = Number.NEGATIVE_INFINITY;
  /** When it first failed the source, and no other station was asked. */
  failedFromMs = NEVER;
  /** Refusals for load in a row since it last served the source, and when the first of them came. */
  refusals = 0;
  refusedFromMs = NEVER;
  /** When it last refused the source for load, served since or not. */
  refusedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Since when what follows counts, and when the first call was sent then. */
  sinceMs: number = Number.NEGATIVE_INFINITY;
  #firstSentMs = 0;
  #earlySent = 0;
  #earlyAnswered = 0;
  #quickestLog = NEVER;
  #otherAnswers = 0;
  /** Is it measured by the first calls that it was given, and by no others yet? */
  isYoung = true;
  /**
   * Its answer time of late, and of how many answers: the mean, and the mean of the logarithms. By these it is told whether
   * answers take longer than they did: a few that take very long, as everywhere, hardly move them.
   */
  meanMs = 0;
  #logMean = 0;
  #logVariance = 0;
  #lastLog = 0;
  #answers = 0;
  /** Both at their lowest of late, and when that was last worked out. */
  leisureMs = NEVER;
  leisureLog = NEVER;
  #leisureAtMs: number = Number.NEGATIVE_INFINITY;
  /** The lowest mean in quiet times. */
  quietMs = NEVER;
  #quietAtMs: number = Number.NEGATIVE_INFINITY;

  /** A call is sent there. Is it one of the first since `sinceMs`? */
  noteSent(sinceMs: number, nowMs: number): boolean {
    if (this.sinceMs !== sinceMs) this.#begin(sinceMs);
    if (this.#earlySent >= EARLY_CALLS) return false;
    if (this.#earlySent++ === 0) this.#firstSentMs = nowMs;
    return true;
  }

  #begin(sinceMs: number): void {
    this.sinceMs = sinceMs;
    this.#earlySent = 0;
    this.#earlyAnswered = 0;
    this.#quickestLog = NEVER;
    this.#otherAnswers = 0;
    this.isYoung = true;
    this.#answers = 0;
    this.leisureMs = NEVER;
    this.leisureLog = NEVER;
  }

  noteTook(
    tookMs: number,
    tookLog: number,
    isEarly: boolean,
    crowd: SeenAs,
    nowMs: number,
    elsewhereLog: number,
  ): void {
    if (isEarly) {
      this.#earlyAnswered++;
      if (tookLog < this.#quickestLog) this.#quickestLog = tookLog;
    } else if (this.#isYoungAt(nowMs) && ++this.#otherAnswers < ENOUGH_ANSWERS) return;
    const most = Math.min(MOST_MEAN_ANSWERS, Math.max(MEAN_ANSWERS, PER_VARIANCE * this.#logVariance));
    this.#answers = this.#answers < most ? this.#answers + 1 : most;
    const offLog = tookLog - this.#logMean;
    this.meanMs += (tookMs - this.meanMs) / this.#answers;
    this.#logMean += offLog / this.#answers;
    // By what differs from one answer to the next: a station that becomes slower does not vary more for that.
    const stepLog = tookLog - this.#lastLog;
    this.#lastLog = tookLog;
    this.#logVariance +=
      this.#answers <= 1 ? 0 : ((stepLog * stepLog) / 2 - this.#logVariance) / Math.min(this.#answers, MEAN_ANSWERS);
    const isIdle = crowd === "idle";
    const isMeasured = !isEarly || this.#areEarlyIn(isIdle);
    const isUnknown = this.leisureLog === NEVER;
    // At first quick answers are seen, and slow ones later.
    const isMore = this.isYoung && isIdle && (isMeasured || this.#logVariance > SPREAD);
    if (isUnknown ? isMeasured : isMore || this.#logMean < this.leisureLog) {
      // Calls that come all at once crowd it from the first one on: it may be as quick as another station at leisure.
      const byQuickest = this.isYoung ? Math.max(this.#quickestLog, elsewhereLog) : NEVER;
      this.leisureLog = Math.min(this.#logMean, byQuickest);
      this.leisureMs = this.meanMs * Math.exp(this.leisureLog - this.#logMean);
      this.#leisureAtMs = nowMs;
    } else if (crowd !== "crowded" && !this.isYoung) this.#fadeLeisure(nowMs);
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

/** What is known of one source. */
export class CallSource {
  /** False for what names no source, which may be anybody. */
  readonly isNamed: boolean;
  /** By the stations' numbers. */
  readonly #stations: readonly SourceAt[];
  /** The era of a station (`crowding.ts`) of which the first calls have been sent: what is sent in it now is none of them. */
  settledIn: Era | undefined = undefined;
  #slowestMs = 0;
  #served = 0;
  #agreements = 0;
  #skipped = 0;

  constructor(stations: number, isNamed = true) {
    this.isNamed = isNamed;
    this.#stations = Array.from({ length: stations }, () => new SourceAt());
  }

  #at(station: number): SourceAt {
    return this.#stations[station] as SourceAt;
  }

  /**
   * A call is sent to station number `station`, whose era this is: is it one of the first of it? What was learned of leisure
   * before that no longer counts. Need not be told where the era is the one that it is settled in.
   */
  noteSent(station: number, era: Era, nowMs: number): boolean {
    const isEarly = this.#at(station).noteSent(era.sinceMs, nowMs);
    if (!isEarly) this.settledIn = era;
    return isEarly;
  }

  /** Station number `station` served a call of this source after `tookMs`. */
  noteServed(station: number, tookMs: number, nowMs: number): void {
    const at = this.#at(station);
    at.servedAtMs = nowMs;
    at.refusals = 0;
    this.#served++;
    this.#slowestMs = tookMs > this.#slowestMs ? tookMs : tookMs + (this.#slowestMs - tookMs) * FADING;
    this.#agreements = 0;
  }

  /** … and that is to be learned from; `isEarly` as {@link noteSent} said. */
  noteTook(
    station: number,
    tookMs: number,
    nowMs: number,
    isEarly: boolean,
    crowd: SeenAs,
    tookLog: number = Math.log(tookMs),
  ): void {
    const at = this.#at(station);
    at.noteTook(tookMs, tookLog, isEarly, crowd, nowMs, at.isYoung ? this.#leisureElsewhere(at) : NEVER);
  }

  #leisureElsewhere(at: SourceAt): number {
    let log = NEVER;
    for (const other of this.#stations)
      if (!other.isYoung && other !== at && other.leisureLog < log) log = other.leisureLog;
    return log;
  }

  /** Were these quiet times at station number `station`? Of those before `quietSinceMs` nothing is kept. */
  noteQuiet(station: number, nowMs: number, quietSinceMs: number): void {
    this.#at(station).noteQuiet(nowMs, quietSinceMs);
  }

  /** How long station number `station` takes in quiet times; `Infinity` while nobody knows. */
  quietMs(station: number): number {
    return this.#at(station).quietMs;
  }

  /** How long station number `station` takes of late; 0 while nobody knows. */
  meanMs(station: number): number {
    return this.#at(station).meanMs;
  }

  /**
   * Station number `station`, which last served a call of any source at `lastServedMs`, refused one of this source for load.
   * True where it is likely that the route is always refused there, and the station well: it has served others since it
   * refused this source first, and this one never, or not at any of the last three times.
   */
  noteRefused(station: number, lastServedMs: number, nowMs: number): boolean {
    const at = this.#at(station);
    if (at.refusals++ === 0) at.refusedFromMs = nowMs;
    at.refusedAtMs = nowMs;
    if (lastServedMs <= at.refusedFromMs) return false;
    return at.refusals >= REFUSALS_TO_TRUST || !this.hasBeenServedBy(station);
  }

  /** Has this station refused it for load within the last ten seconds? */
  isRefusedBy(station: number, nowMs: number): boolean {
    return nowMs - this.#at(station).refusedAtMs <= LATELY_MS;
  }

  /** Has another station refused it for load, too, and none ever answered it? Then that is its own answer. */
  isRefusedAlike(station: number): boolean {
    if (this.isKnown) return false;
    return this.#stations.some(({ refusals }, other) => other !== station && refusals > 0);
  }

  /** Has this station served it within the last ten seconds? */
  isServedBy(station: number, nowMs: number): boolean {
    return nowMs - this.#at(station).servedAtMs <= LATELY_MS;
  }

  /** Has this station ever served it, as far as is remembered? */
  hasBeenServedBy(station: number): boolean {
    return this.#at(station).servedAtMs > Number.NEGATIVE_INFINITY;
  }

  /** Has any station served it within the last ten seconds? */
  isServedLately(nowMs: number): boolean {
    return this.#stations.some(({ servedAtMs }) => nowMs - servedAtMs <= LATELY_MS);
  }

  /**
   * Station number `station`, which last served a call of any source at `lastServedMs`, failed or lost one of this source, and
   * it was not compared. Whose failure is it? Where nobody has ever served the source, it is its `own` if this station has
   * served others since it failed the source first, and `alike` if another station has failed the source, too.
   */
  noteFailedAlone(station: number, lastServedMs: number, nowMs: number): "alike" | "own" | "unknown" {
    const at = this.#at(station);
    const firstMs = at.failedFromMs;
    const elsewhere = this.#stations.some(({ failedFromMs }, other) => other !== station && failedFromMs < NEVER);
    if (firstMs === NEVER) at.failedFromMs = nowMs;
    if (this.isKnown) return "unknown";
    if (lastServedMs > firstMs) return "own";
    return elsewhere ? "alike" : "unknown";
  }

  /** Has any station ever answered it? Otherwise nobody knows how long it takes. */
  get isKnown(): boolean {
    return this.#slowestMs > 0;
  }

  /** An attempt of this source that is out for longer is slow even for its kind; `Infinity` while it is unknown. */
  get overdueAfterMs(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : this.#slowestMs * (OVERDUE_RATIO + 1 / this.#served);
  }

  /** Nearly all of its latest answers were there by then; `Infinity` while it is unknown. */
  get answeredByMs(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : this.#slowestMs * (ANSWERED_RATIO + 1 / this.#served);
  }

  /**
   * How long station number `station` takes at leisure to answer this source, in ms, by what it did since `sinceMs`;
   * `Infinity` while nobody knows.
   */
  leisureMs(station: number, sinceMs = 0): number {
    const at = this.#at(station);
    return at.sinceMs < sinceMs ? NEVER : at.leisureMs;
  }

  /** As {@link leisureMs}, by the mean of the logarithms of answer times in ms. */
  leisureLog(station: number, sinceMs = 0): number {
    const at = this.#at(station);
    return at.sinceMs < sinceMs ? NEVER : at.leisureLog;
  }

  /** Two stations gave the same failure: it is the call's own. */
  noteAgreement(): void {
    this.#agreements++;
    this.#skipped = 0;
  }

  /** Would asking another station only double the load? True for most failures of a source whose failures are its own. */
  skipsComparison(): boolean {
    if (this.#agreements < AGREEMENTS_TO_TRUST) return false;
    this.#skipped = (this.#skipped + 1) % ASK_EVERY;
    return this.#skipped !== 0;
  }
}

export class CallSources {
  readonly #stations: number;
  #young: Map<string, CallSource> = new Map();
  #old: Map<string, CallSource> = new Map();

  /** `stations`: how many stations there are. */
  constructor(stations: number) {
    this.#stations = stations;
  }

  /** How many sources are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** What is known of `name`; nothing yet for a new one. */
  of(name: string): CallSource {
    const known = this.#young.get(name);
    if (known !== undefined) return known;
    const source = this.#old.get(name) ?? new CallSource(this.#stations, name !== "");
    this.#old.delete(name);
    if (this.#young.size >= MAX_SOURCES) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, source);
    return source;
  }
}
