/**
 * How many calls a station is given: the one controller for new, waiting, re-sent and retried
 * calls. Three bounds, all of them at once:
 *
 *   concurrency   at most `limit` calls in flight: no limit in quiet times, a few after a promotion
 *   pace          the declared calls a second; once the station has said that it is overloaded, also limit ÷ answer time
 *   pause         the station asked to be left alone for a moment (`Retry-After`)
 *
 * The limit moves once a round trip, by what the station finished. While nothing speaks against it,
 * it grows by half (slow start, RFC 5681), or by a tenth where the usual load is known. Where calls
 * are refused for load, it falls to what the station does, measured over the last second or so: the
 * calls that it finishes, and half of those it refuses, because a refusal is work too. Where calls
 * are not answered at all, it falls to half. It stays there for a second, and is then raised, a
 * little at first and in leaps after three seconds (CUBIC, RFC 9438): a station that stood still is
 * soon trusted again. Calls whose callers left count as finished work when they are answered, and
 * as nothing before; only refused and unanswered calls lower the limit, and only once a round trip,
 * so that no queue of abandoned calls can hold it down. When nobody has waited for it for a second,
 * the limit is lifted. A second in which this process stood still, or in which calls waited for
 * something else, is none: all of them would be sent at once. A station that refuses nearly
 * everything is exhausted by its refusals: it is left alone for a moment and given less (`#rest`).
 *
 * A station that refuses nothing becomes slow instead. Where its answers show that it is crowded
 * (`crowding.ts`), the limit is what it works on at once when nobody waits there, and a quarter
 * more; from then on the answer times move it: up while they are near those at leisure, down where
 * they are clearly longer (the delay gradient of TCP Vegas, Brakmo and Peterson, 1995). It is one
 * file because any sign may move any bound.
 */
import { COUNT, checked } from "../../options.ts";
import { type Crowd, FULL } from "./crowding.ts";
import { Filling } from "./filling.ts";
import { LimitWorth } from "./limit-worth.ts";
import { Refusals } from "./refusals.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Options that limit what a station is given. */
export interface AdmissionOptions {
  /**
   * Most calls a second, evenly; at least 1. Default `Infinity`, not declared: what a station takes
   * is learned when it refuses.
   */
  readonly capacityPerSecond?: number | undefined;
  /**
   * Calls that may go at once after a rest, beside that pace; a whole number from 1, below 2^31.
   * Default: a twentieth of a second's calls, at least four, and no second holds more than
   * `capacityPerSecond`: room for calls that happen to come together. Without `capacityPerSecond`
   * there is nothing to be beside.
   */
  readonly burst?: number | undefined;
  /**
   * Calls that may be in flight right after a promotion, where nobody knows how many usually are. A
   * whole number from 1, below 2^31. Default 10: almost any service bears them, and the limit grows
   * as answers come.
   */
  readonly initialConcurrent?: number | undefined;
  /** Most calls in flight at any time; at least 1. Default `Infinity`: no bound of its own. */
  readonly maxConcurrent?: number | undefined;
  /**
   * … of those that it works on, as far as is known: not of those that take long as a rule. At
   * least 1. Default `Infinity`: no bound of its own.
   */
  readonly maxWorking?: number | undefined;
}

/**
 * What a call says about load: the station finished it, refused it for load, or did not answer it
 * in time.
 */
export type LoadSign = "finished" | "overloaded" | "unanswered";

const SLOW_START = 1.5;
/**
 * Where the usual load is known, the limit begins there, and grows by this: more is wanted only to
 * make up for an outage.
 */
const GENTLE_START = 1.1;
/**
 * Where it is known how many calls come, and how long the answers of this station take, it is
 * raised to what follows, by no more than this.
 */
const NEED_STEP = 3;
const FIRST_SHARE = 1.25;
/** The first refusal lowers the limit to this share of the load. */
const AFTER_REFUSAL = 0.9;
/**
 * What a refusal costs a station, as a share of a call. Unknown; between nothing and a whole call,
 * half is wrong least.
 */
const REFUSAL_COST = 0.5;
/**
 * So few refusals, as a share of the calls in a round trip, leave the limit where it is: it is the
 * right one.
 */
const TOLERATED_RATE = 0.05;
/**
 * Of what a station did in a round trip, so much is given in the next: the rest fills its own
 * reserve again.
 */
const RESERVE = 0.98;
const AFTER_SILENCE = 0.5;
/** An experiment with less than this share of the limit would cost too much. */
const LEAST_TRIED = 0.4;
/** A limit that was lowered by mistake grows again from at least this. */
const FEWEST_AGAIN = 2;
/** Without a sign against it for so long, the limit is raised again … */
const PROBE_AFTER_MS = 1_000;
/**
 * … by this share in each round trip, times the third power of the seconds since then (CUBIC, RFC
 * 9438): soon in leaps.
 */
const PROBE_STEP = 0.005;
/** A round trip shorter than this raises it by less: it is time that shows a station's limits. */
const RAISE_ROUND_MS = 80;
/** However long the calm, no more than this at once. */
const MAX_RAISE = 4;
/** A limit that was raised to more than this many times what it was has leapt. */
const LEAP_RATIO = 3;
/**
 * What a station does is measured over one to two of these, or of two round trips where that is
 * longer.
 */
const MIN_WINDOW_MS = 500;
/**
 * … and of these while there is a limit, from when it was last lowered on: the station's own
 * reserve was empty then, as it is at the next refusal, so that what it did between the two is what
 * it does for long.
 */
const BOUND_WINDOW_MS = 2_000;
/**
 * A measurement that lowers the limit rests on at least so many calls, or on a whole window where
 * fewer come: with eight, one more or less is an eighth, which a calm second makes up for again.
 */
const MIN_MEASURED = 8;
/**
 * A station has to work for its refusals, too: one that is given a little more than it can do may
 * end up accepting nothing. So many refusals in a round trip, and more than twice the calls
 * finished, or as many and nothing finished for some round trips, show that.
 */
const EXHAUSTED_AFTER = 4;
const EXHAUSTED_RATIO = 2;
const EXHAUSTED_ROUNDS = 3;
/** … and it has finished nothing for at least this long. */
const MIN_EXHAUSTED_MS = 100;
/**
 * It is left alone for this long, and twice as long after each call that it still refuses, so many
 * times.
 */
const FIRST_REST_MS = 100;
const MAX_DOUBLINGS = 3;
/** … and given this share of what it was given before. */
const AFTER_EXHAUSTION = 0.85;
/**
 * From then on its limit is raised at this share of the usual speed: what a failed try costs is
 * more.
 */
const AFTER_EXHAUSTION_SPEED = 0.5;
const LIFT_AFTER_MS = 1_000;
/**
 * Where a limit that had grown is refused again, it falls to no less than this share of it at once:
 * what was measured while it was low is no more than was given. Of fewer calls at once than this,
 * the measure is what counts.
 */
const AFTER_GROWTH = 0.88;
const GROWN = 1.01;
const FEW_AT_ONCE = 3;
/**
 * A station that refuses nothing is given so many times the calls that it works on at leisure: it
 * never runs out of work.
 */
const CROWDED_SHARE = 1.25;
/** … and never less than one: a call that is alone at its station waits for no other. */
const LEAST_BY_DELAY = 1;
/** … nor less than this share of them: callers who left do not hold the limit down. */
const LEAST_SHARE = 0.5;
/**
 * While answers take less than so many times as long as at leisure, that limit is raised by this.
 */
const ROOMY = 1.25;
const ROOMY_STEP = 1.1;
/** While they take more than so many times as long, it falls by this share, … */
const SLOW = 1.6;
const CROWDED_STEP = 0.9;
/**
 * One that did not make answers quicker within this time, or so many answer times, was set by
 * mistake.
 */
const VAIN_MS = 10_000;
const VAIN_ANSWERS = 6;
/** Calls wait for the limit if one did within this time, in ms. */
const BOUND_LATELY_MS = 300;
/**
 * They became quicker if they take less than this share, as logarithms, of what they took longer
 * than at leisure.
 */
const VAIN_SHARE = 0.5;
/**
 * … and also if they take no longer than so many times as long as at leisure: below such a limit
 * they may.
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
 * A station that finished a call within this time does not have to be left alone: that it refuses
 * others is counted.
 */
const FINISHED_LATELY_MS = 1_000;
/** The limit is never lower: below one it is a pace, of one call in so many answer times. */
const MIN_LIMIT = 0.05;
/** The pace is never slower than this: what a station takes is learned from calls. */
const MIN_RATE_PER_SECOND = 2;
/** The shortest round trip that is told apart. */
const MIN_ROUND_MS = 10;
/**
 * A station may ask to be left alone for at most this long: an answer from it ends the pause
 * earlier.
 */
const MAX_PAUSE_MS = 1_000;

/**
 * How many calls a station is given at once, and at what pace: what it has declared, or what its
 * answers and refusals have shown it to take.
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
  readonly capacityPerSecond: number;
  readonly #initialConcurrent: number;
  readonly #maxConcurrent: number;
  readonly #maxWorking: number;
  readonly #declared: TokenBucket | undefined;
  readonly #learned: TokenBucket = new TokenBucket(Number.POSITIVE_INFINITY);
  #limit: number = Number.POSITIVE_INFINITY;
  /** The station has shown how much it takes, since the limit was set. */
  #isLearned = false;
  /** When it was first lowered for refusals, since it was set. */
  #refusingFromMs: number = Number.NEGATIVE_INFINITY;
  /** It was learned from answers that took long, and not from refusals. */
  #isByDelay = false;
  /** When that was, or when it was last looked at whether it helps. */
  #byDelayFromMs = 0;
  /**
   * How long answers took when it was learned, and since then: logarithms, the second summed up.
   */
  #tookLogThen = 0;
  #tookLogSum = 0;
  #tookCount = 0;
  #growth = SLOW_START;
  /**
   * Calls a ms that another station served before this one: it needs as many at once as come while
   * it answers one.
   */
  #perMs = 0;
  #begunAtMs: number = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  /** Of these, how many are no work for the station now, as far as is known. */
  #uncounted = 0;
  /**
   * Calls that were there when the limit was set, and that it does not count. Which ones leave is
   * not known: the first.
   */
  #beside = 0;
  #pausedUntilMs: number = Number.NEGATIVE_INFINITY;
  #roundFromMs: number = Number.NEGATIVE_INFINITY;
  /** The last sign was that calls are not answered, and not that they are refused. */
  #isBySilence = false;
  /** It was lowered last for calls that may be refused whatever the load is. */
  #isMistakable = false;
  /** Calls finished, and refused, in this round trip. */
  #finished = 0;
  #refused = 0;
  /**
   * What the station did in this window and in the one before: calls finished, and a share of those
   * refused.
   */
  #done = 0;
  #doneBefore = 0;
  #windowFromMs: number = Number.POSITIVE_INFINITY;
  #windowBeforeMs = 0;
  /** The mean answer time. */
  #meanMs = 0;
  #finishedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Refusals since a call was finished, and how often the station was left alone since then. */
  #refusedInRow = 0;
  #rests = 0;
  /**
   * Since it began to serve it has been exhausted, or given more than was of any use: what a failed
   * try costs is much.
   */
  #wasExhausted = false;
  readonly #refusals: Refusals = new Refusals();
  /** While its limit grows for the first time. */
  #filling: Filling | undefined = undefined;
  /** While it is open whether a limit by delay is worth what it costs. */
  #worth: LimitWorth | undefined = undefined;
  /**
   * All refusals in this round trip, and how many calls the station worked on at the first of them.
   */
  #refusedInRound = 0;
  #loadAtRefusal = 0;
  /** What it was given when refusals lowered the limit first. */
  #loadBefore = 0;
  /** The limit that is due, should an experiment show that refusals are about load. */
  #untriedLimit: number = Number.POSITIVE_INFINITY;
  /** Given so much, it refused hardly anything in the last experiment. */
  #shownLimit = 0;
  #wasBound = false;
  #boundAtMs: number = Number.NEGATIVE_INFINITY;
  /** What the limit was when it was last lowered, and when that was. */
  #loweredTo: number = Number.POSITIVE_INFINITY;
  #loweredAtMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: AdmissionOptions = {}) {
    const part = "ramp";
    this.capacityPerSecond = checked(part, "capacityPerSecond", options.capacityPerSecond ?? ENDLESS, CAPACITY);
    this.#initialConcurrent = checked(part, "initialConcurrent", options.initialConcurrent ?? 10, COUNT);
    this.#maxConcurrent = checked(part, "maxConcurrent", options.maxConcurrent ?? ENDLESS, { min: 1, max: ENDLESS });
    this.#maxWorking = checked(part, "maxWorking", options.maxWorking ?? ENDLESS, { min: 1, max: ENDLESS });
    const burst = options.burst === undefined ? undefined : checked(part, "burst", options.burst, COUNT);
    this.#declared =
      this.capacityPerSecond < ENDLESS ? new TokenBucket(this.capacityPerSecond, true, burst) : undefined;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Calls in flight that the station works on, as far as is known: not those whose bodies are still
   * being sent, or that were set aside.
   */
  get working(): number {
    return this.#inFlight - this.#uncounted;
  }

  /**
   * Calls in flight that the station is known to bear: those that find out whether it serves at all
   * are none.
   */
  get borne(): number {
    return this.isTrial ? 0 : this.working;
  }

  /** How many calls may be in flight; `Infinity` where only `maxConcurrent` bounds them. */
  get limit(): number {
    return this.#limit;
  }

  /** Have calls waited for the limit within the last second? */
  isBinding(nowMs: number): boolean {
    return this.#limit < ENDLESS && nowMs - this.#boundAtMs < LIFT_AFTER_MS;
  }

  /** Was the limit learned from answers that took long? Then such answers are its reason. */
  get isByDelay(): boolean {
    return this.#isByDelay;
  }

  /** Since when it is such a limit; `-Infinity` where it is none. */
  get byDelayFromMs(): number {
    return this.#isByDelay ? this.#byDelayFromMs : Number.NEGATIVE_INFINITY;
  }

  /** Since when the limit follows from refusals; `-Infinity` where it does not. */
  get refusingFromMs(): number {
    return this.#isLearned && !this.#isByDelay ? this.#refusingFromMs : Number.NEGATIVE_INFINITY;
  }

  /**
   * Was the limit lowered last for calls of which none was ever served? Then it may be a mistake.
   */
  get isMistakable(): boolean {
    return this.#isMistakable && this.#limit < ENDLESS;
  }

  /** The limit was lowered just now, for calls that may be refused whatever the load is. */
  noteMistakable(): void {
    this.#isMistakable = true;
  }

  /** Has the station shown how much it takes, since the limit was set? */
  get isLearned(): boolean {
    return this.#isLearned;
  }

  /** Does the station refuse a share of its calls whatever the load is? */
  get refusesAnyway(): boolean {
    return this.#refusals.background > 0;
  }

  /** When the limit was last set by a promotion or a trial. */
  get begunAtMs(): number {
    return this.#begunAtMs;
  }

  /** The most that may be in flight, whatever bounds it. */
  get mostConcurrent(): number {
    return Math.min(this.#limit, this.#maxConcurrent, this.#maxWorking);
  }

  /** Calls a second that may go now; `Infinity` where there is no pace. */
  get ratePerSecond(): number {
    return Math.min(this.capacityPerSecond, this.#learned.ratePerSecond);
  }

  /** Instant until which the station asked to be left alone. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /**
   * The station has just become active: it is given a few calls at first, or as many as were in
   * flight elsewhere; `beside` so many that it has already: they came from the station that failed,
   * and new ones do not have to wait for their end; `perMs` how many calls a ms were served
   * elsewhere, 0 where nobody knows; by default what it was when it last began.
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

  /** One call at a time: nobody knows whether the station serves at all. */
  beginTrial(nowMs: number): void {
    this.#limit = 1;
    this.#growth = SLOW_START;
    this.#restart(0, nowMs);
  }

  /** Is it still one call at a time, because nobody knows whether the station serves? */
  get isTrial(): boolean {
    return this.#limit === 1 && !this.#isLearned;
  }

  /**
   * How many calls that take long the limit need not count, right after the station began to serve:
   * where hardly anything was in flight before, it is lower than what any station is given at
   * first.
   */
  get spare(): number {
    if (this.#limit === ENDLESS || this.#isLearned || this.isTrial) return 0;
    return this.#initialConcurrent - Math.ceil(this.#limit) - this.#uncounted;
  }

  /** Does it work on as many calls as it may? Those that take long as a rule need not count. */
  get isFilled(): boolean {
    return this.working >= this.#maxWorking;
  }

  /** May one more call go now? A "no" for load is remembered: somebody waits for the limit. */
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

  /** When time alone lets the next call go; `Infinity` where another one has to end first. */
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

  /** A call's work has ended, for whatever reason, and leaves its place to another. */
  leave(): void {
    this.#inFlight--;
    if (this.#beside > 0) this.#beside--;
  }

  /**
   * A call was answered after `tookMs`, and not served: its pace is that of calls that are. Where
   * the limit is one of calls at once, the rest of its round trip is free for another; where it
   * follows from refusals, what is counted there is calls.
   */
  noteAnswered(tookMs: number): void {
    if (!this.#isByDelay) return;
    const tripMs = (this.#limit * 1_000) / this.#learned.ratePerSecond;
    if (tookMs < tripMs) this.#learned.giveBack(1 - tookMs / tripMs);
  }

  /**
   * A call that was sent at `sentMs` is no work for the station from now on: a limit that was
   * learned from work does not count it.
   */
  uncount(sentMs: number): void {
    this.#uncounted++;
    if (this.#beside > 0 && sentMs < this.#begunAtMs) this.#beside--;
  }

  /** It is work again, or has ended. */
  countAgain(): void {
    this.#uncounted--;
  }

  /**
   * Calls wait, or may wait unread; that nobody asked for admission does not say that the limit is
   * not needed.
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
   * What a call says about load; `lastMs` is the station's usual answer time by the last few
   * answers, `crowd` what its answer times show.
   */
  note(sign: LoadSign, lastMs: number, nowMs: number, crowd: Crowd = UNKNOWN): void {
    if (sign === "finished") return this.noteFinished(lastMs, nowMs, crowd);
    const usualMs = this.#roundTripMs(lastMs);
    if (nowMs >= this.#roundFromMs + MIN_ROUND_MS) this.#lookAtRound(usualMs, nowMs, crowd);
    this.#noteUnfinished(sign, usualMs, nowMs, crowd);
  }

  #lookAtRound(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (nowMs >= this.#roundFromMs + this.#tripMs(usualMs, crowd)) this.#endRound(usualMs, nowMs, crowd);
  }

  /** As {@link note}, of a call that the station finished; `meanMs`: its mean answer time. */
  noteFinished(lastMs: number, nowMs: number, crowd: Crowd, meanMs: number = lastMs): void {
    this.#meanMs = meanMs;
    const usualMs = this.#roundTripMs(lastMs);
    if (nowMs >= this.#roundFromMs + MIN_ROUND_MS) this.#lookAtRound(usualMs, nowMs, crowd);
    if (!this.#refusals.isCalm) this.#refusals.noteFinished(this.#limit < ENDLESS, nowMs);
    this.#measure(1, usualMs, nowMs);
    this.#finished++;
    this.#worth?.noteFinished();
    this.#finishedAtMs = nowMs;
    this.#refusedInRow = 0;
    this.#rests = 0;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    if (this.#isBySilence) this.#mayAnswerAgain(usualMs, crowd);
  }

  /**
   * A limit that follows from refusals is a rate times the mean answer time (Little's law): one
   * that is measured with a few answers makes a rate of it that jumps with each slow one. Where
   * answer times are what the limit follows from, the latest count.
   */
  #roundTripMs(lastMs: number): number {
    return this.#isLearned && !this.#isByDelay && this.#meanMs > 0 ? this.#meanMs : lastMs;
  }

  #noteUnfinished(sign: Exclude<LoadSign, "finished">, usualMs: number, nowMs: number, crowd: Crowd): void {
    this.#isBySilence = sign === "unanswered";
    if (sign === "overloaded") {
      this.#refusedInRow++;
      const isTolerated = !this.#refusals.noteRefused(this.#limit < ENDLESS, nowMs);
      // What is refused for another reason than load is dealt with, too.
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
    // Calls that went out before the limit was lowered say nothing about the new one.
    if (nowMs < this.#loweredAtMs + 2 * Math.max(MIN_ROUND_MS, usualMs)) return;
    const atRefusal = sign === "overloaded" && !this.#refusals.isStrict(nowMs) ? this.#loadAtRefusal : 0;
    const load = Math.min(this.#limit, Math.max(1, this.working, atRefusal));
    if (sign === "unanswered") this.#lowerUnanswered(load * AFTER_SILENCE, usualMs, nowMs, crowd);
    // While calls are refused, fewer are in flight than the station takes: only what it does says
    // how many that are.
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
   * The limit after the first refusals that are too many; `ofLoad` follows from the calls in flight
   * at these.
   */
  #firstLimit(ofLoad: number, usualMs: number, nowMs: number): number {
    const done = this.#isMeasured(usualMs, nowMs) ? this.#doneInRound(usualMs, nowMs) * RESERVE : ENDLESS;
    // Many were refused before them, and left fewer in flight than the station takes.
    if (this.refusesAnyway) return done < ENDLESS ? done : Math.max(ofLoad, Math.min(this.#limit, this.#loweredTo));
    return Math.min(ofLoad, done);
  }

  /** Has it refused everything for some round trips? */
  #refusesAll(usualMs: number, nowMs: number): boolean {
    // In an experiment chance is to be told apart from load.
    const least = this.#refusals.isExperimenting ? 2 * EXHAUSTED_AFTER : EXHAUSTED_AFTER;
    if (this.#limit === ENDLESS || this.#refusedInRow < least) return false;
    const forMs = nowMs - Math.max(this.#finishedAtMs, this.#begunAtMs);
    return forMs >= Math.max(MIN_EXHAUSTED_MS, EXHAUSTED_ROUNDS * usualMs);
  }

  /**
   * Did it refuse more than twice what it finished in this round trip, although the limit was
   * lowered before it?
   */
  get #refusesMost(): boolean {
    const isOwn = this.#isLearned && this.#roundFromMs >= this.#loweredAtMs;
    return isOwn && this.#refused >= EXHAUSTED_AFTER && this.#refused > EXHAUSTED_RATIO * this.#finished;
  }

  /**
   * It is exhausted: it is left alone for a moment, and given less from then on. An answer from it
   * ends the rest.
   */
  #rest(usualMs: number, nowMs: number): void {
    if (this.#rests === 0) {
      this.#wasExhausted = true;
      // Once in a moment is enough: the same refusals may have lowered it just now.
      if (nowMs > this.#loweredAtMs) this.#lower(this.#limit * AFTER_EXHAUSTION, usualMs, nowMs);
      this.#measureAnew(usualMs, nowMs);
    }
    this.pause(FIRST_REST_MS * 2 ** Math.min(this.#rests++, MAX_DOUBLINGS), nowMs);
    this.#beginRound(nowMs);
  }

  /**
   * It answered nothing for a while. Where it answers as quickly as at leisure now, one at a time
   * is no risk.
   */
  #mayAnswerAgain(usualMs: number, crowd: Crowd): void {
    if (this.#limit >= 1 || crowd.stretch >= FULL) return;
    this.#limit = 1;
    this.#setPace(usualMs);
  }

  /**
   * More and more is out there: where there is no limit yet, what the station works on at once is.
   */
  noteMounting(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (this.#limit === ENDLESS && crowd.work(nowMs) > 0) this.#lowerUnanswered(ENDLESS, usualMs, nowMs, crowd);
  }

  /**
   * Calls wait for a limit that the station has not shown, and its answers take several times as
   * long as at leisure: it grew before they told. Then what the station works on at once is the
   * limit, too.
   */
  noteCrowded(usualMs: number, nowMs: number, crowd: Crowd): void {
    if (this.#isLearned || this.isTrial || !this.isBinding(nowMs)) return;
    if (crowd.work(nowMs) > 0) this.#lowerUnanswered(this.#limit, usualMs, nowMs, crowd);
  }

  /**
   * Callers left, or more and more is out there. What the station can work on at once is known
   * better than by halving.
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
   * Was a limit set because answers take long, and does it make the station finish only fewer
   * calls, or have answers been as slow below it ever since? Then the station is slow for another
   * reason, and the limit grows until nobody waits for it. Returns whether it was so.
   */
  endVainLimit(usualMs: number, crowd: Crowd, nowMs: number): boolean {
    if (!this.#isByDelay || this.#limit === ENDLESS) return false;
    const costsMore = this.#costsMore(crowd, nowMs);
    if (!costsMore && !this.#isAsSlow(usualMs, nowMs, crowd)) return false;
    // Only where fewer are finished is it known that it takes as many as before.
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
   * Both are measured by what is known of leisure now: when the limit was learned, that may have
   * been a guess.
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

  /** Has the station finished anything lately? */
  isFinishing(nowMs: number): boolean {
    return nowMs - this.#finishedAtMs < FINISHED_LATELY_MS;
  }

  /** The station asks to be left alone for `forMs`; an answer from it ends that early. */
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

  /** Has the limit become so much higher that what the station did below it says nothing? */
  get #hasLeapt(): boolean {
    if (this.#isLearned) return this.#limit > LEAP_RATIO * this.#loweredTo;
    return this.#growth === SLOW_START && this.#limit < ENDLESS;
  }

  /**
   * What a station did while the limit grew in leaps, or in less than two round trips, says nothing
   * of what it can do.
   */
  #isMeasured(usualMs: number, nowMs: number): boolean {
    const overMs = nowMs - this.#windowFromMs + this.#windowBeforeMs;
    if (this.#hasLeapt || overMs < 2 * Math.max(MIN_ROUND_MS, usualMs)) return false;
    return this.#done + this.#doneBefore >= MIN_MEASURED || overMs >= MIN_WINDOW_MS;
  }

  /**
   * What the station did until it began to refuse is more than it does for long: its own reserve is
   * gone now. What it does is measured from when the calls have ended that went out before.
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
   * Still too many are refused: the limit falls to what was measured, as soon as enough was, but
   * never by more than half, and by little where it had grown. Where nothing was finished since it
   * was lowered, nothing was measured.
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

  /** Has the experiment shown whether the refusals are about load? */
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
   * What is refused is not about load, and the limit was a mistake: as before, and it grows until
   * nobody waits for it.
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
    // No window is shorter.
    if (elapsedMs >= 0 && elapsedMs < MIN_WINDOW_MS) this.#done += work;
    else this.#measureOverEdge(work, usualMs, nowMs);
  }

  #measureOverEdge(work: number, usualMs: number, nowMs: number): void {
    const windowMs = Math.max(this.#limit < ENDLESS ? BOUND_WINDOW_MS : MIN_WINDOW_MS, 2 * usualMs);
    // The first window begins a round trip before the first end: before that the station had
    // nothing to finish.
    if (this.#windowFromMs === ENDLESS) this.#windowFromMs = nowMs - usualMs;
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs < 0) return;
    if (elapsedMs >= windowMs) {
      // After a rest, what was counted before it belongs to no window.
      const isFresh = elapsedMs < 2 * windowMs;
      this.#doneBefore = isFresh ? this.#done : 0;
      this.#windowBeforeMs = isFresh ? elapsedMs : 0;
      this.#done = 0;
      this.#windowFromMs = nowMs;
    }
    this.#done += work;
  }

  /** What the station does in one round trip, as measured over the last windows. */
  #doneInRound(usualMs: number, nowMs: number): number {
    const overMs = nowMs - this.#windowFromMs + this.#windowBeforeMs;
    return overMs <= usualMs ? this.#done + this.#doneBefore : ((this.#done + this.#doneBefore) * usualMs) / overMs;
  }

  /**
   * Calls wait for the limit, and nothing was refused. Where answers take long, more calls would
   * only wait there.
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
      // What it did at best is soon given again; more only while there is room.
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
      // One that takes longer at leisure than the station before it needs more calls at once to
      // serve as many. That it takes longer because of what it was given is no reason to give it
      // more.
      const needed = Math.min(this.#perMs * leisureMs * FIRST_SHARE, this.#limit * NEED_STEP);
      this.#limit = Math.max(this.#limit * this.#growth, needed);
    } else {
      const calmMs = (nowMs - this.#loweredAtMs) * (this.#wasExhausted ? AFTER_EXHAUSTION_SPEED : 1);
      const rounds = (nowMs - this.#roundFromMs) / Math.max(RAISE_ROUND_MS, usualMs);
      const step = Math.min(SLOW_START - 1, PROBE_STEP * (calmMs / 1_000) ** 3);
      const raise = calmMs >= PROBE_AFTER_MS ? Math.min(MAX_RAISE, (1 + step) ** rounds) : 1;
      // What it was seen to work on at once is doubled in leaps: more than that fills a queue
      // before its answers tell.
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
   * What those took that were sent before a limit was set by delay is no measure of what is sent
   * below it.
   */
  #tripMs(usualMs: number, { leisureMs }: Crowd): number {
    return this.#isByDelay ? Math.min(usualMs, leisureMs * CROWDED_SHARE) : usualMs;
  }

  /**
   * Once it is known what a station takes, calls are spread over the round trip, so that a limit of
   * 1.9 is not one of 2.
   */
  #setPace(usualMs: number, crowd: Crowd = UNKNOWN): void {
    const tripMs = this.#tripMs(usualMs, crowd);
    const pace = this.#isLearned && tripMs > 0 ? (this.#limit * 1_000) / tripMs : ENDLESS;
    this.#learned.ratePerSecond = Math.max(MIN_RATE_PER_SECOND, pace);
  }
}

/** The logarithm of how long answers take of late. */
function tookLogOf({ stretch, leisureMs }: Crowd): number {
  return Math.log(stretch * leisureMs);
}

const ENDLESS = Number.POSITIVE_INFINITY;
const CAPACITY = { min: 1, max: ENDLESS };
