/**
 * Decides which refusals for load ("overloaded": 503, 429) show how much a station takes. Some
 * stations refuse a share of their calls at any load, because of a broken worker, a quota, or a
 * limiter that counts something else. If each refusal lowered the limit, such a station would be
 * given less and less without need. The contract:
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

/** Share of the calls whose refusal is tolerated while there is no learned limit, … */
const QUIET_RATE = 0.05;
/** … and while there is one: the station is at its limit, and each refusal costs it work, … */
const LEARNED_RATE = 0.01;
/**
 * … plus this many times the background: with less, chance alone would lower the limit again and
 * again.
 */
const BACKGROUND_RATIO = 1.5;
/**
 * Refusals that may come in a row by chance: `RESERVE`, plus `RESERVE_PER_SHARE` times the
 * background.
 */
const RESERVE = 4;
const RESERVE_PER_SHARE = 40;
/** Part of that reserve that is available at the start. */
const FIRST_RESERVE = 2;
/** This many refusals measure a share well enough to compare it with another, … */
const MIN_REFUSED = 5;
/** … among this many finished calls, or in this time: a shorter measurement says little. */
const MIN_FINISHED = 40;
const MIN_PERIOD_MS = 500;
/**
 * Hardly anything was refused if `ENOUGH_EXPECTED` refusals would have been expected by now and at
 * most one in `FEW_RATIO` of the expected ones came.
 */
const ENOUGH_EXPECTED = 3;
const FEW_RATIO = 8;
/**
 * Nothing is refused any more if this many refusals would have been expected since the last one, …
 */
const ENOUGH_IN_ROW = 5;
/** … and the last one was within the first tenth of the calls: later, such runs come by chance. */
const EARLY_RATIO = 10;
/** In an experiment the station is given this share of what it finished, … */
const EXPERIMENT_SHARE = 0.9;
/** … and at most this share, or the experiment shows nothing. */
const CLEARLY_LESS = 0.95;
/** Shares are about the same within this ratio. Of five refusals, chance makes two or ten. */
const ALIKE_RATIO = 2.5;
/**
 * A station that refuses more than this share is left to comparison with other stations
 * (`evidence.ts`).
 */
const MAX_BACKGROUND = 0.5;
/** An experiment that shows nothing ends after this long. */
const MAX_EXPERIMENT_MS = 20_000;
/**
 * For this long after a promotion every refusal is about load, and no experiment is made: calls
 * that waited for the promotion come then.
 */
const STRICT_MS = 5_000;
/**
 * Interval before the next experiment; each further one doubles it, up to `MAX_DOUBLINGS` times, …
 */
const EXPERIMENT_INTERVAL_MS = 5_000;
const MAX_DOUBLINGS = 4;
/** … and at least this many times the length of the last experiment, to keep its cost small. */
const PAUSE_RATIO = 20;
/** The recent share covers about this many calls. */
const RECENT_CALLS = 256;
/** The background is forgotten once the recent share is this many times smaller. */
const FORGET_RATIO = 4;
const NEVER = Number.POSITIVE_INFINITY;

/** What the station did before an experiment, in calls a ms. */
interface Before {
  readonly finishedPerMs: number;
  readonly share: number;
  readonly beganMs: number;
  /**
   * True for a repeated experiment: the first one showed about the same share, and one with still
   * less load must confirm it.
   */
  readonly isSecond: boolean;
}

/** The refusals are about load, or they are not, or the experiment has not shown which. */
type Finding = "load" | "background" | "nothing";

export class Refusals {
  /** Refusals that are still tolerated. */
  #reserve = FIRST_RESERVE;
  #background = 0;
  /** True if a finished call cannot change anything. */
  #isCalm = false;
  #strictUntilMs = Number.NEGATIVE_INFINITY;
  /** Recent share of refusals, while there is a background. */
  #recentShare = 0;
  /**
   * Calls finished and refused since the limit was lowered; calls sent before that do not count.
   */
  #finished = 0;
  #refused = 0;
  /** Calls that had ended at the last refusal, including that one. */
  #endedAtRefusal = 0;
  #fromMs = NEVER;
  #experiment: Before | undefined = undefined;
  #experiments = 0;
  #nextExperimentMs = Number.NEGATIVE_INFINITY;

  /** The share that the station refuses at any load; 0 if unknown. */
  get background(): number {
    return this.#background;
  }

  /**
   * True if finished calls need not be reported until a call is refused or the limit is lowered.
   * Asked with every answer.
   */
  get isCalm(): boolean {
    return this.#isCalm;
  }

  /**
   * Has the station only just begun to serve, so that all its refusals are taken to be about load?
   */
  isStrict(nowMs: number): boolean {
    return nowMs < this.#strictUntilMs && this.#background === 0;
  }

  get isExperimenting(): boolean {
    return this.#experiment !== undefined;
  }

  /**
   * The station begins to serve, with `concurrent` calls at once. Few refusals are tolerated until
   * it has finished some calls.
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

  /** A call was refused for load. True if that is more than is tolerated. */
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
   * Have there been enough calls since the limit was lowered to show what the station does and what
   * it refuses?
   */
  isShareKnown(nowMs: number): boolean {
    const isLong = this.#finished >= MIN_FINISHED || nowMs - this.#fromMs >= MIN_PERIOD_MS;
    return isLong && this.#refused >= MIN_REFUSED;
  }

  /** The limit was lowered; calls that end from `fromMs` on were sent below it. */
  noteLowered(fromMs: number): void {
    const wasExperiment = this.#experiment !== undefined;
    this.#experiment = undefined;
    // These are too few to show the share, so they are counted together with the next ones.
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
   * Calls a ms for the station in an experiment, if one may be made now; 0 otherwise. `isDue`: make
   * one even before the interval is over.
   */
  experimentPerMs(isDue: boolean, nowMs: number): number {
    if ((!isDue && nowMs < this.#nextExperimentMs) || !this.isShareKnown(nowMs) || nowMs <= this.#fromMs) return 0;
    const isPart = this.#refused <= MAX_BACKGROUND * (this.#finished + this.#refused);
    return isPart ? this.#lessPerMs(nowMs) : 0;
  }

  #lessPerMs(nowMs: number): number {
    return (this.#finished / (nowMs - this.#fromMs)) * EXPERIMENT_SHARE;
  }

  /**
   * The station is given this load from now on; calls that end from `fromMs` on were sent since
   * then.
   */
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
   * The finding of the experiment; undefined while there is none. If the same share was refused,
   * the experiment is repeated with still less load: the calls a ms to give are returned, and calls
   * that end from `fromMs` on were sent since then.
   */
  finding(fromMs: number, nowMs: number): Finding | number | undefined {
    const experiment = this.#experiment;
    if (experiment === undefined) return undefined;
    const { share: before, finishedPerMs, beganMs, isSecond } = experiment;
    const given = this.#finished + this.#refused;
    const forMs = nowMs - this.#fromMs;
    const share = this.#refused / Math.max(1, given);
    // This many would have been refused by now if the share were the same.
    const expected = before * given;
    if (this.#refused >= MIN_REFUSED && given <= CLEARLY_LESS * finishedPerMs * forMs) {
      // If this share is known to be refused at any load, the other refusals were about load.
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
      // The refusals at any load have become fewer than the known background.
      if (share * FORGET_RATIO < this.#background) this.#background = 0;
      return this.#foundLoad(nowMs, beganMs);
    }
    const isVain = expected >= FEW_RATIO * ENOUGH_EXPECTED || forMs > MAX_EXPERIMENT_MS;
    return isVain ? this.#foundNothing() : undefined;
  }

  /**
   * Were only the first calls refused, and none of so many since then that chance does not explain
   * it?
   */
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

  /** The next experiment may be made as soon as the limit is to be lowered again. */
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
