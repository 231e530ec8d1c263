/**
 * One guarded call as a small state machine driven by callbacks, so that the success path is one promise, one timer
 * entry and no abort controller. Its states, and what can end each:
 *
 *   waiting for a slot ──granted──► running ──success──► done
 *     │ wait over, deadline,          │ failure, timeout          ▲
 *     │ abort                         ▼                           │ no retry allowed, safe or affordable;
 *     └──────────► done          deciding ──────────────────────► ┘ deadline; abort
 *                                     │ budget withdrawn
 *                  running ◄─slot─ backing off
 *
 * Order (rule C1): deadline → breaker peek → slot → permit and send in one synchronous step → attempt under timeout →
 * classify → note, release → withdraw → back off → again. No slot is held while backing off and no permit while
 * waiting for a slot, so breaker and bulkhead cannot wait for each other.
 */
import { REFUSED } from "../core/breaker.ts";
import type { Deadline } from "../core/deadline.ts";
import { NO_DEADLINE } from "../core/deadline.ts";
import {
  AttemptTimeoutError,
  CallAbortedError,
  DeadlineExceededError,
  RetryBudgetExhaustedError,
} from "../core/errors.ts";
import type { Judgement, Outcome } from "../core/outcome.ts";
import { judgeError } from "../core/outcome.ts";
import { Waiter } from "../core/slots.ts";
import { withDeadline } from "./ambient-deadline.ts";
import type { AttemptContext, AttemptOwner } from "./attempt.ts";
import { Attempt } from "./attempt.ts";
import type { ClientParts } from "./client.ts";
import type { Clock } from "./clock.ts";

/** Work to be guarded. It may be called several times (see {@link CallOptions.idempotent}), each with its own context. */
export type Operation<T> = (context: AttemptContext) => PromiseLike<T> | T;

export interface CallOptions {
  /** The caller's abort: ends any wait within a tick and rejects with `CallAbortedError`. */
  readonly signal?: AbortSignal;
  /** When the caller stops waiting, an instant on the client's clock (`deadlineAfter(ms)`). Default: the client's `deadlineMs` from now. */
  readonly deadline?: Deadline;
  /** Names this command, so that the service executes it once however often it arrives: makes retries safe. */
  readonly idempotencyKey?: string;
  /** True: executing it twice does no harm (reads): makes retries safe. Default false. */
  readonly idempotent?: boolean;
  /** In the bulkhead's queue, higher goes first. Default 0. */
  readonly priority?: number;
}

/** Where a call's end goes: a promise's two functions, or the failover. */
export interface CallSink<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

const expire = (attempt: Attempt): void => attempt.owner.expire(attempt);
const FAILURE: Judgement = { outcome: "failure" };

type Failure<T> = { readonly error: unknown } | { readonly value: T };

/** What only a call that has failed needs to remember. */
interface RetryState<T> {
  /** The failure that a retry is to mend: an error, or a result judged a failure. */
  failure: Failure<T> | undefined;
  lastDelayMs: number;
  /** The budget has been charged for an attempt that is not sent yet. */
  charged: boolean;
}

export class Call<T> implements AttemptOwner {
  readonly #parts: ClientParts<T>;
  readonly #operation: Operation<T>;
  readonly #options: CallOptions;
  readonly #sink: CallSink<T>;
  readonly deadline: Deadline;
  /** How the last attempt ended; undefined before that. */
  outcome: Outcome | undefined = undefined;
  /** Has an attempt gone out that may have reached the service? */
  sent = false;
  #attempts = 0;
  #current: Attempt | undefined = undefined;
  #timer: Disposable | undefined = undefined;
  #waiter: QueuedCall | undefined = undefined;
  #retry: RetryState<T> | undefined = undefined;
  #settled = false;

  constructor(
    parts: ClientParts<T>,
    operation: Operation<T>,
    options: CallOptions,
    deadline: Deadline,
    sink: CallSink<T>,
    charged: boolean,
  ) {
    this.#parts = parts;
    this.#operation = operation;
    this.#options = options;
    this.#sink = sink;
    this.deadline = deadline;
    if (charged) this.#retry = { failure: undefined, lastDelayMs: 0, charged: true };
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get idempotencyKey(): string | undefined {
    return this.#options.idempotencyKey;
  }

  /** Attempts made so far. */
  get attempts(): number {
    return this.#attempts;
  }

  start(nowMs: number): void {
    const signal = this.#options.signal;
    if (signal !== undefined) {
      if (signal.aborted) return this.#reject(new CallAbortedError(signal.reason));
      signal.addEventListener("abort", this);
    }
    if (this.deadline - nowMs <= this.#parts.minimumTimeLeftMs) {
      return this.#reject(
        new DeadlineExceededError(
          `${this.#parts.name}: the deadline leaves ${Math.max(0, this.deadline - nowMs)} ms; not started`,
        ),
      );
    }
    this.#enter(nowMs);
  }

  /** The caller's signal was aborted. (`Call` listens itself: no closure a call.) */
  handleEvent(): void {
    this.cancel(new CallAbortedError(this.#options.signal?.reason));
  }

  /** Ends the call now with `error`, whatever it waits for. An attempt that is out is told, and keeps its slot until it settles. */
  cancel(error: Error): void {
    if (this.#settled) return;
    const attempt = this.#current;
    this.#stopTimer();
    this.#refund();
    this.#leaveQueue();
    this.#current = undefined;
    this.#reject(error);
    if (attempt === undefined) return;
    this.#parts.breaker?.release(attempt.permit, this.clock.nowMs());
    attempt.giveUp(error);
  }

  // ── a slot ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #enter(nowMs: number): void {
    const { breaker, bulkhead } = this.#parts;
    if (breaker?.peek(nowMs) === false) return this.#refuse(breaker.refusal(nowMs));
    if (bulkhead === undefined || bulkhead.slots.tryTake()) return this.#send(nowMs);
    const waiter = new QueuedCall(this, this.#options.priority ?? 0);
    if (!bulkhead.slots.enqueue(waiter)) return this.#refuse(bulkhead.fullError());
    this.#waiter = waiter;
    const latestMs = Math.min(nowMs + bulkhead.acquireTimeoutMs, this.deadline);
    if (latestMs < NO_DEADLINE) this.#timer = this.clock.at(latestMs, () => this.#giveUpWaiting());
  }

  /** The slot this call waited for is its own from now on. */
  granted(): void {
    this.#waiter = undefined;
    this.#stopTimer();
    this.#send(this.clock.nowMs());
  }

  #giveUpWaiting(): void {
    this.#timer = undefined;
    this.#leaveQueue();
    const { bulkhead, name } = this.#parts;
    if (bulkhead === undefined || this.clock.nowMs() >= this.deadline) {
      this.#refuse(new DeadlineExceededError(`${name}: the deadline passed while waiting for a slot`));
    } else this.#refuse(bulkhead.timeoutError());
  }

  #leaveQueue(): void {
    if (this.#waiter !== undefined) this.#parts.bulkhead?.slots.remove(this.#waiter);
    this.#waiter = undefined;
  }

  // ── an attempt ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Holds a slot. Takes the permit, charges the budget and sends, with nothing in between that could wait. */
  #send(nowMs: number): void {
    const { breaker, budget, timeoutMs } = this.#parts;
    const permit = breaker === undefined ? REFUSED : breaker.tryAcquire(nowMs);
    if (breaker !== undefined && permit === REFUSED) {
      this.#parts.bulkhead?.leave();
      return this.#refuse(breaker.refusal(nowMs));
    }
    if (this.#retry === undefined) budget?.deposit(nowMs);
    else if (!this.#spend(nowMs)) {
      breaker?.release(permit, nowMs);
      this.#parts.bulkhead?.leave();
      return this.#refuseRetry();
    }
    this.#attempts++;
    const attempt = new Attempt(this, this.#attempts, permit, nowMs);
    this.#current = attempt;
    this.sent = true;
    const endMs = nowMs + timeoutMs < this.deadline ? nowMs + timeoutMs : this.deadline;
    if (endMs < NO_DEADLINE) this.#timer = this.clock.at(endMs, expire, attempt);
    this.#invoke(attempt).then(
      (value) => this.succeeded(attempt, value),
      (error) => this.failed(attempt, error),
    );
  }

  /** Whatever the operation does (return a value, throw, return somebody's thenable), its end comes in a later microtask. */
  #invoke(attempt: Attempt): Promise<T> {
    try {
      const pending = this.#parts.propagateDeadline
        ? withDeadline(this.deadline, () => this.#operation(attempt))
        : this.#operation(attempt);
      return pending instanceof Promise ? pending : Promise.resolve(pending);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  succeeded(attempt: Attempt, value: T): void {
    if (attempt.givenUp || this.#current !== attempt) return this.#parts.bulkhead?.leave();
    const classify = this.#parts.classify;
    if (classify?.result === undefined) return this.#succeed(attempt, value);
    let judged: Outcome | Judgement;
    try {
      judged = classify.result(value);
    } catch (error) {
      return this.#end(attempt, FAILURE, { error });
    }
    if (judged === "success" || (typeof judged === "object" && judged.outcome === "success"))
      this.#succeed(attempt, value);
    else this.#end(attempt, typeof judged === "object" ? judged : { outcome: judged }, { value });
  }

  failed(attempt: Attempt, error: unknown): void {
    if (attempt.givenUp || this.#current !== attempt) return this.#parts.bulkhead?.leave();
    let judged: Outcome | Judgement;
    try {
      judged = this.#parts.classify?.error?.(error) ?? judgeError(error);
    } catch {
      judged = FAILURE;
    }
    this.#end(attempt, typeof judged === "object" ? judged : { outcome: judged }, { error });
  }

  /** The timeout or the deadline, whichever was earlier. The slot stays taken until the work settles. */
  expire(attempt: Attempt): void {
    this.#timer = undefined;
    const { breaker, name, timeoutMs, onAttempt } = this.#parts;
    const nowMs = this.clock.nowMs();
    const tookMs = nowMs - attempt.startedMs;
    this.#current = undefined;
    if (tookMs >= timeoutMs) {
      const error = new AttemptTimeoutError(`${name}: attempt ${attempt.attempt} took longer than ${timeoutMs} ms`);
      breaker?.noteFailure(attempt.permit, nowMs, true);
      onAttempt?.("failure", attempt.startedMs, nowMs);
      attempt.giveUp(error);
      this.outcome = "failure";
      this.#afterFailure(nowMs, FAILURE, { error });
    } else {
      const error = new DeadlineExceededError(
        `${name}: the deadline passed ${tookMs} ms into attempt ${attempt.attempt}`,
      );
      breaker?.release(attempt.permit, nowMs);
      attempt.giveUp(error);
      this.outcome = "ignored";
      this.#reject(error);
    }
  }

  #succeed(attempt: Attempt, value: T): void {
    this.#stopTimer();
    this.#current = undefined;
    const { breaker, bulkhead, onAttempt } = this.#parts;
    let endedMs = attempt.startedMs;
    if (breaker !== undefined) {
      // Reading the clock costs as much as the await. A success needs its instant only where its duration matters or
      // where a probe's lease does; elsewhere the instant of its start will do, which the window puts in its newest slice.
      const timed = breaker.timesCalls || (bulkhead !== undefined && bulkhead.slots.waiting > 0);
      if (timed) endedMs = this.clock.nowMs();
      breaker.noteSuccess(attempt.permit, endedMs, timed && this.#isSlow(endedMs - attempt.startedMs));
    }
    onAttempt?.("success", attempt.startedMs, endedMs);
    bulkhead?.leave();
    this.outcome = "success";
    this.#resolve(value);
  }

  #end(attempt: Attempt, judged: Judgement, failure: Failure<T>): void {
    this.#stopTimer();
    this.#current = undefined;
    const { breaker, bulkhead, onAttempt } = this.#parts;
    const nowMs = this.clock.nowMs();
    this.outcome = judged.outcome;
    if (judged.outcome === "never-sent" && this.#attempts === 1) this.sent = false;
    if (judged.outcome === "success")
      breaker?.noteSuccess(attempt.permit, nowMs, this.#isSlow(nowMs - attempt.startedMs));
    else if (judged.outcome === "ignored") breaker?.release(attempt.permit, nowMs);
    else breaker?.noteFailure(attempt.permit, nowMs, this.#isSlow(nowMs - attempt.startedMs));
    onAttempt?.(judged.outcome, attempt.startedMs, nowMs);
    bulkhead?.leave();
    // A listener of the breaker may have ended this call meanwhile.
    if (this.#settled) return;
    if (judged.outcome === "failure" || judged.outcome === "never-sent") this.#afterFailure(nowMs, judged, failure);
    else this.#deliver(failure);
  }

  /** Slow for the breaker: by its own limit, or by starving those who wait for a slot (see `ClientOptions.breaker`). */
  #isSlow(tookMs: number): boolean {
    const { slowMs, starvedMs, bulkhead } = this.#parts;
    return tookMs > slowMs || (tookMs > starvedMs && bulkhead !== undefined && bulkhead.slots.waiting > 0);
  }

  // ── a retry ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #afterFailure(nowMs: number, judged: Judgement, failure: Failure<T>): void {
    const { backoff, budget, maxAttempts, minimumTimeLeftMs } = this.#parts;
    const retry = (this.#retry ??= { failure, lastDelayMs: 0, charged: false });
    retry.failure = failure;
    const safe =
      judged.outcome === "never-sent" ||
      this.#options.idempotent === true ||
      this.#options.idempotencyKey !== undefined;
    if (!safe || judged.retry === false || this.#attempts >= maxAttempts) return this.#deliver(failure);
    const delayMs = Math.max(backoff.delayMs(this.#attempts, retry.lastDelayMs), judged.retryAfterMs ?? 0);
    if (nowMs + delayMs + minimumTimeLeftMs >= this.deadline) return this.#deliver(failure);
    if (budget !== undefined && !budget.withdraw(nowMs)) return this.#refuseRetry();
    retry.charged = true;
    retry.lastDelayMs = delayMs;
    this.#timer = this.clock.at(nowMs + delayMs, () => {
      this.#timer = undefined;
      this.#enter(this.clock.nowMs());
    });
    this.#parts.tell({ type: "retry", attempt: this.#attempts + 1, delayMs });
  }

  /** The budget said no: the failure that asked for the retry stands, and says so. */
  #refuseRetry(): void {
    const failure = this.#retry?.failure;
    const { budget, name } = this.#parts;
    const status = budget?.status;
    const numbers =
      status === undefined
        ? ""
        : `: ${status.sent + status.pending} of ${status.allowed} extra attempts used for ${status.calls} calls`;
    this.#parts.tell({ type: "retry-refused", attempt: this.#attempts + 1, reason: `retry budget${numbers}` });
    if (failure !== undefined && "value" in failure) this.#resolve(failure.value);
    else
      this.#reject(
        new RetryBudgetExhaustedError(`${name}: retry refused by the budget${numbers}`, { cause: failure?.error }),
      );
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** We refuse to send (again). Where a failure is already in hand, that is what the caller should see. */
  #refuse(refusal: Error): void {
    this.#refund();
    const failure = this.#retry?.failure;
    if (failure === undefined) this.#reject(refusal);
    else this.#deliver(failure);
  }

  #deliver(end: Failure<T>): void {
    if ("value" in end) this.#resolve(end.value);
    else this.#reject(end.error);
  }

  #resolve(value: T): void {
    this.#settled = true;
    this.#options.signal?.removeEventListener("abort", this);
    this.#sink.resolve(value);
  }

  #reject(error: unknown): void {
    this.#settled = true;
    this.#options.signal?.removeEventListener("abort", this);
    this.#sink.reject(error);
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  /** Turns the charge for a retry into an attempt sent; false where the window no longer has room for it. */
  #spend(nowMs: number): boolean {
    const retry = this.#retry;
    if (retry === undefined || !retry.charged) return true;
    retry.charged = false;
    return this.#parts.budget?.send(nowMs) !== false;
  }

  #refund(): void {
    if (this.#retry?.charged !== true) return;
    this.#retry.charged = false;
    this.#parts.budget?.refund();
  }
}

/** A call's place in the bulkhead's queue; made only for a call that has to wait. */
class QueuedCall extends Waiter {
  readonly #call: { granted(): void };

  constructor(call: { granted(): void }, priority: number) {
    super(priority);
    this.#call = call;
  }

  override granted(): void {
    this.#call.granted();
  }
}
