/**
 * How long callers wait before they hang up, learned from hang-ups: a low quantile of the ages of
 * recent ones. If a call has no deadline, this is its deadline. It matters only under overload: if
 * a queue is served oldest first while its callers give up, all work is wasted, because the station
 * executes calls whose callers are gone (metastable failures: Bronson et al., HotOS 2021). One
 * caller that hangs up early proves nothing. Answers that are still accepted at a higher age
 * contradict the estimate and end it.
 *
 * While no caller has hung up, nothing is known, and the station would first do wasted work before
 * anything is learned. But people set timeouts to round numbers. At each of these it is doubtful
 * whether callers still wait, until an answer was accepted at a higher age or a caller was seen to
 * wait longer.
 */

import { brand } from "../../brand.ts";

/**
 * Abort the signal of a call with this error if the caller broke off its own request, such as an
 * upload, before it was complete. This caller was not waiting for an answer yet, so its abort must
 * not change the learned waiting time of callers.
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

/** Maximum number of hang-ups remembered. */
const KEPT = 64;
/** An estimate needs at least this many hang-ups … */
const MIN_HANG_UPS = 4;
/** … within the last minute. */
const MEMORY_MS = 60_000;
/** A smaller share of callers than this quantile hangs up before the estimate. */
const QUANTILE = 0.1;
/**
 * Safety margin below the estimate, as a share of it and at most `MAX_CAUTION_MS`: a caller began
 * to wait before its call arrived here, and its answer needs a moment on the way. This time does
 * not grow with the callers' patience.
 */
const CAUTION = 0.04;
const MAX_CAUTION_MS = 20;
/** A caller that waits this many times longer than a likely timeout has a longer one. */
const BEYOND = 1.02;
/** This many answers accepted above the estimate, in a row without a hang-up, end the estimate. */
const CONTRADICTIONS = 20;

/** Timeouts that callers are likely to use, in ms. */
const LIKELY_MS = [500, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 30_000];

/**
 * Learns how long callers wait before they hang up, from the callers that did.
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
   * The highest age at which an answer was accepted, or still waited for, since the estimate was
   * last cleared.
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
   * A caller accepted its answer when its call was `ageMs` old. If no caller has hung up for a
   * minute, the impatient callers are gone and the estimate ends.
   */
  noteAnswered(ageMs: number, nowMs: number): void {
    const isKnown = this.#estimateMs !== undefined;
    if (isKnown && nowMs - (this.#atMs.at(this.#place - 1) as number) > MEMORY_MS) this.clear();
    if (ageMs > this.#takenAtMs) this.#takenAtMs = ageMs;
    if (isKnown) this.#weigh(ageMs);
  }

  /** An answer that was accepted above the estimate contradicts it. */
  #weigh(ageMs: number): void {
    if (this.#estimateMs === undefined || ageMs <= this.#estimateMs) return;
    if (++this.#contradictions >= CONTRADICTIONS) this.clear();
  }

  /** A caller is still waiting when its call is `ageMs` old. */
  noteWaits(ageMs: number): void {
    if (ageMs >= this.#likelyMs() * BEYOND) this.#takenAtMs = ageMs;
  }

  /** How long callers wait, in ms; undefined while unknown. */
  get estimateMs(): number | undefined {
    return this.#estimateMs;
  }

  /**
   * From this age on it is doubtful whether callers still wait; `Infinity` if their patience is
   * known.
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

  /** The next likely timeout above the time that callers are known to wait. */
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
