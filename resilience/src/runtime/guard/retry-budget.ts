/**
 * A retry budget for callers: {@link RetryBudgetMachine} bound to a clock. Create one for each
 * downstream and share it among all that call it (clients, hedges, replays of queued commands): two
 * budgets allow twice the extra load.
 */
import { brand } from "../../core/brand.ts";
import { ConfigurationError } from "../../core/errors.ts";
import type { RetryBudgetOptions, RetryBudgetStatus } from "../../core/guard/retry-budget.ts";
import { RetryBudgetMachine } from "../../core/guard/retry-budget.ts";
import { optionsOf } from "../../core/options.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";

/** Options of a retry budget that several clients share. */
export interface SharedRetryBudgetOptions extends RetryBudgetOptions {
  /**
   * The clock that it reads. Default: the system's monotonic clock, which changes of the calendar
   * do not affect.
   */
  readonly clock?: Clock | undefined;
}

/**
 * A retry budget that all clients of one downstream service share. It limits their retries to a
 * share of their calls.
 *
 * @example
 * ```ts
 * import { ResilientClient, RetryBudget } from "ground-station-failover";
 *
 * const budget = new RetryBudget({ ratio: 0.1 });
 * const reader = new ResilientClient({ name: "north", retry: { budget } });
 * const writer = new ResilientClient({ name: "north", retry: { budget, maxAttempts: 2 } });
 * await reader.call(async () => "telemetry");
 * await writer.call(async () => "command");
 * console.log(budget.status.calls, budget.status.sent); // 2 0
 * ```
 */
export class RetryBudget {
  static {
    brand(RetryBudget, "RetryBudget");
  }

  /**
   * @internal For the failover, which uses it directly.
   */
  readonly machine: RetryBudgetMachine;
  readonly clock: Clock;

  constructor(options: SharedRetryBudgetOptions = {}) {
    const { clock = systemClock, ...rules } = optionsOf("RetryBudget", options);
    checkClock("RetryBudget", clock);
    this.clock = clock;
    this.machine = new RetryBudgetMachine(rules);
  }

  /** A call's first attempt is being sent. */
  deposit(nowMs: number = this.clock.nowMs()): void {
    this.machine.deposit(nowMs);
  }

  /**
   * Charges one extra attempt, before its backoff; true must be followed by {@link send} or
   * {@link refund}.
   */
  withdraw(nowMs: number = this.clock.nowMs()): boolean {
    return this.machine.withdraw(nowMs);
  }

  /**
   * A withdrawn attempt is sent now; false if the window no longer has room for it. Throws
   * `ConfigurationError` if none is withdrawn.
   */
  send(nowMs: number = this.clock.nowMs()): boolean {
    this.#refuseUnlessPending("send");
    return this.machine.send(nowMs);
  }

  /** A withdrawn attempt will not be sent. Throws `ConfigurationError` if none is withdrawn. */
  refund(): void {
    this.#refuseUnlessPending("refund");
    this.machine.refund();
  }

  #refuseUnlessPending(method: string): void {
    if (this.machine.pending > 0) return;
    const message = `RetryBudget.${method}: no attempt is withdrawn; call withdraw first, and send or refund once for each true`;
    throw new ConfigurationError("nothing-withdrawn", `${message}.`);
  }

  get status(): RetryBudgetStatus {
    return this.machine.status(this.clock.nowMs());
  }
}
