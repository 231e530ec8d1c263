/**
 * Does a station that refuses nothing have more to do than it can? Then its answers take several
 * times as long as they do at leisure. Three things are measured for that: how many times as long
 * answers take (`stretch`), each beside the leisure of its own source of calls, so that a slow
 * route is no crowd; how many it finishes in a second at best; and whether more has been sent than
 * was answered, time after time. What a station works on at once when it is busy and nobody waits
 * is the product of the last two (Little's law; the "bandwidth-delay product" of BBR, Cardwell et
 * al., 2016).
 *
 * What callers who left have asked for is done all the same by most stations, and answered to
 * nobody. How much of that is still ahead is estimated, because a station that works on it is not
 * silent. It is one file because each of these is weighed by the others.
 */

import { BesideLog } from "./beside-log.ts";

/** What admission control wants to know of it. */
export interface Crowd {
  /** How many times as long answers take as at leisure, smoothed; 1 where nothing is known. */
  readonly stretch: number;
  /** How long an answer takes at leisure, in ms; 0 where nothing is known. */
  readonly leisureMs: number;
  /**
   * More has been sent than was answered, again and again, and answers take several times as long
   * as at leisure.
   */
  readonly isMounting: boolean;
  /** How many calls it answers in a ms, by its last answers; 0 where there are few. */
  servedPerMs(nowMs: number): number;
  /** Callers who left since it is crowded. */
  readonly leftSince: number;
  /** How many calls the station works on where nobody waits there; 0 where nothing is known. */
  work(nowMs: number): number;
}

/** A time in which a station has served without a break. */
export interface Era {
  readonly sinceMs: number;
  /**
   * It was shown that its answers take as long with fewer calls: how long they take now is what
   * they take at leisure.
   */
  readonly isShown: boolean;
  /** How many times as long they take as those of another station at leisure. */
  beside: BesideLog;
}

interface Out {
  readonly outStretch: number;
  readonly working: number;
  readonly oldestMs: number;
}

/**
 * From here on a station is crowded: a queue as long as two services is usual at four fifths of the
 * load.
 */
export const CROWDED = 3;
/** From here on no limit is raised: more calls would only wait there. */
export const FULL = 2;
/** Quicker than this is not told apart: what is added is the network, or a busy process here. */
export const LEAST_LEISURE_MS = 20;
const LEAST_LOG = Math.log(LEAST_LEISURE_MS);
const CROWDED_LOG = Math.log(CROWDED);
const FULL_LOG = Math.log(FULL);
/** Such a share of what lies between leisure and the callers' patience, as logarithms. */
const PATIENCE_SHARE = 0.6;
/** … and no less than this, whatever their patience. */
const LEAST_CROWDED_LOG = Math.log(1.2);
/** The station is looked at so often, or once in an answer time at leisure where that is longer. */
const LOOK_MS = 200;
/**
 * So many looks in a row must show more sent than answered, and than it ever finished, clearly: by
 * a fifth, and not by chance.
 */
const LOOKS = 2;
const CLEAR_RATIO = 1.2;
/**
 * … or more is sent than ends although the number out has had time to settle: by a tenth, and by so
 * many times what chance brings.
 */
const GROWING_RATIO = 1.1;
const GROWING_MARGIN = 2.5;
/** … and by less after so many answer times: a station a little too small. */
const LASTING_ROUNDS = 2;
const LASTING_MARGIN = 0.4;
/**
 * It has had time when all has ended that was sent before, or so many answer times later: one that
 * is never answered ends nothing.
 */
const SETTLING_ROUNDS = 6;
const NONE = { sent: 0, ended: 0, forMs: 0 };
const RATE_ANSWERS = 64;
const RATE_MS = 2_000;
/** The best rate is halved in so long: a station may have become smaller. */
const RATE_HALVED_MS = 20_000;
/**
 * Smoothing, as that of answer times, and more where these differ much; a station that is quick
 * again is believed soon.
 */
const SHARE = 1 / 16;
const LEAST_SHARE = 1 / 128;
const PER_VARIANCE = 32;
const QUICK_SHARE = 1 / 2;
const QUICK_IN_ROW = 3;
/** However much it has to do, a station that answers nothing is called silent after so long. */
const MAX_BUSY_MS = 5_000;
/**
 * Where nothing is answered, only so many times more than it ever did is taken for a crowd, and not
 * for silence.
 */
const SILENT_RATIO = 2;
/** What is out may take longer than what was finished at best. */
const BUSY_MARGIN = 1.5;
/** Before so many answers its best rate says nothing, … */
const MIN_ANSWERS = 20;
/** … nor within so many answer times: at first more is sent than answered in any case. */
const FIRST_ANSWER_TIMES = 4;

/** How many calls it answers now is told by the last of them, and not by fewer than these. */
const LAST_SERVED = 32;
const LEAST_SERVED = 8;
/**
 * How long answers took elsewhere before a station began to serve still says something of it after
 * so long.
 */
const LATELY_MS = 2_000;

export class Crowding implements Crowd {
  /** When the time that an answer took is to be told again. */
  nextSampleMs: number = Number.NEGATIVE_INFINITY;
  /** The time since it began to serve: another object each time. */
  era: Era = beginEra(0, false);
  /**
   * The logarithm of how many times as long answers take as at leisure, smoothed; below 0 by
   * chance.
   */
  #stretchLog = 0;
  /** The same by what has ended, without what is still out; and that as of the last answer. */
  #endedLog = 0;
  #answeredLog = 0;
  /** The same of those that were answered alone, whatever became of the others. */
  #servedLog = 0;
  /** How long callers wait, as far as is known. */
  patienceMs: number = Number.POSITIVE_INFINITY;
  /**
   * How much single answers differ from it: the mean square, by what differs from one to the next.
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
  /** What was sent in the look before this one, and how long that was. */
  #sentBefore = 0;
  #overBeforeMs = 0;
  #ended = 0;
  #served = 0;
  /** Callers who left since it last answered. */
  #left = 0;
  #looksInRow = 0;
  /**
   * What was sent and has ended since it began to take several times as long, and the number out
   * could settle.
   */
  #crowded = NONE;
  #crowdedFromMs: number = Number.POSITIVE_INFINITY;
  #isSettled = false;
  #answers = 0;
  leftSince = 0;
  /** When the last calls were served. */
  readonly #servedAt: Float64Array = new Float64Array(LAST_SERVED);
  /** The last look before the first of them. */
  #firstLookMs = 0;
  #servedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Until when it has to work on what it was given, as far as can be estimated. */
  #busyUntilMs: number = Number.NEGATIVE_INFINITY;

  get stretch(): number {
    return Math.exp(this.#scaled(this.#stretchLog));
  }

  /**
   * The same as of the last answer: what is out now, and callers who have left since, may wait for
   * another reason.
   */
  get answeredStretch(): number {
    return Math.exp(this.#scaled(this.#answeredLog));
  }

  /** The same of what it has answered: where single calls hang, the others are as quick as ever. */
  get servedStretch(): number {
    return Math.exp(this.#scaled(this.#servedLog));
  }

  /** Do its answers take twice as long as at leisure, or longer? */
  get isSlow(): boolean {
    return this.#stretchLog >= FULL_LOG;
  }

  /**
   * Callers who wait for a few times as long as answers take at leisure are gone before answers
   * take {@link CROWDED} times as long: what they wait is the measure then.
   */
  #scaled(log: number): number {
    if (log <= 0) return 0;
    if (this.patienceMs === Number.POSITIVE_INFINITY) return log;
    const crowdedLog = Math.max(LEAST_CROWDED_LOG, PATIENCE_SHARE * (Math.log(this.patienceMs) - this.#leisureLog));
    return crowdedLog >= CROWDED_LOG ? log : (log * CROWDED_LOG) / crowdedLog;
  }

  /**
   * What its answers say about leisure, as far as no limit is the reason for how long they take.
   */
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
   * Was clearly more sent than ended since the number out could settle? The difference of two
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

  /** A call was sent there, or the body that it had to send first. */
  noteSent(): void {
    this.#sent++;
  }

  /** A call that was sent there begins to send a long body: until that is over, it is no work. */
  noteUploading(): void {
    this.#sent = Math.max(0, this.#sent - 1);
  }

  /** A call whose body was sent there has ended, however it did, and its caller had not left. */
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
   * How long one took, and what its source takes at leisure: as logarithms, because answer times of
   * most services lie between a tenth and ten times of what is usual; and what it takes at leisure
   * on the average.
   */
  noteTook(tookLog: number, leisureLog: number, leisureMs: number): void {
    const stretchLog = this.#smooth(tookLog, leisureLog);
    this.#answeredLog = this.#endedLog;
    this.#servedLog += (stretchLog - this.#servedLog) * SHARE;
    this.#leisureLog += (Math.max(leisureLog, LEAST_LOG) - this.#leisureLog) * (this.#leisureMs === 0 ? 1 : SHARE);
    const atLeisureMs = leisureMs > LEAST_LEISURE_MS ? leisureMs : LEAST_LEISURE_MS;
    this.#leisureMs += (atLeisureMs - this.#leisureMs) * (this.#leisureMs === 0 ? 1 : SHARE);
  }

  /** A caller left before the answer came: it would have taken longer than that. */
  noteLeft(tookLog: number, leisureLog: number): void {
    this.#smooth(tookLog, leisureLog);
  }

  /** Returns how many times as long as at leisure that was, as a logarithm. */
  #smooth(tookLog: number, leisureLog: number): number {
    const stretchLog = Math.max(tookLog, LEAST_LOG) - Math.max(leisureLog, LEAST_LOG);
    const stepLog = stretchLog - this.#lastLog;
    this.#lastLog = stretchLog;
    this.#variance += ((stepLog * stepLog) / 2 - this.#variance) * SHARE;
    const offLog = stretchLog - this.#stretchLog;
    // Quicker by half, and by more than answers differ anyway.
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
   * Did those who left since the last call ended leave while answers took what they take at
   * leisure, or nearly? Such callers wait for less than some calls take, and what they asked for is
   * done like all the rest. Otherwise it is a crowd that they left.
   */
  #weighLeft(): void {
    if (this.answeredStretch < FULL) this.#ended += this.#left;
    this.#left = 0;
  }

  /** Is it time for a look? */
  isLookDue(nowMs: number): boolean {
    const overMs = nowMs - this.#fromMs;
    return overMs >= Math.max(LOOK_MS, this.#leisureMs);
  }

  /**
   * `working` calls are out, with their bodies, the oldest since `oldestMs`, and have been for
   * `outStretch` times as long as they take at leisure. Where more was sent than the station ever
   * finished, that counts as if they were answered so late.
   */
  look(outStretch: number, working: number, oldestMs: number, nowMs: number): void {
    const overMs = nowMs - this.#fromMs;
    if (this.#answers === 0) this.#firstLookMs = nowMs;
    // After a rest, what was counted before it says nothing.
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

  /** A caller left, whose call was out there: the station goes on with it. */
  noteAbandoned(nowMs: number): void {
    this.#left++;
    this.leftSince++;
    if (nowMs < this.#busyUntilMs) this.#busy(this.#busyUntilMs - nowMs + 1 / this.#perMs(nowMs), nowMs);
  }

  servedPerMs(nowMs: number): number {
    const answers = Math.min(this.#answers, LAST_SERVED);
    if (answers < LEAST_SERVED) return 0;
    const sinceMs = this.#servedAt[(this.#answers - answers) % LAST_SERVED] as number;
    // Those that were sent all at once are answered all at once, and many a ms for that moment.
    return Math.min((answers - 1) / Math.max(1, nowMs - sinceMs), this.#perMs(nowMs));
  }

  /** Has it so much to do that it is no wonder if nothing is answered for a while? */
  isBusy(nowMs: number): boolean {
    return nowMs < this.#busyUntilMs;
  }

  /**
   * Is it no wonder if nothing is answered for a while: has it too much to do, or took its last
   * answers twice as long as at leisure?
   */
  mayBeMute(isLimited: boolean, nowMs: number): boolean {
    if (this.isBusy(nowMs)) return true;
    return nowMs < this.#servedAtMs + MAX_BUSY_MS && (isLimited || this.answeredStretch >= FULL);
  }

  /** When it began to serve: what it took at leisure before may be another time now. */
  get leisureSinceMs(): number {
    return this.era.sinceMs;
  }

  /** It begins to serve: what it did before it rested says nothing of now. */
  restart(nowMs: number, isShown = false): void {
    // What was sent there one by one, while another station served, is the best that is known of
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
   * It no longer serves: what it did until now says nothing of what it will do when it serves
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
    // Where nothing was answered, it may be silent: that more was sent than it ever did says
    // otherwise.
    const did = this.#ended > 0 || !isKnown ? this.#ended : SILENT_RATIO * this.#perMs(nowMs) * overMs;
    const isMore = this.#sent > CLEAR_RATIO * did + Math.sqrt(did);
    this.#measure(overMs, nowMs);
    const leisureWork = this.work(nowMs);
    // A few calls that take long by chance are no crowd, nor are many that take long as a rule.
    const out = leisureWork > 0 ? Math.min(outStretch, working / leisureWork) : outStretch;
    if (isMore && isKnown && Math.log(out) > this.#stretchLog) this.#stretchLog = Math.log(out);
    const isCrowded = this.stretch >= CROWDED;
    this.#noteCrowded(isCrowded && isKnown, did, overMs, oldestMs, nowMs);
    const best = this.#perMs(nowMs) * overMs;
    const bothMs = overMs + this.#overBeforeMs;
    // One that has only become slower is given what it always was.
    const isMoreThanEver = isMore && this.#sent > CLEAR_RATIO * best + 1.5 * Math.sqrt(best);
    this.#looksInRow = isMoreThanEver && isCrowded && isKnown ? this.#looksInRow + 1 : 0;
    // Calls come in bunches, and what was held back in a lull comes all at once after it: what
    // looks like a crowd at a few a second must not hide a silence. Answers show that it is one, or
    // more than chance can bring.
    const isFlood =
      isCrowded && isFloodOf(this.#sent, best) && isFloodOf(this.#sent + this.#sentBefore, (best * bothMs) / overMs);
    const isShown = isFlood || (this.answeredStretch >= CROWDED && isMore) || (isCrowded && this.isBusy(nowMs));
    if (isShown && isKnown && best > 0) {
      this.#busy((BUSY_MARGIN * working) / this.#perMs(nowMs), nowMs);
    }
  }

  /**
   * A station that becomes slower from one moment to the next ends less than is sent until as many
   * are out as it needs now (Little's law). That is over when what was sent before has ended; or
   * when its answers take long, too: where nothing but their time has changed, they come as often
   * as ever by then.
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

  /** It has been crowded since then; `Infinity` for not at all. */
  #beginCrowded(fromMs: number): void {
    this.#crowded = NONE;
    this.leftSince = 0;
    this.#crowdedFromMs = fromMs;
    this.#isSettled = false;
  }

  /**
   * A rate rests on so many answers, or on a second: jobs that share a processor end in bunches.
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
