/**
 * How long callers wait before they hang up, learned from those who did: a low quantile of the
 * latest hang-ups' ages. Where no deadline comes with a call, this is its deadline. It matters
 * under overload only: a queue that is served oldest first while its callers give up works for
 * nobody, and the station executes what nobody waits for any more (metastable failures: Bronson et
 * al., HotOS 2021). One caller who hangs up early proves nothing; answers that were still taken at
 * a higher age contradict an estimate and end it.
 *
 * While nobody has hung up, nothing is known, and the first to learn from would be a station's work
 * for nobody. But people set timeouts to round numbers: at each of them it is doubtful whether
 * callers still wait, until an answer was taken at a higher age, or a caller was seen to wait for
 * longer.
 */

import { brand } from "../../brand.ts";

/**
 * Abort a call's signal with this where its caller broke off its own request before it was whole,
 * such as an upload: it was not waiting for an answer yet, so nothing is learned of how long
 * callers wait.
 *
 * @example
 * ```ts
 * import { RequestCutError, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north" });
 * const caller = new AbortController();
 * const call = client.call(() => new Promise(() => {}), { signal: caller.signal });
 * caller.abort(new RequestCutError()); // the upload stopped in the middle
 * const error = await call.catch((reason: Error) => reason);
 * console.log(error instanceof Error && error.cause instanceof RequestCutError); // true
 * ```
 */
export class RequestCutError extends Error {
  static {
    brand(RequestCutError, "RequestCutError");
  }

  constructor(message = "the caller broke off its request before it was whole") {
    super(message);
    this.name = "RequestCutError";
  }
}

/** Hang-ups remembered. */
const KEPT = 64;
/** An estimate rests on at least so many hang-ups … */
const MIN_HANG_UPS = 4;
/** … within the last minute. */
const MEMORY_MS = 60_000;
/** Fewer than this quantile of the callers hung up earlier than the estimate. */
const QUANTILE = 0.1;
/**
 * So much of it is kept back, as a share and in ms at most: a caller began to wait before its call
 * came here, and its answer is under way for a moment. That takes no longer where callers wait for
 * longer.
 */
const CAUTION = 0.04;
const MAX_CAUTION_MS = 20;
/** A caller that waits so much longer than a likely timeout has a longer one. */
const BEYOND = 1.02;
/** Answers taken above the estimate, in a row without a hang-up, that end it. */
const CONTRADICTIONS = 20;

/** Timeouts that callers are likely to have set, in ms. */
const LIKELY_MS = [500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 30_000];

/**
 * How long callers wait before they hang up, learned from those that did.
 *
 * @example
 * ```ts
 * import { CallerPatience } from "ground-station-failover/core";
 *
 * const patience = new CallerPatience();
 * console.log(patience.estimateMs, patience.doubtfulFromMs); // undefined 480
 * for (let caller = 0; caller < 4; caller++) patience.noteHangUp(2_000, caller * 100);
 * console.log(patience.estimateMs); // 1980
 * ```
 */
export class CallerPatience {
  readonly #ages: number[] = [];
  readonly #atMs: number[] = [];
  #place = 0;
  #contradictions = 0;
  /**
   * The highest age at which an answer was taken, or still waited for, since the last hang-up that
   * counted.
   */
  #takenAtMs = 0;
  #estimateMs: number | undefined = undefined;

  /** A caller hung up when its call was `ageMs` old. */
  noteHangUp(ageMs: number, nowMs: number): void {
    this.#ages[this.#place] = ageMs;
    this.#atMs[this.#place] = nowMs;
    this.#place = (this.#place + 1) % KEPT;
    this.#contradictions = 0;
    this.#estimateMs = this.#estimate(nowMs);
  }

  /**
   * A caller took its answer when its call was `ageMs` old. Nobody has hung up for a minute:
   * whoever did is gone.
   */
  noteAnswered(ageMs: number, nowMs: number): void {
    const isKnown = this.#estimateMs !== undefined;
    if (isKnown && nowMs - (this.#atMs.at(this.#place - 1) as number) > MEMORY_MS) this.clear();
    if (ageMs > this.#takenAtMs) this.#takenAtMs = ageMs;
    if (isKnown) this.#weigh(ageMs);
  }

  /** An answer that was taken above the estimate speaks against it. */
  #weigh(ageMs: number): void {
    if (this.#estimateMs === undefined || ageMs <= this.#estimateMs) return;
    if (++this.#contradictions >= CONTRADICTIONS) this.clear();
  }

  /** A caller still waits when its call is `ageMs` old. */
  noteWaits(ageMs: number): void {
    if (ageMs >= this.#likelyMs() * BEYOND) this.#takenAtMs = ageMs;
  }

  /** How long callers wait, in ms; undefined while nobody knows. */
  get estimateMs(): number | undefined {
    return this.#estimateMs;
  }

  /**
   * From this age on it is doubtful whether callers still wait; `Infinity` where it is known how
   * long they do.
   */
  get doubtfulFromMs(): number {
    if (this.#estimateMs !== undefined) return Number.POSITIVE_INFINITY;
    return withCaution(this.#likelyMs());
  }

  /** Forgets everything. */
  clear(): void {
    this.#takenAtMs = 0;
    this.#ages.length = 0;
    this.#atMs.length = 0;
    this.#place = 0;
    this.#contradictions = 0;
    this.#estimateMs = undefined;
  }

  /** The next likely timeout above what callers are known to wait. */
  #likelyMs(): number {
    return LIKELY_MS.find((ms) => ms > this.#takenAtMs) ?? Number.POSITIVE_INFINITY;
  }

  #estimate(nowMs: number): number | undefined {
    const lately = this.#ages.filter((_, place) => nowMs - (this.#atMs[place] as number) <= MEMORY_MS);
    if (lately.length < MIN_HANG_UPS) return undefined;
    lately.sort((one, other) => one - other);
    return withCaution(lately[Math.floor((lately.length - 1) * QUANTILE)] as number);
  }
}

function withCaution(ms: number): number {
  return ms - Math.min(ms * CAUTION, MAX_CAUTION_MS);
}
