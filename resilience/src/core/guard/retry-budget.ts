/**
 * The retry budget: how many extra attempts may be sent to an overloaded service. A service at its
 * limit fails half of its calls. If every caller retries three times, the service gets two and a
 * half times the load that overloaded it, and stays overloaded long after the cause is gone. A
 * backoff spreads that load; only a budget bounds it.
 *
 * It counts over a sliding window, per downstream and not per caller. An extra attempt is
 * *withdrawn* before the backoff (so that retries that are backing off count), then *sent*, or
 * *refunded* if it is never sent. At the instant at which an extra attempt is sent, the extra
 * attempts of the window that ends there are at most max(ratio × calls, reserve). This is checked
 * again at that instant, because the traffic may have decreased during the backoff. The slices of
 * the window are counted on the safe side (slightly too few calls, slightly too many extra
 * attempts). So the bound holds for the exact window at the downstream's door, and not only for the
 * slices.
 *
 * Sources: Google SRE book, ch. 21 ("Handling Overload"); Finagle's and tower's retry budgets.
 */
import { invariant } from "../invariant.ts";
import { checked, checkNames, DURATION_MS, type Names } from "../options.ts";
import { RateWindow } from "./rate-window.ts";

/** Options of a retry budget. */
export interface RetryBudgetOptions {
  /**
   * Extra attempts per call; 0 … 1. Default 0.1: a healthy service has room for a tenth more, and
   * an overloaded one must not get more than that.
   */
  readonly ratio?: number | undefined;
  /**
   * Length of the sliding window. In ms, above 0 and below 2^31. Default 10,000: long enough to
   * compare the failures of a moment with the calls before it, and short enough that an outage
   * cannot spend at once what was saved in quiet minutes.
   */
  readonly windowMs?: number | undefined;
  /**
   * Extra attempts a window may hold however few calls it has; a whole number from 0. Default what
   * `ratio` gives at ten calls a second, at least 1, and 0 where `ratio` is 0: 10 for the other
   * defaults, one a second. Below ten calls a second a tenth of the calls is too coarse to be a
   * budget: at one call a second, 5 % of them failing by chance, 1.8 % reached the caller with a
   * reserve of 1 and 0.013 % do with 10, as many as without a budget. What it can cost a service is
   * one attempt a second from each budget; from ten calls a second on the ratio rules. (Finagle's
   * and Linkerd's default is ten a second, with a ratio of 0.2.)
   */
  readonly reserve?: number | undefined;
}

/** The counts of a budget; a copy, for status pages and error messages. */
export interface RetryBudgetStatus {
  readonly calls: number;
  readonly sent: number;
  /** Withdrawn and still backing off. */
  readonly pending: number;
  readonly allowed: number;
  readonly refused: number;
}

const NAMES: Names<RetryBudgetOptions> = { ratio: true, windowMs: true, reserve: true };
const SLICES = 20;
const MAX_RESERVE = 1_000_000;
/** Callers with fewer calls a second are quiet: the reserve is for them. */
const QUIET_CALLS_PER_SECOND = 10;

/**
 * The extra attempts that the ratio gives at {@link QUIET_CALLS_PER_SECOND}, so that the ratio
 * rules from there on.
 */
function defaultReserve(ratio: number, windowMs: number): number {
  if (ratio === 0) return 0;
  // Rounded first: 0.07 of 10 s must give 7, and not slightly less.
  return Math.max(1, Math.floor(Number(((ratio * QUIET_CALLS_PER_SECOND * windowMs) / 1_000).toPrecision(12))));
}

/**
 * The retry budget as a pure machine. Each extra attempt is withdrawn from the budget first, and
 * then either sent or refunded.
 *
 * @example
 * ```ts
 * import { RetryBudgetMachine } from "ground-station-failover/core";
 *
 * const budget = new RetryBudgetMachine({ ratio: 0.1, reserve: 1 });
 * for (let call = 0; call < 20; call++) budget.deposit(0);
 * console.log(budget.withdraw(0), budget.withdraw(0), budget.withdraw(0)); // true true false
 * console.log(budget.send(50)); // true
 * budget.refund(); // the second one's caller has gone
 * console.log(budget.status(50).sent, budget.pending); // 1 0
 * ```
 */
export class RetryBudgetMachine {
  ratio: number;
  windowMs: number;
  reserve: number;
  /** Covers at most the window: counts slightly too few calls. */
  #calls: RateWindow;
  /** Covers at least the window: counts slightly too many extra attempts. */
  #sent: RateWindow;
  #pending = 0;
  #refused = 0;

  constructor(options: RetryBudgetOptions = {}) {
    checkNames("RetryBudget", options, NAMES);
    this.ratio = checked("RetryBudget", "ratio", options.ratio ?? 0.1, { min: 0, max: 1 });
    this.windowMs = checked("RetryBudget", "windowMs", options.windowMs ?? 10_000, DURATION_MS);
    const reserve = options.reserve ?? Math.min(MAX_RESERVE, defaultReserve(this.ratio, this.windowMs));
    this.reserve = checked("RetryBudget", "reserve", reserve, { min: 0, max: MAX_RESERVE, integer: true });
    const sliceMs = this.windowMs / SLICES;
    this.#calls = new RateWindow(this.windowMs, SLICES, 1);
    this.#sent = new RateWindow(this.windowMs + sliceMs, SLICES + 1, 1);
  }

  /**
   * Follows the settings of `other` from `nowMs` on. Calls and extra attempts counted so far stay,
   * and so do those that are withdrawn: a new budget would allow its reserve once more.
   */
  useSettingsOf(other: RetryBudgetMachine, nowMs: number): void {
    if (other.windowMs !== this.windowMs) {
      this.#calls.copyTo(other.#calls, "beginning", nowMs);
      this.#sent.copyTo(other.#sent, "end", nowMs);
      this.#calls = other.#calls;
      this.#sent = other.#sent;
    }
    this.ratio = other.ratio;
    this.windowMs = other.windowMs;
    this.reserve = other.reserve;
  }

  /** Withdrawn, and neither sent nor refunded yet. */
  get pending(): number {
    return this.#pending;
  }

  /** A call's first attempt is being sent. */
  deposit(nowMs: number): void {
    this.#calls.count(nowMs);
  }

  /**
   * An attempt that was recorded at this same instant was stopped before it was sent. `extra`: it
   * was recorded as an extra one.
   */
  retract(extra: boolean, nowMs: number): void {
    (extra ? this.#sent : this.#calls).add(0, nowMs, -1);
  }

  /**
   * May an extra attempt be planned? If so it is charged at once, and must be {@link send}t or
   * {@link refund}ed.
   */
  withdraw(nowMs: number): boolean {
    const allowed = this.#sent.total(0, nowMs) + this.#pending + 1 <= this.#allowed(nowMs);
    if (allowed) this.#pending++;
    else this.#refused++;
    return allowed;
  }

  /**
   * A withdrawn attempt is about to be sent. False, with a refund, if the window no longer has room
   * for it.
   */
  send(nowMs: number): boolean {
    this.refund();
    const allowed = this.#sent.total(0, nowMs) + 1 <= this.#allowed(nowMs);
    if (allowed) this.#sent.add(0, nowMs);
    else this.#refused++;
    return allowed;
  }

  /** A withdrawn attempt will not be sent: its call was aborted, or something else refused it. */
  refund(): void {
    invariant(this.#pending > 0, "an extra attempt that is sent or refunded was withdrawn, once");
    this.#pending--;
  }

  /** What the budget holds at `nowMs`. */
  status(nowMs: number): RetryBudgetStatus {
    return {
      calls: this.#calls.total(0, nowMs),
      sent: this.#sent.total(0, nowMs),
      pending: this.#pending,
      allowed: Math.floor(this.#allowed(nowMs)),
      refused: this.#refused,
    };
  }

  #allowed(nowMs: number): number {
    return Math.max(this.ratio * this.#calls.total(0, nowMs), this.reserve);
  }
}
