/**
 * A bulkhead that learns how many calls its service takes at once. Where a fixed limit is a guess
 * that is wrong after the next deployment, this one follows the service. It needs traffic to learn
 * from, and it learns from one process's own calls: many small callers of one service see little.
 */
import { brand } from "../../core/brand.ts";
import { AdaptiveLimitMachine, type AdaptiveLimitOptions } from "../../core/guard/adaptive-limit.ts";
import { optionsOf } from "../../core/options.ts";
import { wasRefusedLocally } from "../../core/outcomes/error-evidence.ts";
import type { AttemptEnd } from "./attempt.ts";
import { Bulkhead, type BulkheadCallOptions, type BulkheadOptions } from "./bulkhead.ts";

/** Options of an adaptive bulkhead: the learned limit, and the queue as in {@link BulkheadOptions}. */
export interface AdaptiveBulkheadOptions extends Omit<BulkheadOptions, "maxConcurrent">, AdaptiveLimitOptions {
  /**
   * How many callers may wait; a whole number from 0, below 2^31. Default the first limit, or 0 if
   * callers may not wait.
   */
  readonly maxQueue?: number | undefined;
}

/**
 * Limits how many calls run at once to what their service is seen to take. A client takes it as its
 * `bulkhead`.
 *
 * @example
 * ```ts
 * import { AdaptiveBulkhead, ResilientClient } from "ground-station-failover";
 *
 * const bulkhead = new AdaptiveBulkhead({ maxConcurrent: 200, acquireTimeoutMs: 500 });
 * const client = new ResilientClient({ name: "north", bulkhead });
 * console.log(await client.call(async () => "telemetry"), bulkhead.limit); // telemetry 20
 * ```
 */
export class AdaptiveBulkhead extends Bulkhead {
  static {
    brand(AdaptiveBulkhead, "AdaptiveBulkhead");
  }

  readonly #machine: AdaptiveLimitMachine;
  readonly #isAimd: boolean;

  constructor(options: AdaptiveBulkheadOptions = {}) {
    const { name, clock, acquireTimeoutMs, maxQueue, ...limit } = optionsOf("AdaptiveBulkhead", options);
    const machine = new AdaptiveLimitMachine(limit);
    super({ name, clock, acquireTimeoutMs, maxQueue, maxConcurrent: machine.limit });
    this.#machine = machine;
    this.#isAimd = limit.algorithm === "aimd";
  }

  /** How many may run at once now. */
  get limit(): number {
    return this.#machine.limit;
  }

  /** @internal */
  override get learns(): boolean {
    return true;
  }

  /** @internal How long a failure took says nothing of what the service takes. */
  override noteAttempt({ outcome, startedMs, endedMs }: AttemptEnd, timeoutMs: number): void {
    const tookMs = endedMs - startedMs;
    if (outcome === "success") this.#note(tookMs, false);
    else if (outcome === "overloaded" || (outcome === "failure" && tookMs >= timeoutMs)) this.#note(0, true);
    else if (outcome === "failure") this.#noteFailure();
  }

  /** As {@link Bulkhead.execute}; learns from how long `operation` takes, and with `aimd` from its failures. */
  override async execute<T>(
    operation: (signal?: AbortSignal) => PromiseLike<T> | T,
    options?: BulkheadCallOptions,
  ): Promise<T> {
    if (typeof operation !== "function") return super.execute(operation, options);
    return super.execute(async (signal) => {
      const startedMs = this.clock.nowMs();
      let result: T;
      try {
        result = await operation(signal);
      } catch (error) {
        if (!wasRefusedLocally(error)) this.#noteFailure();
        throw error;
      }
      this.#note(this.clock.nowMs() - startedMs, false);
      return result;
    }, options);
  }

  #noteFailure(): void {
    if (this.#isAimd) this.#note(0, true);
  }

  #note(tookMs: number, isOverload: boolean): void {
    if (this.#machine.note({ tookMs, inFlight: this.running, isOverload }, this.clock.nowMs()))
      this.resize(this.#machine.limit);
  }
}
