/**
 * Which refusals for load ("overloaded": 503, 429) say how much a station takes. Some stations
 * refuse a share of their calls whatever the load: a worker that is broken, a quota, a limiter that
 * counts something else. If each refusal lowered the limit, such a station would be given less and
 * less, for nothing. The contract:
 *
 *   1. Few refusals beside many finished calls are tolerated: {@link QUIET_RATE} of the calls while
 *      no limit was learned, {@link LEARNED_RATE} once one was, with a small reserve for chance.
 *      Those above count as load.
 *   2. Where they go on after the limit was lowered, an *experiment* is made: for a short time the
 *      station is given clearly less than it has just finished. One that is overloaded then refuses
 *      hardly anything, or nothing any more once its own reserve, empty at first, has filled a
 *      little. One that refuses whatever the load is refuses the same share, and again where it is
 *      given still less.
 *   3. In the first case the limit is what was measured before. In the second case that share is
 *      the station's *background*, and the limit was a mistake.
 *   4. A share that has become much larger although less was given shows nothing: the station has
 *      become weaker.
 *   5. Refusals within {@link BACKGROUND_RATIO} times the background are tolerated from then on;
 *      what comes on top of them counts as load again.
 *   6. The background is forgotten when hardly anything is refused any more.
 *   7. For {@link STRICT_MS} after a promotion all refusals are about load: those who waited for it
 *      come then.
 *   8. A station at its real limit is seldom experimented with, each time after twice as long as
 *      the time before; but its limit never falls below what an experiment has shown that it takes,
 *      without another one.
 */

/** Tolerated while there is no learned limit, as a share of the calls. */
const QUIET_RATE = 0.05;
/** … and below one: the station is at its limit, and each refusal costs it work. */
const LEARNED_RATE = 0.01;
/**
 * … and so many times the background: with less, chance alone would lower the limit again and
 * again.
 */
const BACKGROUND_RATIO = 1.5;
/** Refusals that may come in a row by chance: so many, and this many times the background. */
const RESERVE = 4;
const RESERVE_PER_SHARE = 40;
/** So much of that is there at the start. */
const FIRST_RESERVE = 2;
/** So many refusals tell a share well enough to compare it with another. */
const MIN_REFUSED = 5;
/**
 * … among so many that were finished, or in this time: what a station does for a moment says
 * little.
 */
const MIN_FINISHED = 40;
const MIN_PERIOD_MS = 500;
/** Hardly anything was refused: so many would have been by now, and not one in so many was. */
const ENOUGH_EXPECTED = 3;
const FEW_RATIO = 8;
/** Nothing is refused any more: so many would have been since the last one was, … */
const ENOUGH_IN_ROW = 5;
/** … and that one was among the first of so many: in the midst of them such runs come by chance. */
const EARLY_RATIO = 10;
/** In an experiment the station is given this share of what it finished. */
const EXPERIMENT_SHARE = 0.9;
/** … and at most this share, or the experiment shows nothing. */
const CLEARLY_LESS = 0.95;
/** Shares are about the same within this ratio. Of five refusals, chance makes two or ten. */
const ALIKE_RATIO = 2.5;
/**
 * A station that refuses more than this share is left to comparison with others (`evidence.ts`).
 */
const MAX_BACKGROUND = 0.5;
/** An experiment that shows nothing ends after this long. */
const MAX_EXPERIMENT_MS = 20_000;
/**
 * For this long after a promotion every refusal is about load, and none is made: calls that waited
 * for it come then.
 */
const STRICT_MS = 5_000;
/**
 * The next one is made after this long, and each further one after twice as long, so many times.
 */
const EXPERIMENT_INTERVAL_MS = 5_000;
const MAX_DOUBLINGS = 4;
/** … and so many times as long as the last one took: what it costs is little. */
const PAUSE_RATIO = 20;
/** The share of late is one of about so many calls. */
const RECENT_CALLS = 256;
/** The background is forgotten once the share of late is so many times smaller. */
const FORGET_RATIO = 4;
const NEVER = Number.POSITIVE_INFINITY;

/** What the station did before an experiment; calls a ms. */
interface Before {
  readonly finishedPerMs: number;
  readonly share: number;
  readonly beganMs: number;
  /**
   * The first one has shown that less is refused in proportion; with still less, this is to be
   * confirmed.
   */
  readonly isSecond: boolean;
}

/** The refusals are about load; or they are not; or the experiment has not shown which. */
type Finding = "load" | "background" | "nothing";

export class Refusals {
  /** Refusals that are tolerated from now on. */
  #reserve = FIRST_RESERVE;
  #background = 0;
  /** There is nothing that a finished call could change. */
  #isCalm = false;
  #strictUntilMs = Number.NEGATIVE_INFINITY;
  /** Share of refusals of late, while there is a background. */
  #recentShare = 0;
  /**
   * Calls finished and refused since the limit was lowered; those that went out before do not
   * count.
   */
  #finished = 0;
  #refused = 0;
  /** How many calls had ended when one was refused last, that one included. */
  #endedAtRefusal = 0;
  #fromMs = NEVER;
  #experiment: Before | undefined = undefined;
  #experiments = 0;
  #nextExperimentMs = Number.NEGATIVE_INFINITY;

  /** The share that the station refuses whatever the load is; 0 where none is known. */
  get background(): number {
    return this.#background;
  }

  /**
   * Need it not be told of calls that are finished, until one is refused or the limit is lowered?
   * Asked with every answer.
   */
  get isCalm(): boolean {
    return this.#isCalm;
  }

  /** Has the station begun to serve only now, so that its refusals are taken to be about load? */
  isStrict(nowMs: number): boolean {
    return nowMs < this.#strictUntilMs && this.#background === 0;
  }

  get isExperimenting(): boolean {
    return this.#experiment !== undefined;
  }

  /**
   * The station begins to serve, with `concurrent` calls at once: few are tolerated, until it has
   * finished some.
   */
  restart(concurrent: number, nowMs: number): void {
    const share = this.#background > 0 ? RESERVE_PER_SHARE * this.#background : QUIET_RATE * concurrent;
    this.#reserve = Math.min(FIRST_RESERVE, share);
    this.#isCalm = false;
    this.#fromMs = NEVER;
    this.#experiment = undefined;
    this.#experiments = 0;
    this.#nextExperimentMs = nowMs + STRICT_MS;
    this.#strictUntilMs = nowMs + STRICT_MS;
  }

  noteFinished(isLearned: boolean, nowMs: number): void {
    this.#noteEnded(0, isLearned);
    if (nowMs >= this.#fromMs) this.#finished++;
    this.#isCalm = this.#reserve === RESERVE && this.#background === 0 && this.#fromMs === NEVER;
  }

  /** A call was refused for load. True where that is more than is tolerated. */
  noteRefused(isLearned: boolean, nowMs: number): boolean {
    this.#isCalm = false;
    this.#noteEnded(1, isLearned);
    if (nowMs >= this.#fromMs) {
      this.#refused++;
      this.#endedAtRefusal = this.#finished + this.#refused;
    }
    if (this.#reserve < 1 || this.isStrict(nowMs)) return true;
    this.#reserve--;
    return false;
  }

  /**
   * Have there been enough calls since the limit was lowered to tell what the station does, and
   * what it refuses?
   */
  isShareKnown(nowMs: number): boolean {
    const isLong = this.#finished >= MIN_FINISHED || nowMs - this.#fromMs >= MIN_PERIOD_MS;
    return isLong && this.#refused >= MIN_REFUSED;
  }

  /** The limit was lowered; what ends from `fromMs` on was sent below it. */
  noteLowered(fromMs: number): void {
    const wasExperiment = this.#experiment !== undefined;
    this.#experiment = undefined;
    // Too few to tell the share: they are counted together with those that come.
    if (wasExperiment || this.#fromMs === NEVER || this.isShareKnown(fromMs)) this.#count(fromMs);
  }

  #count(fromMs: number): void {
    this.#isCalm = false;
    this.#finished = 0;
    this.#refused = 0;
    this.#endedAtRefusal = 0;
    this.#fromMs = fromMs;
  }

  /**
   * How many calls a ms the station is to be given in an experiment, if it is time for one, or one
   * `isDue` whatever the time; 0 otherwise.
   */
  experimentPerMs(isDue: boolean, nowMs: number): number {
    if ((!isDue && nowMs < this.#nextExperimentMs) || !this.isShareKnown(nowMs) || nowMs <= this.#fromMs) return 0;
    const isPart = this.#refused <= MAX_BACKGROUND * (this.#finished + this.#refused);
    return isPart ? this.#lessPerMs(nowMs) : 0;
  }

  #lessPerMs(nowMs: number): number {
    return (this.#finished / (nowMs - this.#fromMs)) * EXPERIMENT_SHARE;
  }

  /** The station is given so much from now on; what ends from `fromMs` on was sent since then. */
  beginExperiment(fromMs: number, nowMs: number): void {
    const share = this.#refused / (this.#finished + this.#refused);
    this.#experiment = {
      finishedPerMs: this.#finished / (nowMs - this.#fromMs),
      share,
      beganMs: nowMs,
      isSecond: false,
    };
    this.#count(fromMs);
  }

  /**
   * What the experiment has shown of the refusals; undefined while it has not. Where the same share
   * was refused, it is repeated with still less: then, the number of calls a ms to be given is
   * returned, and what ends from `fromMs` on was sent since then.
   */
  finding(fromMs: number, nowMs: number): Finding | number | undefined {
    const experiment = this.#experiment;
    if (experiment === undefined) return undefined;
    const { share: before, finishedPerMs, beganMs, isSecond } = experiment;
    const given = this.#finished + this.#refused;
    const forMs = nowMs - this.#fromMs;
    const share = this.#refused / Math.max(1, given);
    // So many would have been refused by now, if the share were the same.
    const expected = before * given;
    if (this.#refused >= MIN_REFUSED && given <= CLEARLY_LESS * finishedPerMs * forMs) {
      // Where so many are known to be refused anyway, the others were about load.
      if (share <= BACKGROUND_RATIO * this.#background) {
        this.#background = Math.max(this.#background, share);
        return this.#foundLoad(nowMs, beganMs);
      }
      if (share * ALIKE_RATIO < before) return this.#foundLoad(nowMs, beganMs);
      if (share > before * ALIKE_RATIO) return this.#foundNothing();
      const together = (share + before) / 2;
      if (isSecond) return this.#foundBackground(together);
      const perMs = this.#lessPerMs(nowMs);
      this.#experiment = { finishedPerMs: this.#finished / forMs, share: together, beganMs, isSecond: true };
      this.#count(fromMs);
      return perMs;
    }
    const isFew = expected >= ENOUGH_EXPECTED && this.#refused <= expected / FEW_RATIO;
    if (isFew || this.#isOver(before)) {
      // Less than that is refused anyway.
      if (share * FORGET_RATIO < this.#background) this.#background = 0;
      return this.#foundLoad(nowMs, beganMs);
    }
    const isVain = expected >= FEW_RATIO * ENOUGH_EXPECTED || forMs > MAX_EXPERIMENT_MS;
    return isVain ? this.#foundNothing() : undefined;
  }

  /** Were only the first calls refused, and none of so many since then that it is no chance? */
  #isOver(before: number): boolean {
    const ended = this.#finished + this.#refused;
    const isEarly = ended >= EARLY_RATIO * this.#endedAtRefusal;
    return isEarly && before * (ended - this.#endedAtRefusal) >= ENOUGH_IN_ROW;
  }

  #foundLoad(nowMs: number, beganMs: number): "load" {
    const pauseMs = EXPERIMENT_INTERVAL_MS * 2 ** Math.min(this.#experiments++, MAX_DOUBLINGS);
    this.#nextExperimentMs = nowMs + Math.max(pauseMs, PAUSE_RATIO * (nowMs - beganMs));
    return "load";
  }

  /** The next one may be made as soon as the limit is to be lowered again. */
  #foundNothing(): "nothing" {
    this.#nextExperimentMs = Number.NEGATIVE_INFINITY;
    return "nothing";
  }

  #foundBackground(share: number): "background" {
    this.#background = share;
    this.#recentShare = share;
    this.#reserve = this.#mostReserve;
    this.#fromMs = NEVER;
    this.#experiment = undefined;
    return "background";
  }

  get #mostReserve(): number {
    return RESERVE + RESERVE_PER_SHARE * this.#background;
  }

  #noteEnded(refused: 0 | 1, isLearned: boolean): void {
    if (this.#background > 0) {
      this.#recentShare += (refused - this.#recentShare) / RECENT_CALLS;
      if (this.#recentShare * FORGET_RATIO < this.#background) this.#background = 0;
    }
    const rate = (isLearned ? LEARNED_RATE : QUIET_RATE) + BACKGROUND_RATIO * this.#background;
    this.#reserve = Math.min(this.#mostReserve, this.#reserve + rate);
  }
}
