/**
 * What a caller gets if a call fails and something else is good enough: another value, another
 * source, or the last good answer for a while (RFC 5861, `stale-if-error`). Only refusals and
 * failures lead here. A caller's abort, a wrong configuration and a fault of the program are
 * delivered as they are: a fallback would hide them.
 */
import { brand } from "../../core/brand.ts";
import { AmbiguousOutcomeError, CallAbortedError, ConfigurationError } from "../../core/errors.ts";
import {
  COUNT,
  checked,
  checkFunction,
  checkNames,
  type Names,
  noOperation,
  refusal,
  WAIT_MS,
} from "../../core/options.ts";
import { isProgrammingError } from "../../core/outcomes/error-evidence.ts";
import { Listeners } from "../listeners.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";

/** Options of a fallback. */
export interface FallbackOptions {
  /**
   * Whether the fallback is used for this error. Default: for every error but a caller's abort, a
   * `ConfigurationError`, an `AmbiguousOutcomeError` (the command may have been executed), and a
   * fault of the program such as a TypeError.
   */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** Called with the error for which the fallback is used. Default: nobody is told. */
  readonly onFallback?: ((error: unknown) => void) | undefined;
}

const NAMES: Names<FallbackOptions> = { when: true, onFallback: true };
const NO_OPTIONS: FallbackOptions = {};

/**
 * The result of `call`, or that of `instead` if it fails. `instead` gets the error; what it throws
 * is delivered, with that error as its `cause` if it has none. Give `instead` bounds of its own:
 * the deadline of the call may be over.
 *
 * @example
 * ```ts
 * import { ResilientClient, withFallback } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north", retry: false });
 * const pass = await withFallback(
 *   () => client.call(() => Promise.reject(new Error("service is down"))),
 *   () => "no pass known",
 * );
 * console.log(pass); // no pass known
 * ```
 */
export async function withFallback<T, Instead = T>(
  call: () => PromiseLike<T> | T,
  instead: (error: unknown) => PromiseLike<Instead> | Instead,
  options: FallbackOptions = NO_OPTIONS,
): Promise<T | Instead> {
  if (typeof call !== "function") throw noOperation("withFallback", call);
  if (typeof instead !== "function") throw refusal("withFallback", "instead", instead, "a function of the error");
  checkNames("withFallback", options, NAMES);
  checkFunction("withFallback", "when", options.when);
  checkFunction("withFallback", "onFallback", options.onFallback);
  try {
    return await call();
  } catch (error) {
    const { when = isFailure, onFallback } = options;
    if (!when(error)) throw error;
    onFallback?.(error);
    return await insteadOf(error, instead);
  }
}

async function insteadOf<T>(error: unknown, instead: (error: unknown) => PromiseLike<T> | T): Promise<T> {
  try {
    return await instead(error);
  } catch (second) {
    if (second instanceof Error && second !== error && second.cause === undefined) addCause(second, error);
    throw second;
  }
}

function addCause(error: Error, cause: unknown): void {
  try {
    error.cause = cause;
  } catch {
    // It is frozen.
  }
}

/** True for what a fallback is for; see {@link FallbackOptions.when}. */
function isFailure(error: unknown): boolean {
  const isCallers = error instanceof CallAbortedError || error instanceof ConfigurationError;
  return !isCallers && !(error instanceof AmbiguousOutcomeError) && !isProgrammingError(error);
}

/** Options of a store of last good answers. */
export interface LastGoodOptions<T = unknown> {
  /**
   * How old an answer may be that is given in place of a failure. In ms, above 0; `Infinity` for
   * any age. No default: only you know how long an answer is better than none.
   */
  readonly maxAgeMs: number;
  /**
   * How many answers are kept, each under its key; a whole number from 1, below 2^31. Those that
   * were stored or used longest ago go first. Default 1,000.
   */
  readonly maxEntries?: number | undefined;
  /**
   * How many bytes all answers may take together, by `sizeOf`; from 1. An answer that alone takes
   * more is not kept. Default `Infinity`.
   */
  readonly maxBytes?: number | undefined;
  /** The bytes of an answer. Default: none are counted. */
  readonly sizeOf?: ((answer: T) => number) | undefined;
  /**
   * Whether an old answer is given for this error. Default: as {@link FallbackOptions.when}, for
   * every error but a caller's abort, a `ConfigurationError`, and a fault of the program.
   */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** The clock that it reads. Default: the system's monotonic clock. */
  readonly clock?: Clock | undefined;
}

/** A last good answer was given in place of a failure. */
export interface StaleAnswer {
  readonly key: string;
  readonly ageMs: number;
  readonly error: unknown;
}

const LAST_GOOD_NAMES: Names<LastGoodOptions> = {
  maxAgeMs: true,
  maxEntries: true,
  maxBytes: true,
  sizeOf: true,
  when: true,
  clock: true,
};

interface Kept<T> {
  readonly answer: T;
  readonly atMs: number;
  readonly bytes: number;
}

/**
 * Keeps the last good answer of each key and gives it in place of a failure, as long as it is not
 * older than allowed. It answers reads: do not use it for commands.
 *
 * @example
 * ```ts
 * import { LastGood } from "ground-station-failover";
 *
 * const passes = new LastGood<string>({ maxAgeMs: 60_000 });
 * let isUp = true;
 * const read = async () => {
 *   if (!isUp) throw new Error("service is down");
 *   return "10:40";
 * };
 * console.log(await passes.call("seven", read)); // 10:40
 * isUp = false;
 * console.log(await passes.call("seven", read)); // 10:40
 * console.log(passes.status.given); // 1
 * ```
 */
export class LastGood<T = unknown> {
  static {
    brand(LastGood, "LastGood");
  }

  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #sizeOf: ((answer: T) => number) | undefined;
  readonly #when: (error: unknown) => boolean;
  /** The one that was stored or used longest ago comes first. */
  readonly #kept: Map<string, Kept<T>> = new Map();
  readonly #stale: Listeners<StaleAnswer> = new Listeners();
  #bytes = 0;
  #given = 0;

  constructor(options: LastGoodOptions<T>) {
    checkNames("LastGood", options, LAST_GOOD_NAMES);
    const { maxAgeMs, maxEntries = 1_000, maxBytes = Number.POSITIVE_INFINITY, sizeOf, when, clock } = options;
    checkFunction("LastGood", "sizeOf", sizeOf);
    checkFunction("LastGood", "when", when);
    checkClock("LastGood", clock);
    this.maxAgeMs = checked("LastGood", "maxAgeMs", maxAgeMs, { ...WAIT_MS, aboveMin: true });
    this.#maxEntries = checked("LastGood", "maxEntries", maxEntries, COUNT);
    this.#maxBytes = checked("LastGood", "maxBytes", maxBytes, { min: 1, max: Number.POSITIVE_INFINITY });
    if (maxBytes < Number.POSITIVE_INFINITY && sizeOf === undefined)
      throw refusal(
        "LastGood",
        "sizeOf",
        sizeOf,
        "the function that tells the bytes of an answer, because of maxBytes",
      );
    this.#sizeOf = sizeOf;
    this.#when = when ?? isFailure;
    this.clock = clock ?? systemClock;
  }

  /** How many answers are kept, their bytes, and how often one was given in place of a failure. */
  get status(): { readonly entries: number; readonly bytes: number; readonly given: number } {
    return { entries: this.#kept.size, bytes: this.#bytes, given: this.#given };
  }

  /** Calls `listener` each time that an old answer is given; dispose to stop. */
  onStale(listener: (stale: StaleAnswer) => void): Disposable {
    return this.#stale.add(listener);
  }

  /**
   * The result of `read`, which is kept under `key`; if it fails, the last good answer of that key,
   * or the error if there is none that is young enough. `key` must tell apart whatever `read` may
   * answer differently, also the person who asks.
   */
  async call(key: string, read: () => PromiseLike<T> | T): Promise<T> {
    if (typeof key !== "string") throw refusal("LastGood", "key", key, "a text");
    if (typeof read !== "function") throw noOperation("LastGood", read);
    let answer: T;
    try {
      answer = await read();
    } catch (error) {
      const kept = this.#when(error) ? this.#youngEnough(key) : undefined;
      if (kept === undefined) throw error;
      this.#given++;
      this.#stale.tell({ key, ageMs: this.clock.nowMs() - kept.atMs, error });
      return kept.answer;
    }
    this.#keep(key, answer);
    return answer;
  }

  /** Forgets the answer of `key`. */
  forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }

  #youngEnough(key: string): Kept<T> | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (this.clock.nowMs() - kept.atMs > this.maxAgeMs) {
      this.forget(key);
      return undefined;
    }
    // It is the newest one now.
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  #keep(key: string, answer: T): void {
    this.forget(key);
    const bytes = this.#sizeOf?.(answer) ?? 0;
    // Also what is no number.
    if (!(bytes >= 0 && bytes <= this.#maxBytes)) return;
    this.#kept.set(key, { answer, atMs: this.clock.nowMs(), bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return;
      this.forget(oldest);
    }
  }
}
