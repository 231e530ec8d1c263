/**
 * How many calls a service takes at once, learned from its answers, as a pure machine. More calls
 * than it works on only wait inside it, and answers take longer: that is seen and the limit is
 * lowered; while answers are quick and the limit is used, it is raised a little. Under steady load
 * all answers have waited a little, and what is quick would be forgotten: so now and then the limit
 * is a quarter for a moment, to see how quick answers are when nothing waits (as BBR does, Cardwell
 * 2016).
 *
 * `gradient` compares the answers of now with the quickest of the last time (after Vegas, Brakmo
 * and Peterson 1995, and Netflix' concurrency limits, 2018). `aimd` raises by one and lowers by a
 * share when calls time out or are refused (Chiu and Jain 1989): for services that refuse what is
 * too much.
 */
import { COUNT, checked, checkNames, type Names, refusal } from "../options.ts";

/** Options of a learned limit. */
export interface AdaptiveLimitOptions {
  /**
   * What the limit follows: `gradient`, the time of answers; `aimd`, calls that fail, for services
   * that refuse what is too much. In either case it falls when calls time out, or the service says
   * that it is overloaded (503, 429). Default `gradient`: it notices before calls fail.
   */
  readonly algorithm?: "gradient" | "aimd" | undefined;
  /**
   * The least limit; a whole number from 1, below 2^31. Default 4: with fewer, too little is
   * learned to rise again.
   */
  readonly minConcurrent?: number | undefined;
  /** The greatest limit; a whole number from `minConcurrent`, below 2^31. Default 1,000. */
  readonly maxConcurrent?: number | undefined;
  /**
   * The limit at first; from `minConcurrent` to `maxConcurrent`. Default 20, within these bounds.
   */
  readonly initialConcurrent?: number | undefined;
  /**
   * `gradient`: by how much slower than the quickest answers may be before the limit falls; from 1,
   * at most 10. Default 1.5: answers vary even if none waits.
   */
  readonly tolerance?: number | undefined;
}

const NAMES: Names<AdaptiveLimitOptions> = {
  algorithm: true,
  minConcurrent: true,
  maxConcurrent: true,
  initialConcurrent: true,
  tolerance: true,
};

/** A call that has ended. */
export interface LimitSample {
  /** How long it took, in ms. */
  readonly tookMs: number;
  /** Calls in flight when it ended, itself included. */
  readonly inFlight: number;
  /** It timed out, or the service refused it as too much; its time then counts for nothing. */
  readonly isOverload: boolean;
}

/** The limit is judged after so many answers, but not sooner than after a tenth of a second. */
const WINDOW_SAMPLES = 20;
const WINDOW_MS = 100;
/**
 * So many windows are compared with. With more, a service that has become slower is throttled for
 * longer.
 */
const KEPT_WINDOWS = 100;
/** After so many windows the limit is a quarter for two: one to let what waits run off, one to look. */
const LOOK_EVERY = 40;
const LOOK_WINDOWS = 2;
/** The limit during a look: below what the service works on at once, or all answers have waited. */
const LOOK_DIVISOR = 4;
/** A limit that is not used says nothing about what more would do. */
const USED_SHARE = 0.75;
/** What is left of the limit after calls were too much. */
const AFTER_OVERLOAD = 0.7;
const LEAST_GRADIENT = 0.5;

/**
 * Learns how many calls a service takes at once.
 *
 * @example
 * ```ts
 * import { AdaptiveLimitMachine } from "ground-station-failover/core";
 *
 * const machine = new AdaptiveLimitMachine({ algorithm: "aimd", initialConcurrent: 10 });
 * for (let nowMs = 0; nowMs < 1_000; nowMs += 10)
 *   machine.note({ tookMs: 10, inFlight: machine.limit, isOverload: false }, nowMs);
 * console.log(machine.limit > 10); // true
 * ```
 */
export class AdaptiveLimitMachine {
  readonly #isGradient: boolean;
  readonly #min: number;
  readonly #max: number;
  readonly #tolerance: number;
  #limit: number;
  /** Mean times of the latest windows. */
  readonly #means: number[] = [];
  #startedMs: number | undefined;
  #samples = 0;
  #overloads = 0;
  #sumMs = 0;
  #mostInFlight = 0;
  #hasOverload = false;
  /** Windows until the next look, and of the one that is under way. */
  #untilLook: number = LOOK_EVERY;
  #looking = 0;

  constructor(options: AdaptiveLimitOptions = {}) {
    const part = "AdaptiveBulkhead";
    checkNames(part, options, NAMES);
    const { algorithm = "gradient", minConcurrent = 4, maxConcurrent = 1_000, tolerance = 1.5 } = options;
    if (algorithm !== "gradient" && algorithm !== "aimd")
      throw refusal(part, "algorithm", algorithm, '"gradient" or "aimd"');
    this.#isGradient = algorithm === "gradient";
    this.#min = checked(part, "minConcurrent", minConcurrent, COUNT);
    this.#max = checked(part, "maxConcurrent", maxConcurrent, { ...COUNT, min: this.#min });
    this.#tolerance = checked(part, "tolerance", tolerance, { min: 1, max: 10 });
    const byDefault = Math.min(Math.max(20, this.#min), this.#max);
    const { initialConcurrent = byDefault } = options;
    this.#limit = checked(part, "initialConcurrent", initialConcurrent, { ...COUNT, min: this.#min, max: this.#max });
  }

  /** A whole number. */
  get limit(): number {
    return Math.floor(this.#looking > 0 ? Math.max(this.#min, this.#limit / LOOK_DIVISOR) : this.#limit);
  }

  /** A call has ended at `nowMs`. True if {@link limit} may have changed. */
  note({ tookMs, inFlight, isOverload }: LimitSample, nowMs: number): boolean {
    this.#startedMs ??= nowMs;
    this.#mostInFlight = Math.max(this.#mostInFlight, inFlight);
    this.#hasOverload ||= isOverload;
    this.#overloads += isOverload ? 1 : 0;
    if (!isOverload) {
      this.#samples++;
      this.#sumMs += tookMs;
    }
    if (this.#samples + this.#overloads < WINDOW_SAMPLES || nowMs - this.#startedMs < WINDOW_MS) return false;
    const meanMs = this.#samples === 0 ? undefined : this.#sumMs / this.#samples;
    if (this.#looking > 0) this.#look(meanMs);
    else this.#judge(meanMs);
    this.#startedMs = undefined;
    this.#samples = this.#overloads = this.#sumMs = this.#mostInFlight = 0;
    this.#hasOverload = false;
    return true;
  }

  #look(meanMs: number | undefined): void {
    if (--this.#looking > 0) return;
    if (meanMs !== undefined) this.#keep(meanMs);
    this.#untilLook = LOOK_EVERY;
  }

  #keep(meanMs: number): void {
    this.#means.push(meanMs);
    if (this.#means.length > KEPT_WINDOWS) this.#means.shift();
  }

  #judge(meanMs: number | undefined): void {
    const quickestMs = Math.min(meanMs ?? Number.POSITIVE_INFINITY, ...this.#means);
    if (meanMs !== undefined) this.#keep(meanMs);
    if (this.#isGradient && --this.#untilLook <= 0) this.#looking = LOOK_WINDOWS;
    const isUsed = this.#mostInFlight >= USED_SHARE * this.#limit;
    let next = this.#limit;
    if (this.#hasOverload) next *= AFTER_OVERLOAD;
    else if (!this.#isGradient) next += isUsed ? 1 : 0;
    else {
      const slower = meanMs === undefined || meanMs <= 0 ? 1 : (this.#tolerance * quickestMs) / meanMs;
      const gradient = Math.max(LEAST_GRADIENT, Math.min(1, slower));
      next = next * gradient + Math.sqrt(next);
      if (next > this.#limit && !isUsed) return;
      next = (next + this.#limit) / 2;
    }
    this.#limit = Math.min(this.#max, Math.max(this.#min, next));
  }
}
