/**
 * Detects a station that refuses nothing but has more work than it can do: its answers take several
 * times as long as at leisure. Three things are measured:
 * - how many times as long answers take (`stretch`), each compared with the leisure of its own
 *   source of calls, so that a slow route does not look like a crowd;
 * - how many calls the station finishes in a second at best;
 * - whether more calls were sent than answered, time after time.
 *
 * The product of the answer time at leisure and the best rate is the number of calls that a busy
 * station works on at once when none waits (Little's law; the "bandwidth-delay product" of BBR,
 * Cardwell et al., 2016).
 *
 * Most stations also do the work of calls whose callers hung up, and answer it to no caller. The
 * remaining part of that work is estimated, because a station that is busy with it is not silent.
 * It is one file because each of these measures depends on the others.
 */

import { BesideLog } from "./beside-log.ts";

/** How crowded a station is, for admission control. */
export interface Crowd {
  /** How many times as long answers take as at leisure, smoothed; 1 if unknown. */
  readonly stretch: number;
  /** How long an answer takes at leisure, in ms; 0 if unknown. */
  readonly leisureMs: number;
  /**
   * True if more was sent than answered, again and again, and answers take several times as long as
   * at leisure.
   */
  readonly isMounting: boolean;
  /** Calls that it answers in a ms, by its last answers; 0 if there are few answers. */
  servedPerMs(nowMs: number): number;
  /** Callers who hung up since it became crowded. */
  readonly leftSince: number;
  /** How many calls the station works on when none waits there; 0 if unknown. */
  work(nowMs: number): number;
}

/** A period in which a station has served without interruption. */
export interface Era {
  readonly sinceMs: number;
  /**
   * True if its answers were shown to take as long with fewer calls: the present answer times are
   * then those at leisure.
   */
  readonly isShown: boolean;
  /** The ratio of its answer times to those of another station at leisure. */
  beside: BesideLog;
}

interface Out {
  readonly outStretch: number;
  readonly working: number;
  readonly oldestMs: number;
}

/**
 * A station is crowded from this ratio on: at four fifths of the load, a queue as long as two
 * services is normal.
 */
export const CROWDED = 3;
/** From this ratio on no limit is raised: more calls would only wait at the station. */
export const FULL = 2;
/**
 * Shorter times are taken as this: the difference comes from the network, or from a busy process
 * here.
 */
export const LEAST_LEISURE_MS = 20;
const LEAST_LOG = Math.log(LEAST_LEISURE_MS);
const CROWDED_LOG = Math.log(CROWDED);
const FULL_LOG = Math.log(FULL);
/**
 * If callers have little patience, a station is crowded from this share of the distance between
 * leisure and their patience, as logarithms, …
 */
const PATIENCE_SHARE = 0.6;
/** … and no less than this, whatever their patience. */
const LEAST_CROWDED_LOG = Math.log(1.2);
/** Interval between checks of the station, or one answer time at leisure if that is longer. */
const LOOK_MS = 200;
/**
 * In this many checks in a row, more must have been sent than answered, and than the station ever
 * finished, clearly: by a fifth, and by more than chance.
 */
const LOOKS = 2;
const CLEAR_RATIO = 1.2;
/**
 * Alternatively: after the number out has had time to settle, more is sent than ends, by a tenth
 * and by this many times what chance brings.
 */
const GROWING_RATIO = 1.1;
const GROWING_MARGIN = 2.5;
/**
 * After this many answer times the margin is smaller; this finds a station that is slightly too
 * small.
 */
const LASTING_ROUNDS = 2;
const LASTING_MARGIN = 0.4;
/**
 * The number out has settled when all calls sent before have ended, or this many answer times
 * later: a call that is never answered does not end.
 */
const SETTLING_ROUNDS = 6;
const NONE = { sent: 0, ended: 0, forMs: 0 };
const RATE_ANSWERS = 64;
const RATE_MS = 2_000;
/** The best rate halves in this time, because a station may have lost capacity. */
const RATE_HALVED_MS = 20_000;
/**
 * Shares for smoothing, as for answer times. If these vary much, the share is smaller. A station
 * that is quick again is recognised soon.
 */
const SHARE = 1 / 16;
const LEAST_SHARE = 1 / 128;
const PER_VARIANCE = 32;
const QUICK_SHARE = 1 / 2;
const QUICK_IN_ROW = 3;
/** However loaded it is, a station that answers nothing counts as silent after this long. */
const MAX_BUSY_MS = 5_000;
/**
 * If nothing is answered, only a load of more than this many times the best rate is taken for a
 * crowd, and not for silence.
 */
const SILENT_RATIO = 2;
/** The calls that are out may take longer than the best rate predicts, by this factor. */
const BUSY_MARGIN = 1.5;
/** The best rate says nothing before this many answers, … */
const MIN_ANSWERS = 20;
/** … or within this many answer times: at first more is always sent than answered. */
const FIRST_ANSWER_TIMES = 4;

/**
 * The present rate comes from the last `LAST_SERVED` answers, and needs at least `LEAST_SERVED`.
 */
const LAST_SERVED = 32;
const LEAST_SERVED = 8;
/**
 * For this long, the ratio to another station's answer times, measured before a station began to
 * serve, remains valid.
 */
const LATELY_MS = 2_000;

export class Crowding implements Crowd {
  /** When to sample the next answer time. */
  nextSampleMs: number = Number.NEGATIVE_INFINITY;
  /** The period since it began to serve; a new object each time. */
  era: Era = beginEra(0, false);
  /**
   * The logarithm of the ratio of answer times to those at leisure, smoothed; by chance it may be
   * below 0.
   */
  #stretchLog = 0;
  /**
   * The same for calls that have ended, without those still out; and its value at the last answer.
   */
  #endedLog = 0;
  #answeredLog = 0;
  /** The same for answered calls alone. */
  #servedLog = 0;
  /** How long callers wait, as far as is known. */
  patienceMs: number = Number.POSITIVE_INFINITY;
  /**
   * How much single answers differ from it: the mean square, from the differences between one
   * answer and the next.
   */
  #variance = 0;
  #lastLog = 0;
  #quickInRow = 0;
  #leisureMs = 0;
  #leisureLog = 0;
  #bestPerMs = 0;
  #bestAtMs = 0;
  #rateOverMs = 0;
  #rateServed = 0;
  #fromMs: number = Number.NEGATIVE_INFINITY;
  #sent = 0;
  /** Calls sent in the previous period between checks, and the length of that period. */
  #sentBefore = 0;
  #overBeforeMs = 0;
  #ended = 0;
  #served = 0;
  /** Callers who hung up since the last call ended. */
  #left = 0;
  #looksInRow = 0;
  /**
   * Calls sent and ended since answers began to take several times as long and the number out
   * settled.
   */
  #crowded = NONE;
  #crowdedFromMs: number = Number.POSITIVE_INFINITY;
  #isSettled = false;
  #answers = 0;
  leftSince = 0;
  /** When the last calls were served. */
  readonly #servedAt: Float64Array = new Float64Array(LAST_SERVED);
  /** The last check before the first of them. */
  #firstLookMs = 0;
  #servedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Until when the station is busy with the calls that it was given, as estimated. */
  #busyUntilMs: number = Number.NEGATIVE_INFINITY;

  get stretch(): number {
    return Math.exp(this.#scaled(this.#stretchLog));
  }

  /**
   * The same at the last answer: calls that are out now, and callers who have hung up since, may
   * wait for another reason.
   */
  get answeredStretch(): number {
    return Math.exp(this.#scaled(this.#answeredLog));
  }

  /** The same for answered calls: if single calls hang, the others are as quick as before. */
  get servedStretch(): number {
    return Math.exp(this.#scaled(this.#servedLog));
  }

  /** Do answers take twice as long as at leisure, or longer? */
  get isSlow(): boolean {
    return this.#stretchLog >= FULL_LOG;
  }

  /**
   * Impatient callers hang up before answers take {@link CROWDED} times as long as at leisure.
   * Their patience is the measure then.
   */
  #scaled(log: number): number {
    if (log <= 0) return 0;
    if (this.patienceMs === Number.POSITIVE_INFINITY) return log;
    const crowdedLog = Math.max(LEAST_CROWDED_LOG, PATIENCE_SHARE * (Math.log(this.patienceMs) - this.#leisureLog));
    return crowdedLog >= CROWDED_LOG ? log : (log * CROWDED_LOG) / crowdedLog;
  }

  /** What its answers say about leisure, if no limit is the reason for their times. */
  get seenAs(): "idle" | "busy" {
    return this.#scaled(this.#stretchLog) < FULL_LOG ? "idle" : "busy";
  }

  get leisureMs(): number {
    return this.#leisureMs;
  }

  get isMounting(): boolean {
    return this.#looksInRow >= LOOKS || this.#isGrowing;
  }

  /** How long answers take now. */
  get #tookMs(): number {
    return Math.exp(Math.max(0, this.#stretchLog)) * this.#leisureMs;
  }

  /**
   * Were clearly more calls sent than ended since the number out settled? The difference of two
   * counts varies by the root of their sum.
   */
  get #isGrowing(): boolean {
    const { sent, ended, forMs } = this.#crowded;
    const isLasting = forMs >= LASTING_ROUNDS * this.#tookMs;
    const margin = isLasting ? LASTING_MARGIN : GROWING_MARGIN;
    return sent - GROWING_RATIO * ended > margin * Math.sqrt(sent + ended);
  }

  work(nowMs: number): number {
    return this.#perMs(nowMs) * this.#leisureMs;
  }

  /** A call, or the body that it had to send first, was sent to the station. */
  noteSent(): void {
    this.#sent++;
  }

  /**
   * A call that was sent to the station begins to send a long body: until the body is sent, the
   * call is no work.
   */
  noteUploading(): void {
    this.#sent = Math.max(0, this.#sent - 1);
  }

  /** A call whose body was sent has ended, in any way, and its caller had not hung up. */
  noteEnded(): void {
    this.#ended++;
    if (this.#left > 0) this.#weighLeft();
  }

  /** A call was served. */
  noteServed(nowMs: number): void {
    this.#served++;
    this.#servedAt[this.#answers % LAST_SERVED] = nowMs;
    this.#answers++;
    this.#servedAtMs = nowMs;
  }

  /**
   * Takes how long a call took and how long its source takes at leisure. Both are logarithms,
   * because the answer times of most services lie between a tenth and ten times the usual time.
   * `leisureMs`: the mean time at leisure.
   */
  noteTook(tookLog: number, leisureLog: number, leisureMs: number): void {
    const stretchLog = this.#smooth(tookLog, leisureLog);
    this.#answeredLog = this.#endedLog;
    this.#servedLog += (stretchLog - this.#servedLog) * SHARE;
    this.#leisureLog += (Math.max(leisureLog, LEAST_LOG) - this.#leisureLog) * (this.#leisureMs === 0 ? 1 : SHARE);
    const atLeisureMs = leisureMs > LEAST_LEISURE_MS ? leisureMs : LEAST_LEISURE_MS;
    this.#leisureMs += (atLeisureMs - this.#leisureMs) * (this.#leisureMs === 0 ? 1 : SHARE);
  }

  /** A caller hung up before the answer came; the answer would have taken longer than this. */
  noteLeft(tookLog: number, leisureLog: number): void {
    this.#smooth(tookLog, leisureLog);
  }

  /** Returns the logarithm of the ratio of this time to the time at leisure. */
  #smooth(tookLog: number, leisureLog: number): number {
    const stretchLog = Math.max(tookLog, LEAST_LOG) - Math.max(leisureLog, LEAST_LOG);
    const stepLog = stretchLog - this.#lastLog;
    this.#lastLog = stretchLog;
    this.#variance += ((stepLog * stepLog) / 2 - this.#variance) * SHARE;
    const offLog = stretchLog - this.#stretchLog;
    // Quicker by half, and by more than answers usually differ.
    const isQuick = offLog < -Math.LN2 && offLog * offLog > this.#variance;
    this.#quickInRow = isQuick ? this.#quickInRow + 1 : 0;
    const answers = PER_VARIANCE * this.#variance;
    const steady = answers * SHARE <= 1 ? SHARE : Math.max(LEAST_SHARE, 1 / answers);
    const share = this.#quickInRow >= QUICK_IN_ROW ? QUICK_SHARE : steady;
    this.#stretchLog += offLog * share;
    this.#endedLog += (stretchLog - this.#endedLog) * share;
    return stretchLog;
  }

  /**
   * Did the callers who hung up since the last call ended do so while answers took about as long as
   * at leisure? Such callers wait for less time than some calls take, and their calls are worked on
   * like all others, so they count as ended. Otherwise the callers left a crowd.
   */
  #weighLeft(): void {
    if (this.answeredStretch < FULL) this.#ended += this.#left;
    this.#left = 0;
  }

  /** Is a check due? */
  isLookDue(nowMs: number): boolean {
    const overMs = nowMs - this.#fromMs;
    return overMs >= Math.max(LOOK_MS, this.#leisureMs);
  }

  /**
   * `working`: calls that are out, with their bodies sent. `oldestMs`: when the oldest of them was
   * sent. `outStretch`: how many times as long as at leisure they have been out. If more was sent
   * than the station ever finished, that counts as if they had been answered this late.
   */
  look(outStretch: number, working: number, oldestMs: number, nowMs: number): void {
    const overMs = nowMs - this.#fromMs;
    if (this.#answers === 0) this.#firstLookMs = nowMs;
    // What was counted before a rest says nothing.
    if (overMs < 10 * Math.max(LOOK_MS, this.#leisureMs)) this.#weigh({ outStretch, working, oldestMs }, overMs, nowMs);
    else {
      this.#looksInRow = 0;
      this.#beginCrowded(Number.POSITIVE_INFINITY);
      this.#beginRate();
    }
    this.#beginLook(nowMs);
  }

  #beginLook(nowMs: number): void {
    this.#sentBefore = this.#sent;
    this.#overBeforeMs = nowMs - this.#fromMs;
    this.#fromMs = nowMs;
    this.#sent = 0;
    this.#ended = 0;
    this.#served = 0;
  }

  #beginRate(): void {
    this.#rateOverMs = 0;
    this.#rateServed = 0;
  }

  /** A caller hung up whose call was out: the station continues to work on it. */
  noteAbandoned(nowMs: number): void {
    this.#left++;
    this.leftSince++;
    if (nowMs < this.#busyUntilMs) this.#busy(this.#busyUntilMs - nowMs + 1 / this.#perMs(nowMs), nowMs);
  }

  servedPerMs(nowMs: number): number {
    const answers = Math.min(this.#answers, LAST_SERVED);
    if (answers < LEAST_SERVED) return 0;
    const sinceMs = this.#servedAt[(this.#answers - answers) % LAST_SERVED] as number;
    // Calls that were sent all at once are answered all at once; the rate would be very high for
    // that moment.
    return Math.min((answers - 1) / Math.max(1, nowMs - sinceMs), this.#perMs(nowMs));
  }

  /** Is the station so loaded that a period without answers is to be expected? */
  isBusy(nowMs: number): boolean {
    return nowMs < this.#busyUntilMs;
  }

  /**
   * Is a period without answers to be expected, because the station is overloaded or because its
   * last answers took twice as long as at leisure?
   */
  mayBeMute(isLimited: boolean, nowMs: number): boolean {
    if (this.isBusy(nowMs)) return true;
    return nowMs < this.#servedAtMs + MAX_BUSY_MS && (isLimited || this.answeredStretch >= FULL);
  }

  /**
   * When the station began to serve: its times at leisure before that may differ from those now.
   */
  get leisureSinceMs(): number {
    return this.era.sinceMs;
  }

  /** The station begins to serve: its work before it rested says nothing about now. */
  restart(nowMs: number, isShown = false): void {
    // Calls that were sent here one by one, while another station served, are the best measure of
    // leisure.
    const isLate = nowMs - this.#servedAtMs > LATELY_MS;
    this.era = beginEra(nowMs, isShown, isLate ? new BesideLog() : this.era.beside);
    this.#stretchLog = 0;
    this.#endedLog = 0;
    this.#answeredLog = 0;
    this.#servedLog = 0;
    this.#bestPerMs = 0;
    this.#answers = 0;
    this.#looksInRow = 0;
    this.#left = 0;
    this.#beginRate();
    this.#beginLook(nowMs);
    this.#beginCrowded(Number.POSITIVE_INFINITY);
    this.#busyUntilMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * The station no longer serves: its work until now does not predict its work when it serves
   * again.
   */
  end(): void {
    this.era.beside = new BesideLog();
  }

  #perMs(nowMs: number): number {
    return this.#bestPerMs * 0.5 ** (Math.max(0, nowMs - this.#bestAtMs) / RATE_HALVED_MS);
  }

  #weigh({ outStretch, working, oldestMs }: Out, overMs: number, nowMs: number): void {
    const isKnown = this.#answers >= MIN_ANSWERS && nowMs >= this.#firstLookMs + FIRST_ANSWER_TIMES * this.#leisureMs;
    // If nothing was answered, the station may be silent; only clearly more than it ever did shows
    // a crowd.
    const did = this.#ended > 0 || !isKnown ? this.#ended : SILENT_RATIO * this.#perMs(nowMs) * overMs;
    const isMore = this.#sent > CLEAR_RATIO * did + Math.sqrt(did);
    this.#measure(overMs, nowMs);
    const leisureWork = this.work(nowMs);
    // A few calls that take long by chance are no crowd, and neither are many that usually take
    // long.
    const out = leisureWork > 0 ? Math.min(outStretch, working / leisureWork) : outStretch;
    if (isMore && isKnown && Math.log(out) > this.#stretchLog) this.#stretchLog = Math.log(out);
    const isCrowded = this.stretch >= CROWDED;
    this.#noteCrowded(isCrowded && isKnown, did, overMs, oldestMs, nowMs);
    const best = this.#perMs(nowMs) * overMs;
    const bothMs = overMs + this.#overBeforeMs;
    // A station that has only become slower is sent the same number of calls as before.
    const isMoreThanEver = isMore && this.#sent > CLEAR_RATIO * best + 1.5 * Math.sqrt(best);
    this.#looksInRow = isMoreThanEver && isCrowded && isKnown ? this.#looksInRow + 1 : 0;
    // Calls come in bunches, and calls held back in a lull all come at once after it. At a few
    // calls a second, this looks like a crowd, and must not hide a silence. It is a crowd if
    // answers show it, or if there are more calls than chance can bring.
    const isFlood =
      isCrowded && isFloodOf(this.#sent, best) && isFloodOf(this.#sent + this.#sentBefore, (best * bothMs) / overMs);
    const isShown = isFlood || (this.answeredStretch >= CROWDED && isMore) || (isCrowded && this.isBusy(nowMs));
    if (isShown && isKnown && best > 0) {
      this.#busy((BUSY_MARGIN * working) / this.#perMs(nowMs), nowMs);
    }
  }

  /**
   * If a station becomes slower from one moment to the next, fewer calls end than are sent until
   * the number out matches the new answer time (Little's law). This is over when all calls sent
   * before have ended, or when answers take long too: if only their time has changed, they come as
   * often as before by then.
   */
  #noteCrowded(isCrowded: boolean, did: number, overMs: number, oldestMs: number, nowMs: number): void {
    if (!isCrowded) return this.#beginCrowded(Number.POSITIVE_INFINITY);
    if (this.#crowdedFromMs === Number.POSITIVE_INFINITY) this.#beginCrowded(nowMs);
    const longestMs = SETTLING_ROUNDS * this.#tookMs;
    const { sent, ended, forMs } = this.#crowded;
    if (this.#isSettled) this.#crowded = { sent: sent + this.#sent, ended: ended + did, forMs: forMs + overMs };
    this.#isSettled ||= oldestMs > this.#crowdedFromMs || nowMs >= this.#crowdedFromMs + longestMs;
    this.#isSettled ||= this.answeredStretch >= CROWDED;
  }

  /** The station has been crowded since `fromMs`; `Infinity` if it is not crowded. */
  #beginCrowded(fromMs: number): void {
    this.#crowded = NONE;
    this.leftSince = 0;
    this.#crowdedFromMs = fromMs;
    this.#isSettled = false;
  }

  /**
   * A rate needs `RATE_ANSWERS` answers, or `RATE_MS`: jobs that share a processor end in bunches.
   */
  #measure(overMs: number, nowMs: number): void {
    this.#rateOverMs += overMs;
    this.#rateServed += this.#served;
    if (this.#rateServed < RATE_ANSWERS && this.#rateOverMs < RATE_MS) return;
    const perMs = this.#rateServed / this.#rateOverMs;
    this.#beginRate();
    if (perMs < this.#perMs(nowMs)) return;
    this.#bestPerMs = perMs;
    this.#bestAtMs = nowMs;
  }

  #busy(forMs: number, nowMs: number): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, Math.min(nowMs + forMs, this.#servedAtMs + MAX_BUSY_MS));
  }
}

export function beginEra(sinceMs: number, isShown: boolean, beside: BesideLog = new BesideLog()): Era {
  return { sinceMs, isShown, beside };
}

/** Is `sent` more than twice `did`, beyond what chance brings? */
function isFloodOf(sent: number, did: number): boolean {
  const most = SILENT_RATIO * did;
  return sent > CLEAR_RATIO * most + 2 * Math.sqrt(most) + 4;
}
