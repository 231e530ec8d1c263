/**
 * The rate limiter: so many calls a second and no more. It protects a service that was agreed to be
 * called so often, or a quota that costs money. It does not protect from a service that has become
 * slower than agreed: a bulkhead does, because it counts what is there at once. One process counts
 * its own calls only.
 */
import { brand } from "../../core/brand.ts";
import type { Deadline } from "../../core/deadline.ts";
import { checkedDeadline, tooLate } from "../../core/deadline.ts";
import { CallAbortedError, RateLimitedError } from "../../core/errors.ts";
import { RateLimitMachine, type RateLimitOptions, type RateLimitStatus } from "../../core/guard/rate-limit.ts";
import { checked, checkName, checkNames, checkSignal, type Names, noOperation, WAIT_MS } from "../../core/options.ts";
import { ambientDeadline } from "../time/ambient-deadline.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { hasWholeInstants, systemClock } from "../time/system-clock.ts";

/** Options of a rate limiter. */
export interface RateLimiterOptions extends RateLimitOptions {
  /**
   * How long a call may wait for its turn. In ms, from 0; `Infinity` for no limit but the call's
   * own deadline. Default 0: an immediate refusal lets the caller react at once. What waits is
   * bounded by this time and the rate.
   */
  readonly maxWaitMs?: number | undefined;
  /** Its name in errors; a text that is not empty. Default "rate limiter". */
  readonly name?: string | undefined;
  /**
   * The clock that it reads. Default: the system's monotonic clock, which changes of the calendar
   * do not affect.
   */
  readonly clock?: Clock | undefined;
}

/** Options of one call through a rate limiter. */
export interface RateLimitedCallOptions {
  /** An abort takes a waiting call out at once. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * A call whose turn comes after this instant is refused at once. Default: the ambient deadline,
   * if any.
   */
  readonly deadline?: Deadline | undefined;
  /** How many calls it counts for; above 0, at most `burst`. Default 1. */
  readonly cost?: number | undefined;
}

const NAMES: Names<RateLimiterOptions> = { perSecond: true, burst: true, maxWaitMs: true, name: true, clock: true };
const CALL_NAMES: Names<RateLimitedCallOptions> = { signal: true, deadline: true, cost: true };
const NO_OPTIONS: RateLimitedCallOptions = {};

interface Waiting {
  readonly cost: number;
  readonly go: () => void;
}

/**
 * Lets so many calls a second pass; the others wait for their turn, in order, or are refused.
 *
 * @example
 * ```ts
 * import { RateLimitedError, RateLimiter } from "ground-station-failover";
 *
 * const limiter = new RateLimiter({ perSecond: 50, burst: 2 });
 * console.log(await limiter.execute(() => "first")); // first
 * console.log(await limiter.execute(() => "second")); // second
 * const error = await limiter.execute(() => "third").catch((reason: unknown) => reason);
 * if (error instanceof RateLimitedError) console.log(error.code); // RATE_LIMITED
 * ```
 */
export class RateLimiter {
  static {
    brand(RateLimiter, "RateLimiter");
  }

  readonly name: string;
  readonly clock: Clock;
  readonly maxWaitMs: number;
  readonly #machine: RateLimitMachine;
  /** In the order of their turns. */
  readonly #waiting: Set<Waiting> = new Set();
  #waitingCost = 0;
  #timer: Disposable | undefined;
  #refused = 0;

  constructor(options: RateLimiterOptions) {
    checkNames("RateLimiter", options, NAMES);
    const { name = "rate limiter", clock = systemClock, maxWaitMs = 0, ...limit } = options;
    checkName("RateLimiter", "name", name);
    checkClock("RateLimiter", clock);
    this.name = name;
    this.clock = clock;
    this.maxWaitMs = checked("RateLimiter", "maxWaitMs", maxWaitMs, WAIT_MS);
    this.#machine = new RateLimitMachine(limit);
  }

  /** The limit, what of it is left, how many calls wait, and how many were refused. */
  get status(): RateLimitStatus & { readonly waiting: number; readonly refused: number } {
    return { ...this.#machine.status(this.clock.nowMs()), waiting: this.#waiting.size, refused: this.#refused };
  }

  /**
   * Takes one call's worth (or `cost`) without waiting; false if there is none. For code that
   * decides for itself what to do then. Never overtakes calls that wait.
   */
  tryTake(cost = 1): boolean {
    const nowMs = this.clock.nowMs();
    const isFree = this.#waiting.size === 0 && this.#machine.tryTake(nowMs, cost);
    if (!isFree) this.#refused++;
    return isFree;
  }

  /**
   * Runs `operation` when it is its turn. Rejects with {@link RateLimitedError}, which says when to
   * try again, if that is later than `maxWaitMs` or the deadline; with `DeadlineExceededError` if
   * the deadline has passed; with `CallAbortedError` on an abort while it waits.
   */
  async execute<T>(operation: () => PromiseLike<T> | T, options: RateLimitedCallOptions = NO_OPTIONS): Promise<T> {
    if (typeof operation !== "function") throw noOperation(this.name, operation);
    checkNames(this.name, options, CALL_NAMES);
    const { signal, cost = 1 } = options;
    // Before it waits: a mistake of one caller must not end the turns of all.
    this.#machine.checkCost(cost);
    if (signal !== undefined) checkSignal(this.name, signal);
    if (signal?.aborted === true) throw new CallAbortedError(signal.reason);
    const nowMs = this.clock.nowMs();
    const { deadline: given } = options;
    const deadline =
      given === undefined ? ambientDeadline() : checkedDeadline(given, nowMs, hasWholeInstants(this.clock));
    const late = tooLate(this.name, deadline, 0, nowMs);
    if (late !== undefined) throw late;
    if (this.#waiting.size > 0 || !this.#machine.tryTake(nowMs, cost)) await this.#turn(cost, nowMs, deadline, signal);
    return await operation();
  }

  #turn(cost: number, nowMs: number, deadline: Deadline, signal: AbortSignal | undefined): Promise<void> {
    const waitMs = this.#machine.waitMs(nowMs, this.#waitingCost + cost);
    if (waitMs > this.maxWaitMs || nowMs + waitMs > deadline) {
      this.#refused++;
      throw new RateLimitedError(this.#sentence(waitMs), { retryAfterMs: waitMs });
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#remove(waiting);
        reject(new CallAbortedError(signal?.reason));
      };
      const waiting: Waiting = {
        cost,
        go: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.add(waiting);
      this.#waitingCost += cost;
      this.#arm();
    });
  }

  #sentence(waitMs: number): string {
    const { perSecond, burst } = this.#machine;
    const allowed = `${perSecond} a second and ${burst} at once`;
    return `${this.name}: more than ${allowed}; the next turn is in ${Math.ceil(waitMs)} ms, and calls wait at most ${this.maxWaitMs} ms`;
  }

  #remove(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    this.#waitingCost -= waiting.cost;
    this.#arm();
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (first === undefined) {
      // Sums of fractions are not exact.
      this.#waitingCost = 0;
      return;
    }
    const nowMs = this.clock.nowMs();
    this.#timer = this.clock.at(nowMs + this.#machine.waitMs(nowMs, first.cost), () => this.#letGo());
  }

  #letGo(): void {
    const nowMs = this.clock.nowMs();
    for (const waiting of this.#waiting) {
      if (!this.#machine.tryTake(nowMs, waiting.cost)) break;
      this.#waiting.delete(waiting);
      this.#waitingCost -= waiting.cost;
      waiting.go();
    }
    this.#arm();
  }
}
