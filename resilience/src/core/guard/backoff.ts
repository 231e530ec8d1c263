/**
 * How long to wait before trying again. With exponential growth, an overloaded service is not
 * called at a constant rate. With jitter, callers that failed together do not come back together.
 * Forms and names are those of Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
 * 2015), who measured that full jitter needs the fewest calls.
 */
import { ConfigurationError } from "../errors.ts";
import { checked, checkNames, DURATION_MS, type Names, shown } from "../options.ts";
import type { Random } from "../random.ts";

/** Options of the waits between attempts. */
export interface BackoffOptions {
  /**
   * Upper bound of the first wait. In ms, above 0 and below 2^31. Default 100: most short failures
   * are over by then, and a caller hardly notices it.
   */
  readonly baseMs?: number | undefined;
  /**
   * Upper bound of every wait that the backoff chooses itself; a hint of the service may be longer.
   * In ms, from `baseMs`, below 2^31. Default 10,000, or `baseMs` if that is more: most callers do
   * not wait longer.
   */
  readonly capMs?: number | undefined;
  /** Growth from one wait's bound to the next; 1 … 100. Default 2, the usual factor. */
  readonly factor?: number | undefined;
  /**
   * `full`: uniform in [0, bound]. `equal`: half fixed, half uniform. `decorrelated`: uniform
   * between base and three times the last wait. `none`: the bound itself, for tests. Default
   * `full`: it needs the fewest calls (Brooker).
   */
  readonly jitter?: "full" | "equal" | "decorrelated" | "none" | undefined;
}

/**
 * @internal Also for parts that accept these options among others.
 */
export const BACKOFF_NAMES: Names<BackoffOptions> = { baseMs: true, capMs: true, factor: true, jitter: true };

/**
 * Computes the wait before each retry.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { Backoff } from "ground-station-failover/core";
 *
 * const backoff = new Backoff({ baseMs: 100, capMs: 1_000 }, seededRandom(7));
 * const bounds = [1, 2, 3, 4, 5].map((attempt) => backoff.boundMs(attempt));
 * console.log(bounds.join()); // 100,200,400,800,1000
 * const waitMs = backoff.delayMs(3, 0);
 * console.log(waitMs >= 0 && waitMs <= 400); // true
 * ```
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #factor: number;
  readonly #jitter: "full" | "equal" | "decorrelated" | "none";
  readonly #random: Random;

  constructor(options: BackoffOptions, random: Random) {
    checkNames("backoff", options, BACKOFF_NAMES);
    this.#baseMs = checked("backoff", "baseMs", options.baseMs ?? 100, DURATION_MS);
    this.#capMs = checked("backoff", "capMs", options.capMs ?? Math.max(10_000, this.#baseMs), {
      ...DURATION_MS,
      min: this.#baseMs,
      aboveMin: false,
    });
    this.#factor = checked("backoff", "factor", options.factor ?? 2, { min: 1, max: 100 });
    this.#jitter = checkedJitter(options.jitter ?? "full");
    this.#random = random;
  }

  /** The maximum wait before the retry that follows attempt number `attempt` (1 …). */
  boundMs(attempt: number): number {
    if (this.#jitter === "decorrelated") return Math.min(this.#capMs, this.#baseMs * 3 ** attempt);
    return Math.min(this.#capMs, this.#baseMs * this.#factor ** (attempt - 1));
  }

  /**
   * The wait before the retry that follows attempt number `attempt` (1 …); `lastMs` is the wait
   * before this one, 0 if none.
   */
  delayMs(attempt: number, lastMs: number): number {
    const bound = this.boundMs(attempt);
    switch (this.#jitter) {
      case "none":
        return bound;
      case "full":
        return this.#random.next() * bound;
      case "equal":
        return bound / 2 + (this.#random.next() * bound) / 2;
      case "decorrelated": {
        const top = Math.min(this.#capMs, Math.max(this.#baseMs, lastMs) * 3);
        return this.#baseMs + this.#random.next() * (top - this.#baseMs);
      }
    }
  }
}

const JITTERS: readonly string[] = ["full", "equal", "decorrelated", "none"];

function checkedJitter<J extends string>(jitter: J): J {
  if (JITTERS.includes(jitter)) return jitter;
  throw new ConfigurationError(
    "out-of-range",
    `backoff: jitter is ${shown(jitter)}; it must be one of ${JITTERS.join(", ")}.`,
  );
}
