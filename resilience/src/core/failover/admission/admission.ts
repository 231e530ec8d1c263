/**
 * Decides how many calls a station is given. It is the one controller for new, waiting, re-sent and
 * retried calls. Three bounds apply at the same time:
 *
 *   concurrency   at most `limit` calls in flight: no limit in quiet times, a few after a promotion
 *   pace          the declared calls a second; once the station has said that it is overloaded, also limit ÷ answer time
 *   pause         the station asked to be left alone for a moment (`Retry-After`)
 *
 * The limit changes once a round trip, by what the station finished:
 * - While no sign counts against it, it grows by half (slow start, RFC 5681), or by a tenth if the
 *   usual load is known.
 * - If calls are refused for load, it falls to what the station does, measured over about the last
 *   second. This counts the calls that it finishes and half of those that it refuses, because a
 *   refusal is work too.
 * - If calls are not answered at all, it falls to half.
 * - It stays there for a second and is then raised, a little at first and in leaps after three
 *   seconds (CUBIC, RFC 9438). So a station that was paused is soon given its full load again.
 *
 * A call whose caller hung up counts as finished work when it is answered, and not before. Only
 * refused and unanswered calls lower the limit, and only once a round trip, so a queue of abandoned
 * calls cannot hold it down. If no call has waited for the limit for a second, the limit is lifted.
 * A second in which this process was paused, or in which calls waited for something else, does not
 * count: otherwise all of them would be sent at once. A station that refuses nearly everything is
 * exhausted by its refusals: it is left alone for a moment and given less (`#rest`).
 *
 * A station that refuses nothing becomes slow instead. If its answers show that it is crowded
 * (`crowding.ts`), the limit becomes the number of calls that it works on at once when none waits
 * there, plus a quarter. From then on the answer times move the limit: up while they are near those
 * at leisure, down when they are clearly longer (the delay gradient of TCP Vegas, Brakmo and
 * Peterson, 1995). It is one file because any sign may move any bound.
 */
import { COUNT, checked } from "../../options.ts";
import { type Crowd, FULL } from "./crowding.ts";
import { Filling } from "./filling.ts";
import { LimitWorth } from "./limit-worth.ts";
import { Refusals } from "./refusals.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Options that limit how many calls a station gets. */
export interface AdmissionOptions {
  /**
   * Maximum calls per second, spread evenly; at least 1. Default `Infinity`, not declared: what a
   * station takes is learned when it refuses.
   */
  readonly capacityPerSecond?: number | undefined;
  /**
   * Calls that may go at once after a rest, in addition to that pace; a whole number from 1, below
   * 2^31. Default: a twentieth of a second's calls, at least four, and no second holds more than
   * `capacityPerSecond`. This is room for calls that happen to come together. Without
   * `capacityPerSecond` it has no effect.
   */
  readonly burst?: number | undefined;
  /**
   * Calls that may be in flight right after a promotion if the usual number is unknown. A whole
   * number from 1, below 2^31. Default 10: almost any service can take them, and the limit grows as
   * answers come.
   */
  readonly initialConcurrent?: number | undefined;
  /** Maximum calls in flight at any time; at least 1. Default `Infinity`: no bound of its own. */
  readonly maxConcurrent?: number | undefined;
  /**
   * Maximum calls that the station works on at any time, as far as is known; calls that usually
   * take long do not count. At least 1. Default `Infinity`: no bound of its own.
   */
  readonly maxWorking?: number | undefined;
}

/**
 * What one call shows about the load of a station: the station finished it, refused it because of
 * load, or did not answer it in time.
 */
export type LoadSign = "finished" | "overloaded" | "unanswered";

const SLOW_START = 1.5;
/**
 * If the usual load is known, the limit starts there and grows by this factor: more is needed only
 * to make up for an outage.
 */
const GENTLE_START = 1.1;
/**
 * If the call rate and the answer time of this station are known, the limit is raised towards the
 * number that follows from them, at most by this factor at a time.
 */
const NEED_STEP = 3;
const FIRST_SHARE = 1.25;
/** The first refusal lowers the limit to this share of the load. */
const AFTER_REFUSAL = 0.9;
/**
 * What a refusal costs a station, as a share of a call. The true value is unknown, between nothing
 * and a whole call; half has the smallest error.
 */
const REFUSAL_COST = 0.5;
/**
 * The limit stays where it is while no more than this share of the calls in a round trip is
 * refused.
 */
const TOLERATED_RATE = 0.05;
/**
 * The station is given this share of what it did in the last round trip: the rest refills its own
 * reserve.
 */
const RESERVE = 0.98;
const AFTER_SILENCE = 0.5;
/** An experiment with less than this share of the limit would cost too much. */
const LEAST_TRIED = 0.4;
/** A limit that was lowered by mistake grows again from at least this. */
const FEWEST_AGAIN = 2;
/** After this long without a sign against it, the limit is raised again … */
const PROBE_AFTER_MS = 1_000;
/**
 * … by this share in each round trip, times the third power of the seconds since then (CUBIC, RFC
 * 9438), so soon in leaps.
 */
const PROBE_STEP = 0.005;
/**
 * A round trip shorter than this raises the limit by less: a station's limits show over time, not
 * over round trips.
 */
const RAISE_ROUND_MS = 80;
/** Maximum factor of one raise, however long nothing was refused. */
const MAX_RAISE = 4;
/** A limit that was raised to more than this many times its lowered value has leapt. */
const LEAP_RATIO = 3;
/**
 * The station's work is measured over one to two windows of this length, or of two round trips if
 * that is longer.
 */
const MIN_WINDOW_MS = 500;
/**
 * The window while there is a limit, starting when the limit was last lowered. The station's own
 * reserve was empty then, and is empty again at the next refusal, so what it did in between is what
 * it can do for long.
 */
const BOUND_WINDOW_MS = 2_000;
/**
 * A measurement that lowers the limit needs at least this many calls, or a whole window if fewer
 * come. With eight calls, one more or less is an eighth; a second without refusals makes up for
 * that.
 */
const MIN_MEASURED = 8;
/**
 * A station has to work for its refusals too: one that is given slightly more than it can do may
 * end up accepting nothing. It is exhausted after this many refusals in a row, in the order in
 * which the calls were sent, or after this many in a round trip if they are more than twice the
 * calls finished. A station that is given a little too much refuses single calls.
 */
const EXHAUSTED_AFTER = 4;
const EXHAUSTED_RATIO = 2;
/** Refusals that come within this time count as one sign. */
const MIN_EXHAUSTED_MS = 100;
/**
 * First rest of an exhausted station: the time in which `REST_CALLS` calls would be sent, and at
 * least `MIN_REST_MS`. A station that takes five calls a second regains nothing in 100 ms. Each
 * call that it still refuses doubles the next rest, up to `MAX_DOUBLINGS` times.
 */
const REST_CALLS = 1.6;
const MIN_REST_MS = 100;
const MAX_DOUBLINGS = 3;
/** After a rest the station is given this share of what it was given before. */
const AFTER_EXHAUSTION = 0.85;
/**
 * After exhaustion the limit is raised at this share of the usual speed, because a failed raise
 * costs more.
 */
const AFTER_EXHAUSTION_SPEED = 0.5;
const LIFT_AFTER_MS = 1_000;
/**
 * If a limit that had grown is refused again, it falls at once to no less than this share of
 * itself: what was measured while the limit was low is only what was given. Below `FEW_AT_ONCE`
 * calls at once, the measurement counts.
 */
const AFTER_GROWTH = 0.88;
const GROWN = 1.01;
const FEW_AT_ONCE = 3;
/**
 * A station that refuses nothing is given this many times the calls that it works on at leisure, so
 * that it never runs out of work.
 */
const CROWDED_SHARE = 1.25;
/** … but never less than one: a call that is alone at its station waits for no other, … */
const LEAST_BY_DELAY = 1;
/** … and never less than this share of them: callers who hang up must not hold the limit down. */
const LEAST_SHARE = 0.5;
/**
 * While answers take less than `ROOMY` times as long as at leisure, that limit is raised by the
 * factor `ROOMY_STEP`.
 */
const ROOMY = 1.25;
const ROOMY_STEP = 1.1;
/** While they take more than `SLOW` times as long, it falls to the share `CROWDED_STEP`. */
const SLOW = 1.6;
const CROWDED_STEP = 0.9;
/**
 * If such a limit did not make answers quicker within this time, or within `VAIN_ANSWERS` answer
 * times, it was set by mistake.
 */
const VAIN_MS = 10_000;
const VAIN_ANSWERS = 6;
/** Calls are waiting for the limit if one waited within this time, in ms. */
const BOUND_LATELY_MS = 300;
/**
 * Answers have become quicker if the logarithm of their ratio to leisure is less than this share of
 * what it was, …
 */
const VAIN_SHARE = 0.5;
/**
 * … or if they take no longer than this many times as long as at leisure, which is normal below
 * such a limit.
 */
const VAIN_LOG = Math.log(1.9);
const UNKNOWN: Crowd = {
  stretch: 1,
  leisureMs: 0,
  isMounting: false,
  servedPerMs: () => 0,
  leftSince: 0,
  work: () => 0,
};
/**
 * A station that finished a call within this time needs no pause; its refusals of other calls still
 * count.
 */
const FINISHED_LATELY_MS = 1_000;
/** The minimum limit. Below one, a limit is a pace: one call in 1 ÷ limit answer times. */
const MIN_LIMIT = 0.05;
/** The minimum pace: what a station takes is learned only from calls. */
const MIN_RATE_PER_SECOND = 2;
/** The minimum round trip. */
const MIN_ROUND_MS = 10;
/** Maximum pause that a station can ask for. An answer from it ends the pause earlier. */
const MAX_PAUSE_MS = 1_000;

/**
 * Decides how many calls a station gets at once, and at what pace. The limit is what the station
 * declares, or what its answers and refusals show.
 *
 * @example
 * ```ts
 * import { Admission } from "ground-station-failover/core";
 *
 * const admission = new Admission({ capacityPerSecond: 100, burst: 2 });
 * admission.enter(0);
 * admission.enter(0);
 * console.log(admission.admits(0), admission.nextMs(0)); // false 10
 * admission.leave(); // one is answered
 * console.log(admission.inFlight, admission.admits(10)); // 1 true
 * ```
 */
export class Admission {
  capacityPerSecond: number;
  #burst: number | undefined;
  #initialConcurrent: number;
  #maxConcurrent: number;
  #maxWorking: number;
  #declared: TokenBucket | undefined;
  readonly #learned: TokenBucket = new TokenBucket(Number.POSITIVE_INFINITY);
  #limit: number = Number.POSITIVE_INFINITY;
  /** True if the station has shown how much it takes since the limit was set. */
  #isLearned = false;
  /** When refusals first lowered the limit since it was set. */
  #refusingFromMs: number = Number.NEGATIVE_INFINITY;
  /** True if the limit was learned from slow answers, and not from refusals. */
  #isByDelay = false;
  /** When that was, or when it was last checked whether the limit helps. */
  #byDelayFromMs = 0;
  /**
   * How long answers took when the limit was learned, and since then: logarithms, the second one
   * summed up.
   */
  #tookLogThen = 0;
  #tookLogSum = 0;
  #tookCount = 0;
  #growth = SLOW_START;
  /**
   * Calls a ms that the previous station served: this one needs as many at once as arrive while it
   * answers one.
   */
  #perMs = 0;
  #begunAtMs: number = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  /** How many of these are no work for the station now, as far as is known. */
  #uncounted = 0;
  /**
   * Calls that were in flight when the limit was set; it does not count them. Which ones leave is
   * unknown, so the first to leave are taken for these.
   */
  #beside = 0;
  #pausedUntilMs: number = Number.NEGATIVE_INFINITY;
  #roundFromMs: number = Number.NEGATIVE_INFINITY;
  /** True if the last sign was that calls are not answered, rather than refused. */
  #isBySilence = false;
  /** True if the limit was last lowered for calls that may be refused at any load. */
  #isMistakable = false;
  /** Calls finished and refused in this round trip. */
  #finished = 0;
  #refused = 0;
  /**
   * The station's work in this window and in the one before: calls finished, plus a share of those
   * refused.
   */
  #done = 0;
  #doneBefore = 0;
  #windowFromMs: number = Number.POSITIVE_INFINITY;
  #windowBeforeMs = 0;
  /** The mean answer time. */
  #meanMs = 0;
  #finishedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Refusals since a call was finished, and rests since then. */
  #refusedInRow = 0;
  /** When the first call of that row was sent. */
  #refusedFromMs: number = Number.NEGATIVE_INFINITY;
  #rests = 0;
  /**
   * True if the station has been exhausted since it began to serve, or was given more than was of
   * use: a failed raise costs much then.
   */
  #wasExhausted = false;
  readonly #refusals: Refusals = new Refusals();
  /** Set while its limit grows for the first time. */
  #filling: Filling | undefined = undefined;
  /** Set while it is undecided whether a limit by delay is worth its cost. */
  #worth: LimitWorth | undefined = undefined;
  /**
   * All refusals in this round trip, and the calls that the station worked on at the first of them.
   */
  #refusedInRound = 0;
  #loadAtRefusal = 0;
  /** The load that the station was given when refusals first lowered the limit. */
  #loadBefore = 0;
  /** The limit to set if an experiment shows that refusals are about load. */
  #untriedLimit: number = Number.POSITIVE_INFINITY;
  /** The load at which it refused hardly anything in the last experiment. */
  #shownLimit = 0;
  #wasBound = false;
  #boundAtMs: number = Number.NEGATIVE_INFINITY;
  /** The value of the limit when it was last lowered, and when that was. */
  #loweredTo: number = Number.POSITIVE_INFINITY;
  #loweredAtMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: AdmissionOptions = {}) {
    const part = "ramp";
    this.capacityPerSecond = checked(part, "capacityPerSecond", options.capacityPerSecond ?? ENDLESS, CAPACITY);
    this.#initialConcurrent = checked(part, "initialConcurrent", options.initialConcurrent ?? 10, COUNT);
    this.#maxConcurrent = checked(part, "maxConcurrent", options.maxConcurrent ?? ENDLESS, { min: 1, max: ENDLESS });
    this.#maxWorking = checked(part, "maxWorking", options.maxWorking ?? ENDLESS, { min: 1, max: ENDLESS });
    const burst = options.burst === undefined ? undefined : checked(part, "burst", options.burst, COUNT);
    this.#burst = burst;
    this.#declared =
      this.capacityPerSecond < ENDLESS ? new TokenBucket(this.capacityPerSecond, true, burst) : undefined;
  }

  /**
   * Follows the options of `other` from `nowMs` on. What was learned of the station stays, and so
   * do the calls that are out; a limit above the new maximum falls to it.
   */
  useSettingsOf(other: Admission, nowMs: number): void {
    if (other.capacityPerSecond !== this.capacityPerSecond || other.#burst !== this.#burst) {
      other.#declared?.carryOn(this.#declared, nowMs);
      this.#declared = other.#declared;
    }
    this.capacityPerSecond = other.capacityPerSecond;
    this.#burst = other.#burst;
    this.#initialConcurrent = other.#initialConcurrent;
    this.#maxConcurrent = other.#maxConcurrent;
    this.#maxWorking = other.#maxWorking;
    if (this.#limit < ENDLESS) this.#limit = Math.min(this.#limit, this.#maxConcurrent);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Calls in flight that the station works on, as far as is known. Calls whose bodies are still
   * being sent, and calls that were set aside, do not count.
   */
  get working(): number {
    return this.#inFlight - this.#uncounted;
  }

  /** Calls in flight that the station is known to sustain. Trial calls do not count. */
  get borne(): number {
    return this.isTrial ? 0 : this.working;
  }

  /** How many calls may be in flight; `Infinity` if only `maxConcurrent` bounds them. */
  get limit(): number {
    return this.#limit;
  }

  /** Have calls waited for the limit within the last second? */
  isBinding(nowMs: number): boolean {
    return this.#limit < ENDLESS && nowMs - this.#boundAtMs < LIFT_AFTER_MS;
  }

  /**
   * Was the limit learned from slow answers? Then the limit may be the reason that answers are
   * slow.
   */
  get isByDelay(): boolean {
    return this.#isByDelay;
  }

  /** Since when the limit is by delay; `-Infinity` if it is not. */
  get byDelayFromMs(): number {
    return this.#isByDelay ? this.#byDelayFromMs : Number.NEGATIVE_INFINITY;
  }

  /** Since when the limit follows from refusals; `-Infinity` if it does not. */
  get refusingFromMs(): number {
    return this.#isLearned && !this.#isByDelay ? this.#refusingFromMs : Number.NEGATIVE_INFINITY;
  }

  /** Was the limit last lowered for sources that were never served? Then it may be a mistake. */
  get isMistakable(): boolean {
    return this.#isMistakable && this.#limit < ENDLESS;
  }

  /** The limit was just lowered for calls that may be refused at any load. */
  noteMistakable(): void {
    this.#isMistakable = true;
  }

  /** Has the station shown how much it takes, since the limit was set? */
  get isLearned(): boolean {
    return this.#isLearned;
  }

  /** Does the station refuse a share of its calls at any load? */
  get refusesAnyway(): boolean {
    return this.#refusals.background > 0;
  }

  /** When the limit was last set by a promotion or a trial. */
  get begunAtMs(): number {
    return this.#begunAtMs;
  }

  /** Maximum calls in flight, by all bounds. */
  get mostConcurrent(): number {
    return Math.min(this.#limit, this.#maxConcurrent, this.#maxWorking);
  }

  /** Calls per second that may go now; `Infinity` if there is no pace. */
  get ratePerSecond(): number {
    return Math.min(this.capacityPerSecond, this.#learned.ratePerSecond);
  }

  /** Until when the station asked to be left alone. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /**
   * The station has just become active. It starts with a few calls, or with as many as were in
   * flight at the previous station (`concurrent`). `beside`: calls that it already has; they came
   * from the station that failed, and new calls need not wait for them to end. `perMs`: calls a ms
   * that were served elsewhere, 0 if unknown; the default is the value of the last start.
   */
  begin(concurrent: number, nowMs: number, beside = 0, perMs: number = this.#perMs): void {
    const known = concurrent >= 1;
    this.#limit = Math.min(
      this.#maxConcurrent,
      known ? Math.max(2, concurrent * FIRST_SHARE) : this.#initialConcurrent,
    );
    this.#growth = known ? GENTLE_START : SLOW_START;
    this.#restart(concurrent, nowMs);
    this.#beside = beside;
    this.#perMs = perMs;
  }

  /** Allows one call at a time, because it is unknown whether the station serves at all. */
  beginTrial(nowMs: number): void {
    this.#limit = 1;
    this.#growth = SLOW_START;
    this.#restart(0, nowMs);
  }

  /**
   * True while only one call at a time may go, because it is unknown whether the station serves.
   */
  get isTrial(): boolean {
    return this.#limit === 1 && !this.#isLearned;
  }

  /**
   * How many slow calls the limit need not count just after the station began to serve. If hardly
   * anything was in flight before, the limit is lower than the usual starting limit; this is the
   * difference.
   */
  get spare(): number {
    if (this.#limit === ENDLESS || this.#isLearned || this.isTrial) return 0;
    return this.#initialConcurrent - Math.ceil(this.#limit) - this.#uncounted;
  }

  /**
   * Does the station work on as many calls as it may? Calls that usually take long need not count.
   */
  get isFilled(): boolean {
    return this.working >= this.#maxWorking;
  }

  /**
   * May one more call go now? A "no" because of load is remembered: a call is waiting for the
   * limit.
   */
  admits(nowMs: number): boolean {
    if (nowMs < this.#pausedUntilMs) return false;
    if (this.#hasRoom()) {
      if (this.#declared !== undefined && !this.#declared.allows(nowMs)) return false;
      if (this.#learned.allows(nowMs)) return true;
    }
    this.#wasBound = true;
    this.#boundAtMs = nowMs;
    return false;
  }

  /** When time alone lets the next call go; `Infinity` if another call has to end first. */
  nextMs(nowMs: number): number {
    if (nowMs < this.#pausedUntilMs) return this.#pausedUntilMs;
    if (!this.#hasRoom()) return ENDLESS;
    return Math.max(nowMs, this.#declared?.nextMs ?? nowMs, this.#learned.nextMs);
  }

  /** A call goes out. */
  enter(nowMs: number): void {
    this.#inFlight++;
    this.#declared?.take(nowMs);
    if (this.#learned.ratePerSecond < ENDLESS) this.#learned.take(nowMs);
  }

  /** A call's work has ended, for whatever reason. Its place is free. */
  leave(): void {
    this.#inFlight--;
    if (this.#beside > 0) this.#beside--;
  }

  /**
   * A call was answered after `tookMs` but not served. The pace is that of served calls. If the
   * limit is by delay, it counts calls at once, so the rest of this call's round trip is free for
   * another call. If the limit follows from refusals, it counts calls, and nothing is given back.
   */
  noteAnswered(tookMs: number): void {
    if (!this.#isByDelay) return;
    const tripMs = (this.#limit * 1_000) / this.#learned.ratePerSecond;
    if (tookMs < tripMs) this.#learned.giveBack(1 - tookMs / tripMs);
  }

  /**
   * A call that was sent at `sentMs` is no work for the station from now on, so a limit that was
   * learned from work does not count it.
   */
  uncount(sentMs: number): void {
    this.#uncounted++;
    if (this.#beside > 0 && sentMs < this.#begunAtMs) this.#beside--;
  }

  /** That call is work again, or has ended. */
  countAgain(): void {
    this.#uncounted--;
  }

  /**
   * Calls wait, or may wait unread. So the absence of requests does not show that the limit is not
   * needed.
   */
  noteAwaited(nowMs: number): void {
    this.#boundAtMs = nowMs;
  }

  #hasRoom(): boolean {
    return (
      !this.isFilled && this.working < Math.ceil(this.#limit) + this.#beside && this.#inFlight < this.#maxConcurrent
    );
  }

  /**
   * Takes a sign of load from a call. `lastMs`: the station's usual answer time by its last few
   * answers. `crowd`: what its answer times show. `sentMs`: when the call was sent.
   */
  note(sign: LoadSign, lastMs: number, nowMs: number, crowd: Crowd = UNKNOWN, sentMs: number = nowMs): void {
    if (sign === "finished") return this.noteFinished(lastMs, nowMs, crowd, lastMs, sentMs);
    const usualMs = this.#roundTripMs(lastMs);
    if (nowMs >= this.#roundFromMs + MIN_ROUND_MS) this.#lookAtRound(usualMs, nowMs, crowd);
    if (sign === "overloaded" && this.#refusedInRow++ === 0) this.#refusedFromMs = sentMs;
    this.#noteUnfinished(sign, usualMs, nowMs, crowd);
  }

  #lookAtRound(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (nowMs >= this.#roundFromMs + this.#tripMs(usualMs, crowd)) this.#endRound(usualMs, nowMs, crowd);
  }

  /**
   * As {@link note}, for a call that the station finished. `meanMs`: the station's mean answer
   * time.
   */
  noteFinished(lastMs: number, nowMs: number, crowd: Crowd, meanMs: number = lastMs, sentMs: number = nowMs): void {
    this.#meanMs = meanMs;
    const usualMs = this.#roundTripMs(lastMs);
    if (nowMs >= this.#roundFromMs + MIN_ROUND_MS) this.#lookAtRound(usualMs, nowMs, crowd);
    if (!this.#refusals.isCalm) this.#refusals.noteFinished(this.#limit < ENDLESS, nowMs);
    this.#measure(1, usualMs, nowMs);
    this.#finished++;
    this.#worth?.noteFinished();
    this.#finishedAtMs = nowMs;
    // A call that was accepted before the refusals says nothing about them.
    if (this.#refusedInRow === 0 || sentMs >= this.#refusedFromMs) {
      this.#refusedInRow = 0;
      this.#rests = 0;
      this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    }
    if (this.#isBySilence) this.#mayAnswerAgain(usualMs, crowd);
  }

  /**
   * The round trip for the limit. A limit that follows from refusals is a rate times the mean
   * answer time (Little's law); with the time of a few answers, the rate would jump with each slow
   * one. A limit by delay follows the latest answer times.
   */
  #roundTripMs(lastMs: number): number {
    return this.#isLearned && !this.#isByDelay && this.#meanMs > 0 ? this.#meanMs : lastMs;
  }

  #noteUnfinished(sign: Exclude<LoadSign, "finished">, usualMs: number, nowMs: number, crowd: Crowd): void {
    this.#isBySilence = sign === "unanswered";
    if (sign === "overloaded") {
      const isTolerated = !this.#refusals.noteRefused(this.#limit < ENDLESS, nowMs);
      // A call that is refused for a reason other than load has been handled, too.
      this.#measure(isTolerated ? 1 : REFUSAL_COST, usualMs, nowMs);
      if (!isTolerated) {
        this.#refused++;
        this.#isByDelay = false;
      }
      if (this.#refusedInRound++ === 0) this.#loadAtRefusal = this.working;
      if (this.#refusesAll(usualMs, nowMs)) return this.#rest(usualMs, nowMs);
      if (this.#refusals.isExperimenting) return this.#lookAtExperiment(usualMs, nowMs);
      if (isTolerated) return;
    }
    // Calls that were sent before the limit was lowered say nothing about the new limit.
    if (nowMs < this.#loweredAtMs + 2 * Math.max(MIN_ROUND_MS, usualMs)) return;
    const atRefusal = sign === "overloaded" && !this.#refusals.isStrict(nowMs) ? this.#loadAtRefusal : 0;
    const load = Math.min(this.#limit, Math.max(1, this.working, atRefusal));
    if (sign === "unanswered") this.#lowerUnanswered(load * AFTER_SILENCE, usualMs, nowMs, crowd);
    // While calls are refused, fewer are in flight than the station takes. Only its finished work
    // shows how many it takes.
    else if (this.#isLearned && !this.#hasLeapt) return this.#lowerAgain(usualMs, nowMs);
    else {
      if (!this.#isLearned) {
        this.#loadBefore = load;
        this.#refusingFromMs = nowMs;
      }
      this.#lower(this.#firstLimit(load * AFTER_REFUSAL, usualMs, nowMs), usualMs, nowMs);
      this.#measureAnew(usualMs, nowMs);
    }
    this.#beginRound(nowMs);
  }

  /**
   * The limit after the first refusals that are too many. `ofLoad`: follows from the calls in
   * flight when they came.
   */
  #firstLimit(ofLoad: number, usualMs: number, nowMs: number): number {
    const done = this.#isMeasured(usualMs, nowMs) ? this.#doneInRound(usualMs, nowMs) * RESERVE : ENDLESS;
    // Many calls were refused before, and left fewer in flight than the station takes.
    if (this.refusesAnyway) return done < ENDLESS ? done : Math.max(ofLoad, Math.min(this.#limit, this.#loweredTo));
    return Math.min(ofLoad, done);
  }

  /** Has the station refused everything that it was sent lately? */
  #refusesAll(usualMs: number, nowMs: number): boolean {
    // In an experiment, chance has to be told apart from load.
    const least = this.#refusals.isExperimenting ? 2 * EXHAUSTED_AFTER : EXHAUSTED_AFTER;
    if (this.#limit === ENDLESS || this.#refusedInRow < least) return false;
    // A call that was sent after the first refusal, and taken, would have been finished by now.
    return nowMs - Math.max(this.#refusedFromMs, this.#begunAtMs) >= Math.max(MIN_EXHAUSTED_MS, usualMs);
  }

  /**
   * Did the station refuse more than twice what it finished in this round trip, although the limit
   * was lowered before it?
   */
  get #refusesMost(): boolean {
    const isOwn = this.#isLearned && this.#roundFromMs >= this.#loweredAtMs;
    return isOwn && this.#refused >= EXHAUSTED_AFTER && this.#refused > EXHAUSTED_RATIO * this.#finished;
  }

  /**
   * The station is exhausted: it is left alone for a moment, and given less from then on. An answer
   * from it ends the rest.
   */
  #rest(usualMs: number, nowMs: number): void {
    if (this.#rests === 0) {
      this.#wasExhausted = true;
      // One reduction per instant is enough: the same refusals may have lowered the limit just now.
      if (nowMs > this.#loweredAtMs) this.#lower(this.#limit * AFTER_EXHAUSTION, usualMs, nowMs);
      this.#measureAnew(usualMs, nowMs);
    }
    const restMs = Math.max(MIN_REST_MS, (REST_CALLS * 1_000) / this.#learned.ratePerSecond);
    this.pause(restMs * 2 ** Math.min(this.#rests++, MAX_DOUBLINGS), nowMs);
    this.#beginRound(nowMs);
  }

  /**
   * The station answered nothing for a while. If it now answers as quickly as at leisure, one call
   * at a time is no risk.
   */
  #mayAnswerAgain(usualMs: number, crowd: Crowd): void {
    if (this.#limit >= 1 || crowd.stretch >= FULL) return;
    this.#limit = 1;
    this.#setPace(usualMs);
  }

  /**
   * More and more calls are out. If there is no limit yet, the number that the station works on at
   * once becomes the limit.
   */
  noteMounting(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (this.#limit === ENDLESS && crowd.work(nowMs) > 0) this.#lowerUnanswered(ENDLESS, usualMs, nowMs, crowd);
  }

  /**
   * Calls wait for a limit that is not learned yet, and answers take several times as long as at
   * leisure: the limit grew before the answers could show it. The number that the station works on
   * at once becomes the limit.
   */
  noteCrowded(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (this.#isLearned || this.isTrial || !this.isBinding(nowMs)) return;
    if (crowd.work(nowMs) > 0) this.#lowerUnanswered(this.#limit, usualMs, nowMs, crowd);
  }

  /**
   * Callers hung up, or more and more calls are out. If the number that the station can work on at
   * once is known, it is better than halving.
   */
  #lowerUnanswered(to: number, usualMs: number, nowMs: number, crowd: Crowd): void {
    const work = crowd.work(nowMs);
    if (work > 0 && !this.#isByDelay) {
      this.#watchDelay(tookLogOf(crowd), nowMs);
      const perMs = crowd.servedPerMs(nowMs);
      this.#worth = perMs > 0 ? new LimitWorth(perMs, this.working + crowd.leftSince, nowMs) : undefined;
      this.#loadBefore = this.working;
    }
    this.#isByDelay = work > 0;
    const bounded = Math.max(Math.min(to, work * CROWDED_SHARE), work * LEAST_SHARE, LEAST_BY_DELAY);
    this.#lower(work > 0 ? bounded : to, usualMs, nowMs);
    this.#setPace(usualMs, crowd);
  }

  /**
   * Was a limit set because answers take long, and does it only make the station finish fewer
   * calls, or have answers been as slow below it ever since? Then the station is slow for another
   * reason, and the limit grows until no call waits for it. True if so.
   */
  endVainLimit(usualMs: number, crowd: Crowd, nowMs: number): boolean {
    if (!this.#isByDelay || this.#limit === ENDLESS) return false;
    const costsMore = this.#costsMore(crowd, nowMs);
    if (!costsMore && !this.#isAsSlow(usualMs, nowMs, crowd)) return false;
    // That the station takes as many calls as before is known only if fewer are finished below the
    // limit.
    if (!costsMore) this.#loadBefore = 0;
    this.#isByDelay = false;
    this.#growAgain(usualMs, nowMs);
    this.#filling = new Filling(nowMs);
    return true;
  }

  #costsMore({ leftSince }: Crowd, nowMs: number): boolean {
    const isFilled = this.working <= Math.ceil(this.#limit) && nowMs - this.#boundAtMs < BOUND_LATELY_MS;
    const verdict = this.#worth?.verdict(isFilled, leftSince, nowMs);
    if (verdict !== undefined) this.#worth = undefined;
    return verdict === "in vain";
  }

  /**
   * Compares both periods with leisure as it is known now: when the limit was learned, leisure may
   * have been a guess.
   */
  #isAsSlow(usualMs: number, nowMs: number, { leisureMs }: Crowd): boolean {
    if (nowMs < this.#byDelayFromMs + Math.max(VAIN_MS, VAIN_ANSWERS * usualMs)) return false;
    const leisureLog = Math.log(leisureMs);
    const longerThen = this.#tookLogThen - leisureLog;
    const longerSince = this.#tookLogSum - leisureLog * this.#tookCount;
    const isVain = longerSince > Math.max(VAIN_SHARE * longerThen, VAIN_LOG) * this.#tookCount;
    this.#watchDelay(this.#tookLogThen, nowMs);
    return isVain;
  }

  #watchDelay(tookLogThen: number, nowMs: number): void {
    this.#byDelayFromMs = nowMs;
    this.#tookLogThen = tookLogThen;
    this.#tookLogSum = 0;
    this.#tookCount = 0;
  }

  /** Has the station finished anything in the last second? */
  isFinishing(nowMs: number): boolean {
    return nowMs - this.#finishedAtMs < FINISHED_LATELY_MS;
  }

  /** The station asks to be left alone for `forMs`; an answer from it ends the pause early. */
  pause(forMs: number, nowMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + Math.min(forMs, MAX_PAUSE_MS));
  }

  #restart(concurrent: number, nowMs: number): void {
    this.#beside = 0;
    this.#begunAtMs = nowMs;
    this.#filling = new Filling(nowMs);
    this.#worth = undefined;
    this.#isLearned = false;
    this.#refusingFromMs = Number.NEGATIVE_INFINITY;
    this.#isByDelay = false;
    this.#isMistakable = false;
    this.#learned.ratePerSecond = ENDLESS;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    this.#roundFromMs = nowMs;
    this.#finished = 0;
    this.#refused = 0;
    this.#refusedInRound = 0;
    this.#done = 0;
    this.#doneBefore = 0;
    this.#windowBeforeMs = 0;
    this.#windowFromMs = ENDLESS;
    this.#wasBound = false;
    this.#boundAtMs = nowMs;
    this.#loweredAtMs = Number.NEGATIVE_INFINITY;
    this.#finishedAtMs = Number.NEGATIVE_INFINITY;
    this.#refusedInRow = 0;
    this.#rests = 0;
    this.#wasExhausted = false;
    this.#refusals.restart(concurrent, nowMs);
    this.#shownLimit = 0;
  }

  /** Has the limit grown so much that the work done below the old limit no longer says anything? */
  get #hasLeapt(): boolean {
    if (this.#isLearned) return this.#limit > LEAP_RATIO * this.#loweredTo;
    return this.#growth === SLOW_START && this.#limit < ENDLESS;
  }

  /**
   * Work done while the limit grew in leaps, or in less than two round trips, does not show what
   * the station can do.
   */
  #isMeasured(usualMs: number, nowMs: number): boolean {
    const overMs = nowMs - this.#windowFromMs + this.#windowBeforeMs;
    if (this.#hasLeapt || overMs < 2 * Math.max(MIN_ROUND_MS, usualMs)) return false;
    return this.#done + this.#doneBefore >= MIN_MEASURED || overMs >= MIN_WINDOW_MS;
  }

  /**
   * Until it began to refuse, the station did more than it can do for long, because it used its
   * reserve. Its work is now measured from when the calls sent before have ended.
   */
  #measureAnew(usualMs: number, nowMs: number): void {
    this.#done = 0;
    this.#doneBefore = 0;
    this.#windowBeforeMs = 0;
    this.#windowFromMs = nowMs + usualMs;
  }

  #lower(to: number, usualMs: number, nowMs: number): void {
    this.#refusals.noteLowered(nowMs + usualMs);
    this.#lowerTo(to, usualMs, nowMs);
  }

  #lowerTo(to: number, usualMs: number, nowMs: number): void {
    this.#limit = Math.max(to, MIN_LIMIT);
    this.#filling = undefined;
    this.#loweredTo = this.#limit;
    this.#isLearned = true;
    this.#isMistakable = false;
    this.#loweredAtMs = nowMs;
    this.#boundAtMs = nowMs;
    this.#setPace(usualMs);
  }

  /**
   * Still too many calls are refused. The limit falls to the measured work as soon as enough was
   * measured, but by no more than half, and by little if it had grown. If nothing was finished
   * since it was lowered, nothing was measured.
   */
  #lowerAgain(usualMs: number, nowMs: number): void {
    if (!this.#isMeasured(usualMs, nowMs) || this.#finishedAtMs < this.#loweredAtMs) return;
    const done = Math.min(this.#limit, this.#doneInRound(usualMs, nowMs) * RESERVE);
    const isGrown = this.#limit >= FEW_AT_ONCE && this.#limit > GROWN * this.#loweredTo;
    const to = Math.max(done, this.#limit * (isGrown ? AFTER_GROWTH : AFTER_SILENCE));
    const isBelowShown = to < this.#shownLimit;
    const lessLimit = this.#refusals.experimentPerMs(isBelowShown, nowMs) * usualMs;
    if (lessLimit >= this.#limit * LEAST_TRIED) {
      this.#untriedLimit = to;
      this.#refusals.beginExperiment(nowMs + usualMs, nowMs);
      this.#lowerTo(Math.min(lessLimit, to), usualMs, nowMs);
    } else {
      const isEarly = isBelowShown && !this.#refusals.isShareKnown(nowMs);
      this.#lower(isEarly ? Math.min(this.#limit, this.#shownLimit) : to, usualMs, nowMs);
    }
    this.#measureAnew(usualMs, nowMs);
  }

  /** Acts on the experiment if it has shown whether the refusals are about load. */
  #lookAtExperiment(usualMs: number, nowMs: number): void {
    const finding = this.#refusals.finding(nowMs + usualMs, nowMs);
    if (finding === undefined) return;
    if (typeof finding === "number") return this.#lowerTo(finding * usualMs, usualMs, nowMs);
    if (finding === "background") return this.#growAgain(usualMs, nowMs);
    this.#shownLimit = finding === "load" ? this.#limit : 0;
    this.#lower(this.#untriedLimit, usualMs, nowMs);
    this.#measureAnew(usualMs, nowMs);
  }

  /**
   * The refusals are not about load, and the limit was a mistake. It is set back to the load of
   * before and grows until no call waits for it.
   */
  #growAgain(usualMs: number, nowMs: number): void {
    // A limit of one would be a trial.
    this.#limit = Math.min(this.#maxConcurrent, Math.max(FEWEST_AGAIN, this.#loadBefore));
    this.#growth = SLOW_START;
    this.#isLearned = false;
    this.#isMistakable = false;
    this.#wasExhausted = false;
    this.#learned.ratePerSecond = ENDLESS;
    this.#measureAnew(usualMs, nowMs);
  }

  #endRound(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (this.#limit < ENDLESS) {
      const refusedRate = this.#refused / Math.max(1, this.#finished + this.#refused);
      if (this.#refusesMost) this.#rest(usualMs, nowMs);
      else if (this.#refusals.isExperimenting) this.#lookAtExperiment(usualMs, nowMs);
      else if (refusedRate > TOLERATED_RATE) this.#lowerAgain(usualMs, nowMs);
      else if (nowMs - this.#boundAtMs >= Math.max(LIFT_AFTER_MS, 2 * usualMs)) this.#lift();
      else if (this.#wasBound && this.#finished > 0) this.#adjust(usualMs, nowMs, crowd);
      this.#setPace(usualMs, crowd);
    }
    this.#beginRound(nowMs);
  }

  #beginRound(nowMs: number): void {
    this.#roundFromMs = nowMs;
    this.#finished = 0;
    this.#refused = 0;
    this.#refusedInRound = 0;
    this.#wasBound = false;
  }

  #measure(work: number, usualMs: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#windowFromMs;
    // No window is shorter than this.
    if (elapsedMs >= 0 && elapsedMs < MIN_WINDOW_MS) this.#done += work;
    else this.#measureOverEdge(work, usualMs, nowMs);
  }

  #measureOverEdge(work: number, usualMs: number, nowMs: number): void {
    const windowMs = Math.max(this.#limit < ENDLESS ? BOUND_WINDOW_MS : MIN_WINDOW_MS, 2 * usualMs);
    // The first window begins one round trip before the first end: before that, the station had
    // nothing to finish.
    if (this.#windowFromMs === ENDLESS) this.#windowFromMs = nowMs - usualMs;
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs < 0) return;
    if (elapsedMs >= windowMs) {
      // What was counted before a rest belongs to no window.
      const isFresh = elapsedMs < 2 * windowMs;
      this.#doneBefore = isFresh ? this.#done : 0;
      this.#windowBeforeMs = isFresh ? elapsedMs : 0;
      this.#done = 0;
      this.#windowFromMs = nowMs;
    }
    this.#done += work;
  }

  /** The station's work in one round trip, as measured over the last windows. */
  #doneInRound(usualMs: number, nowMs: number): number {
    const overMs = nowMs - this.#windowFromMs + this.#windowBeforeMs;
    return overMs <= usualMs ? this.#done + this.#doneBefore : ((this.#done + this.#doneBefore) * usualMs) / overMs;
  }

  /**
   * Calls wait for the limit, and nothing was refused. If answers take long, more calls would only
   * wait at the station.
   */
  #adjust(usualMs: number, nowMs: number, crowd: Crowd): void {
    const { stretch } = crowd;
    if (!this.#isByDelay) {
      const isUnknown = crowd.leisureMs === 0;
      const fullAt = isUnknown ? this.#filling?.fullAt(this.#finished, this.#limit, nowMs) : undefined;
      if (fullAt !== undefined) {
        this.#wasExhausted = true;
        this.#lower(Math.min(this.#limit, fullAt), usualMs, nowMs);
      } else if (stretch < FULL) this.#raise(usualMs, nowMs, crowd);
      return;
    }
    this.#tookLogSum += tookLogOf(crowd);
    this.#tookCount++;
    if (stretch < SLOW) {
      // The limit soon returns to the work that it did at best; it goes above that only while there
      // is room.
      const knownWork = Math.min(crowd.work(nowMs) * CROWDED_SHARE, this.#limit * SLOW_START);
      const step = stretch < ROOMY ? ROOMY_STEP : 1;
      this.#limit = Math.min(Math.max(this.#limit * step, knownWork), this.#maxConcurrent);
    }
    if (stretch > SLOW && nowMs >= this.#loweredAtMs + 2 * Math.max(MIN_ROUND_MS, usualMs)) {
      const least = Math.max(crowd.work(nowMs), LEAST_BY_DELAY);
      this.#lower(Math.max(this.#limit * CROWDED_STEP, Math.min(this.#limit, least)), usualMs, nowMs);
    }
  }

  #raise(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (!this.#isLearned) {
      const leisureMs = crowd.leisureMs > 0 ? Math.min(usualMs, crowd.leisureMs) : usualMs;
      // A station that takes longer at leisure than the previous one needs more calls at once to
      // serve as many. If it takes longer because of its load, it must not be given more.
      const needed = Math.min(this.#perMs * leisureMs * FIRST_SHARE, this.#limit * NEED_STEP);
      this.#limit = Math.max(this.#limit * this.#growth, needed);
    } else {
      const calmMs = (nowMs - this.#loweredAtMs) * (this.#wasExhausted ? AFTER_EXHAUSTION_SPEED : 1);
      const rounds = (nowMs - this.#roundFromMs) / Math.max(RAISE_ROUND_MS, usualMs);
      const step = Math.min(SLOW_START - 1, PROBE_STEP * (calmMs / 1_000) ** 3);
      const raise = calmMs >= PROBE_AFTER_MS ? Math.min(MAX_RAISE, (1 + step) ** rounds) : 1;
      // The seen work at once may be doubled in leaps: more would fill a queue before the answers
      // show it.
      const seenWork = crowd.work(nowMs);
      const most = seenWork > 0 ? Math.max(this.#limit * ROOMY_STEP, seenWork * FULL) : ENDLESS;
      this.#limit = Math.min(this.#limit * raise, most);
    }
    this.#limit = Math.min(this.#limit, this.#maxConcurrent);
  }

  #lift(): void {
    this.#limit = ENDLESS;
    this.#isLearned = false;
    this.#isByDelay = false;
  }

  /**
   * Calls that were sent before a limit by delay was set took longer than calls sent below it, so
   * their times are no measure.
   */
  #tripMs(usualMs: number, { leisureMs }: Crowd): number {
    return this.#isByDelay ? Math.min(usualMs, leisureMs * CROWDED_SHARE) : usualMs;
  }

  /**
   * Once it is known what a station takes, calls are spread over the round trip, so that a limit of
   * 1.9 differs from one of 2.
   */
  #setPace(usualMs: number, crowd: Crowd = UNKNOWN): void {
    const tripMs = this.#tripMs(usualMs, crowd);
    const pace = this.#isLearned && tripMs > 0 ? (this.#limit * 1_000) / tripMs : ENDLESS;
    this.#learned.ratePerSecond = Math.max(MIN_RATE_PER_SECOND, pace);
  }
}

/** The logarithm of the recent answer time. */
function tookLogOf({ stretch, leisureMs }: Crowd): number {
  return Math.log(stretch * leisureMs);
}

const ENDLESS = Number.POSITIVE_INFINITY;
const CAPACITY = { min: 1, max: ENDLESS };
