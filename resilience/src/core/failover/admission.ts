/**
 * How many calls a station is given: the one controller for new, waiting, re-sent and retried calls. Three bounds, all
 * of them at once:
 *
 *   concurrency   at most `limit` calls in flight: no limit in quiet times, a few after a promotion
 *   pace          the declared calls a second; once the station has said that it is overloaded, also limit ÷ answer time
 *   pause         the station asked to be left alone for a moment (`Retry-After`)
 *
 * The limit moves once a round trip, by what the station finished in it: half as much again while nothing speaks
 * against it (slow start, RFC 5681), nine tenths of what was in flight when the station refused calls for load, half
 * where calls were not answered at all. After that it returns to just below the load that was too much, stays there,
 * and tries a little more only after a second: each refusal costs the station work (CUBIC, RFC 9438, has this shape).
 * Calls whose callers left count as finished work when they are answered, and as nothing before; only refused and
 * unanswered calls lower the limit, so that no queue of abandoned calls can hold it down. When nobody has waited for it
 * for a second, the limit is lifted.
 */
import { COUNT, checked } from "../options.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface AdmissionOptions {
  /** Most calls a second, evenly; at least 1. Default `Infinity`: not declared. */
  readonly capacityPerSecond?: number;
  /** Least limit that a promotion begins with; more where more was in flight before it. At least 1. Default 10. */
  readonly initialConcurrent?: number;
  /** Most calls in flight at any time. Default `Infinity`. */
  readonly maxConcurrent?: number;
}

/** What a call says about load: the station finished it, refused it for load, or did not answer it in time. */
export type LoadSign = "finished" | "overloaded" | "unanswered";

const SLOW_START = 1.5;
const AFTER_REFUSAL = 0.9;
const AFTER_SILENCE = 0.5;
/** Share of the load that was too much to which the limit returns. */
const PLATEAU = 0.98;
/** How fast it returns there: this share of the way in each round trip. */
const RECOVERY = 0.25;
/** Without a sign against it for so long, the limit is raised above what was too much … */
const PROBE_AFTER_MS = 1_000;
/** … by 1 % in the first round trip, and twice as much in each that follows. */
const PROBE_STEP = 0.01;
const LIFT_AFTER_MS = 1_000;
/** The limit is never lower: below one it is a pace, of one call in so many answer times. */
const MIN_LIMIT = 0.05;
/** The shortest round trip that is told apart. */
const MIN_ROUND_MS = 10;
/** A station may ask to be left alone for at most this long: an answer from it ends the pause earlier. */
const MAX_PAUSE_MS = 1_000;

export class Admission {
  readonly capacityPerSecond: number;
  readonly #initialConcurrent: number;
  readonly #maxConcurrent: number;
  readonly #declared: TokenBucket | undefined;
  readonly #learned: TokenBucket = new TokenBucket(Number.POSITIVE_INFINITY);
  #limit: number = Number.POSITIVE_INFINITY;
  /** The load that was too much; `Infinity` while none was. */
  #tooMuch: number = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  #pausedUntilMs: number = Number.NEGATIVE_INFINITY;
  #roundEndsMs: number = Number.NEGATIVE_INFINITY;
  #finished = 0;
  #wasBound = false;
  #boundAtMs: number = Number.NEGATIVE_INFINITY;
  #loweredAtMs: number = Number.NEGATIVE_INFINITY;
  #probeStep = PROBE_STEP;

  constructor(options: AdmissionOptions = {}) {
    const part = "ramp";
    this.capacityPerSecond = checked(part, "capacityPerSecond", options.capacityPerSecond ?? ENDLESS, CAPACITY);
    this.#initialConcurrent = checked(part, "initialConcurrent", options.initialConcurrent ?? 10, COUNT);
    this.#maxConcurrent = checked(part, "maxConcurrent", options.maxConcurrent ?? ENDLESS, { min: 1, max: ENDLESS });
    this.#declared = this.capacityPerSecond < ENDLESS ? new TokenBucket(this.capacityPerSecond) : undefined;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How many calls may be in flight; `Infinity` where only `maxConcurrent` bounds them. */
  get limit(): number {
    return this.#limit;
  }

  /** The most that may be in flight, whatever bounds it. */
  get mostConcurrent(): number {
    return Math.min(this.#limit, this.#maxConcurrent);
  }

  /** Calls a second that may go now; `Infinity` where there is no pace. */
  get ratePerSecond(): number {
    return Math.min(this.capacityPerSecond, this.#learned.ratePerSecond);
  }

  /** Instant until which the station asked to be left alone. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /** The station has just become active: it is given a few calls at first, or as many as were in flight elsewhere. */
  begin(concurrent: number, nowMs: number): void {
    this.#limit = Math.min(this.#maxConcurrent, Math.max(this.#initialConcurrent, concurrent));
    this.#restart(nowMs);
  }

  /** One call at a time: nobody knows whether the station serves at all. */
  beginTrial(nowMs: number): void {
    this.#limit = 1;
    this.#restart(nowMs);
  }

  /** Is it still one call at a time, because nobody knows whether the station serves? */
  get isTrial(): boolean {
    return this.#limit === 1 && this.#tooMuch === ENDLESS;
  }

  /** May one more call go now? A "no" for load is remembered: somebody waits for the limit. */
  admits(nowMs: number): boolean {
    if (nowMs < this.#pausedUntilMs) return false;
    if (this.#inFlight < Math.min(Math.ceil(this.#limit), this.#maxConcurrent)) {
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
    if (this.#inFlight >= Math.min(Math.ceil(this.#limit), this.#maxConcurrent)) return ENDLESS;
    return Math.max(nowMs, this.#declared?.nextMs ?? nowMs, this.#learned.nextMs);
  }

  /** A call goes out. */
  enter(nowMs: number): void {
    this.#inFlight++;
    this.#declared?.take(nowMs);
    if (this.#learned.ratePerSecond < ENDLESS) this.#learned.take(nowMs);
  }

  /** A call that went out in this same step was not sent after all. */
  takeBack(): void {
    this.#inFlight--;
    this.#declared?.giveBack();
  }

  /** A call's work has ended, for whatever reason, and leaves its place to another. */
  leave(): void {
    this.#inFlight--;
  }

  /** What a call that went out at `startedMs` says about load; `usualMs` is the station's usual answer time. */
  note(sign: LoadSign, startedMs: number, usualMs: number, nowMs: number): void {
    if (sign === "finished") {
      this.#finished++;
      this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    } else if (startedMs >= this.#loweredAtMs) {
      this.#lower(sign === "overloaded" ? AFTER_REFUSAL : AFTER_SILENCE, usualMs, nowMs);
    }
    if (this.#limit < ENDLESS && nowMs >= this.#roundEndsMs) this.#endRound(usualMs, nowMs);
  }

  /** The station asks to be left alone for `forMs`; an answer from it ends that early. */
  pause(forMs: number, nowMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + Math.min(forMs, MAX_PAUSE_MS));
  }

  #restart(nowMs: number): void {
    this.#tooMuch = ENDLESS;
    this.#learned.ratePerSecond = ENDLESS;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    this.#roundEndsMs = nowMs + MIN_ROUND_MS;
    this.#finished = 0;
    this.#wasBound = false;
    this.#boundAtMs = nowMs;
    this.#loweredAtMs = nowMs;
  }

  /** The call that shows it is still counted among those in flight. */
  #lower(to: number, usualMs: number, nowMs: number): void {
    this.#tooMuch = Math.min(this.#limit, Math.max(1, this.#inFlight));
    this.#limit = Math.max(this.#tooMuch * to, MIN_LIMIT);
    this.#loweredAtMs = nowMs;
    this.#probeStep = PROBE_STEP;
    this.#boundAtMs = nowMs;
    this.#beginRound(usualMs, nowMs);
  }

  #endRound(usualMs: number, nowMs: number): void {
    if (nowMs - this.#boundAtMs >= Math.max(LIFT_AFTER_MS, 2 * usualMs)) {
      this.#limit = ENDLESS;
      this.#tooMuch = ENDLESS;
      this.#learned.ratePerSecond = ENDLESS;
      return;
    }
    if (this.#wasBound && this.#finished > 0) this.#raise(nowMs);
    this.#beginRound(usualMs, nowMs);
  }

  #raise(nowMs: number): void {
    const plateau = this.#tooMuch * PLATEAU;
    if (this.#tooMuch === ENDLESS) this.#limit *= SLOW_START;
    else if (this.#limit < plateau) this.#limit = Math.min(plateau, this.#limit + (plateau - this.#limit) * RECOVERY + 0.01);
    else if (nowMs - this.#loweredAtMs >= PROBE_AFTER_MS) {
      this.#limit *= 1 + this.#probeStep;
      this.#probeStep = Math.min(2 * this.#probeStep, SLOW_START - 1);
    }
    this.#limit = Math.min(this.#limit, this.#maxConcurrent);
  }

  #beginRound(usualMs: number, nowMs: number): void {
    const roundMs = Math.max(MIN_ROUND_MS, usualMs);
    this.#roundEndsMs = nowMs + roundMs;
    this.#finished = 0;
    this.#wasBound = false;
    // Once it is known what is too much, calls are spread over the round trip, so that a limit of 1.9 is not one of 2.
    this.#learned.ratePerSecond = this.#tooMuch < ENDLESS && usualMs > 0 ? (this.#limit * 1_000) / usualMs : ENDLESS;
  }
}

const ENDLESS = Number.POSITIVE_INFINITY;
const CAPACITY = { min: 1, max: ENDLESS };
