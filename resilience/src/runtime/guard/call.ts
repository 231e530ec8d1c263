/**
 * One guarded call as a small state machine that is driven by callbacks, so that a success costs
 * one promise, one timer entry and no abort controller. Its states, and what can end each:
 *
 *   waiting for a slot ──granted──► running ──success──► done
 *     │ wait over, deadline,          │ failure, timeout          ▲
 *     │ abort                         ▼                           │ no retry allowed, safe or affordable;
 *     └──────────► done          deciding ──────────────────────► ┘ deadline; abort
 *                                     │ budget withdrawn
 *                  running ◄─slot─ backing off
 *
 * Order (rule C1): deadline → breaker peek → slot → permit and send in one synchronous step →
 * attempt under timeout → classify → note, release → withdraw → back off → again. No slot is held
 * while backing off and no permit while waiting for a slot, so breaker and bulkhead cannot wait for
 * each other.
 */
import { AsyncResource } from "node:async_hooks";
import { type Deadline, NO_DEADLINE, tooLate } from "../../core/deadline.ts";
import { AttemptTimeoutError, CallAbortedError, type DeadlineExceededError } from "../../core/errors.ts";
import { type Permit, REFUSED } from "../../core/guard/breaker.ts";
import { forgetOlderRefusal, noteRetryRefusal, refusalsWritten } from "../../core/guard/retry-refusal.ts";
import type { Waiter } from "../../core/guard/slots.ts";
import type { Classification } from "../../core/outcomes/classification.ts";
import { ambientDeadline, runIn } from "../time/ambient-deadline.ts";
import type { Clock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import { Attempt, type AttemptOwner, expiryOf } from "./attempt.ts";
import { book, bookSuccess, isSlow, judgeResult, judgeThrown } from "./booking.ts";
import { type CallOptions, isRepeatable, type Operation } from "./call-options.ts";
import type { ClientParts } from "./client-parts.ts";
import { causeOf, type Failure, GIVE_UP, RetryPlan, UNAFFORDABLE } from "./retry-plan.ts";
import { hasUnreadBody, UNREAD_BODY_REASON } from "./unread-body.ts";

const expire = (attempt: Attempt): void => attempt.owner.expire(attempt);
/** The permit if there is no breaker. */
const UNGUARDED: Permit = -1;
const FAILURE: Classification = { outcome: "failure" };
/**
 * The async context of attempts whose caller's context was not kept: no context is better than that
 * of another caller.
 */
const NOBODY = new AsyncResource("ResilientClient");

export class Call<T> implements AttemptOwner {
  readonly #parts: ClientParts<T>;
  readonly #operation: Operation<T>;
  readonly #options: CallOptions;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly deadline: Deadline;
  #attempts = 0;
  #current: Attempt | undefined = undefined;
  #timer: Disposable | undefined = undefined;
  #waiter: Waiter | undefined = undefined;
  #retry: RetryPlan<T> | undefined = undefined;
  /** The context for attempts that another call's end or a timer starts. */
  #context: AsyncResource | undefined = undefined;
  readonly #refusalsBefore = refusalsWritten();
  /** Attempts that may have reached the service. */
  #reached = 0;
  #settled = false;

  constructor(
    parts: ClientParts<T>,
    operation: Operation<T>,
    options: CallOptions,
    deadline: Deadline,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#parts = parts;
    this.#operation = operation;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.deadline = deadline;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get idempotencyKey(): string | undefined {
    return this.#options.idempotencyKey;
  }

  start(nowMs: number): void {
    const signal = this.#options.signal;
    if (signal?.aborted === true) return this.#deliver({ error: new CallAbortedError(signal.reason) });
    signal?.addEventListener("abort", this);
    this.#enter(nowMs);
  }

  /**
   * The caller's signal was aborted: ends the call now, in any state. An attempt that is out is
   * informed, and keeps its slot until it settles. (`Call` is its own listener, so that a call
   * needs no closure.)
   */
  handleEvent(): void {
    if (this.#settled) return;
    const error = new CallAbortedError(this.#options.signal?.reason);
    const attempt = this.#current;
    this.#close();
    if (attempt !== undefined) {
      this.#parts.breaker?.release(attempt.permit, this.clock.nowMs());
      attempt.giveUp(error);
    }
    this.#reject(error);
  }

  /** Its result is not needed any more: it ends as by an abort of its caller. */
  cancel(): void {
    this.handleEvent();
  }

  #enter(nowMs: number): void {
    const { breaker, bulkhead } = this.#parts;
    const late = this.#tooLate(nowMs);
    if (late !== undefined) return this.#refuse(late);
    if (breaker?.peek(nowMs) === false) return this.#refuse(breaker.refusal(nowMs));
    if (bulkhead === undefined || bulkhead.slots.tryTake()) return this.#send(nowMs);
    this.#waiter = bulkhead.enqueue(this, this.#options.priority ?? 0);
    if (this.#waiter === undefined) return this.#refuse(bulkhead.fullError());
    this.#context ??= new AsyncResource("ResilientClient.call");
    const { acquireTimeoutMs } = bulkhead;
    if (Math.min(acquireTimeoutMs, this.deadline) === NO_DEADLINE) return;
    this.#timer = afterWait(this.clock, acquireTimeoutMs, (isFair) => this.#giveUpWaiting(isFair), this.deadline);
  }

  /** This call now owns the slot that it waited for. */
  granted(): void {
    this.#waiter = undefined;
    this.#stopTimer();
    const nowMs = this.clock.nowMs();
    const late = this.#tooLate(nowMs);
    if (late === undefined) return this.#send(nowMs);
    this.#parts.bulkhead?.leave();
    this.#refuse(late);
  }

  /** Something more important took its place in the queue. */
  displaced(): void {
    this.#waiter = undefined;
    this.#stopTimer();
    this.#refuse(this.#parts.bulkhead?.displacedError());
  }

  #giveUpWaiting(isFair: boolean): void {
    const nowMs = this.clock.nowMs();
    this.#refuse(this.#tooLate(nowMs) ?? this.#parts.bulkhead?.timeoutError(nowMs, isFair));
  }

  /** Rule R4: an attempt that could not finish is not started. */
  #tooLate(nowMs: number): DeadlineExceededError | undefined {
    return tooLate(this.#parts.name, this.deadline, this.#parts.minTimeLeftMs, nowMs);
  }

  /** Holds a slot. Takes the permit, charges the budget and sends, with no wait in between. */
  #send(nowMs: number): void {
    const { breaker, budget, bulkhead, firstLookMs } = this.#parts;
    const permit = breaker?.tryAcquire(nowMs) ?? UNGUARDED;
    // A listener of the breaker may have ended this call in that step.
    if (permit === REFUSED || this.#settled) {
      breaker?.release(permit, nowMs);
      bulkhead?.leave();
      return this.#refuse(breaker?.refusal(nowMs));
    }
    if (this.#retry === undefined) budget?.deposit(nowMs);
    else if (!this.#retry.spend(nowMs)) {
      breaker?.release(permit, nowMs);
      bulkhead?.leave();
      return this.#refuseRetry(this.#retry);
    }
    this.#attempts++;
    this.#reached++;
    const attempt = new Attempt(this, this.#attempts, permit, nowMs);
    this.#current = attempt;
    const lookMs = Math.min(nowMs + firstLookMs, this.deadline);
    if (lookMs < NO_DEADLINE) this.#timer = this.clock.at(lookMs, expire, attempt);
    this.#invoke(attempt).then(
      (value) => this.succeeded(attempt, value),
      (error) => this.failed(attempt, error),
    );
  }

  /**
   * Whatever the operation does (return a value, throw, return a foreign thenable), its end is
   * handled in a later microtask.
   */
  #invoke(attempt: Attempt): Promise<T> {
    try {
      const plain = this.#context === undefined && !this.#parts.propagateDeadline && !this.#outlivesAmbient();
      const pending = plain ? this.#operation(attempt) : this.#runLater(attempt);
      return pending instanceof Promise ? pending : Promise.resolve(pending);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The call's own deadline may be later than that of the surrounding work; the operation's calls
   * are then under the call's own deadline.
   */
  #outlivesAmbient(): boolean {
    return this.#options.deadline !== undefined && ambientDeadline() < this.deadline;
  }

  /** An attempt that another call's end or a timer starts still belongs to its own caller. */
  #runLater(attempt: Attempt): PromiseLike<T> | T {
    const hasOwn = this.#options.deadline !== undefined;
    const limited = this.#parts.propagateDeadline || hasOwn || this.#context === NOBODY;
    return runIn(this.#context, limited ? this.deadline : undefined, () => this.#operation(attempt));
  }

  succeeded(attempt: Attempt, value: T): void {
    if (this.#current !== attempt) return this.#parts.bulkhead?.leave();
    const { classify } = this.#parts;
    if (classify?.result === undefined) return this.#succeed(attempt, value);
    const judged = judgeResult(classify, value, this.clock);
    if (!("outcome" in judged)) this.#fail(attempt, judged.judged, { error: judged.error });
    else if (judged.outcome === "success") this.#succeed(attempt, value);
    else this.#fail(attempt, judged, { value });
  }

  failed(attempt: Attempt, error: unknown): void {
    if (this.#current !== attempt) return this.#parts.bulkhead?.leave();
    const judged = judgeThrown(this.#parts.classify, error, this.clock);
    if ("outcome" in judged) this.#fail(attempt, judged, { error });
    else this.#fail(attempt, judged.judged, { error: judged.error });
  }

  #succeed(attempt: Attempt, value: T): void {
    this.#close();
    bookSuccess(this.#parts, attempt);
    this.#parts.bulkhead?.leave();
    if (this.#parts.unlookedResults > 0) this.#lookAtResult(value);
    forgetOlderRefusal(value, this.#refusalsBefore);
    this.#resolve(value);
  }

  #lookAtResult(value: T): void {
    this.#parts.unlookedResults--;
    if (!hasUnreadBody(value)) return;
    this.#parts.unlookedResults = 0;
    this.#parts.tell({ type: "unread-body", reason: UNREAD_BODY_REASON });
  }

  /**
   * The attempt ended without a plain success: records it, gives its slot back, and then continues.
   */
  #fail(attempt: Attempt, judged: Classification, failure: Failure<T>): void {
    this.#stopTimer();
    this.#current = undefined;
    const nowMs = this.clock.nowMs();
    if (judged.outcome === "never-sent" || judged.outcome === "local-shortage") this.#reached--;
    if (judged.retryAfterMs !== undefined) this.#parts.breaker?.noteRetryAfter(judged.retryAfterMs, nowMs);
    book(this.#parts, attempt, judged.outcome, nowMs, isSlow(this.#parts, attempt, nowMs));
    this.#parts.bulkhead?.leave();
    if (judged.outcome === "success" || judged.outcome === "ignored") this.#deliver(failure);
    else this.#afterFailure(nowMs, judged, failure);
  }

  /**
   * The attempt's timer has fired. Ends it if the timeout or the deadline, whichever is earlier,
   * has passed. The slot stays taken until the work settles.
   */
  expire(attempt: Attempt): void {
    const nowMs = this.clock.nowMs();
    const againMs = attempt.lookAgainMs(this.#parts, nowMs);
    if (againMs !== undefined) return this.#lookAgain(attempt, againMs, nowMs);
    this.#timer = this.#current = undefined;
    this.#context ??= attempt.context ?? NOBODY;
    const error = expiryOf(attempt, this.#parts, causeOf(this.#retry?.failure), nowMs);
    const timedOut = error instanceof AttemptTimeoutError;
    // If this process was paused, nothing counts as a failure.
    const slow = attempt.hadItsTime(this.#parts.timeoutMs, nowMs) && (timedOut || isSlow(this.#parts, attempt, nowMs));
    book(this.#parts, attempt, slow ? "failure" : "ignored", nowMs, slow);
    attempt.giveUp(error);
    if (timedOut) return this.#afterFailure(nowMs, FAILURE, { error });
    this.#deliver({ error });
  }

  #lookAgain(attempt: Attempt, atMs: number, nowMs: number): void {
    // A probe keeps its permit if this process was paused.
    if (attempt.stalls > 0) this.#parts.breaker?.machine.renewLease(attempt.permit, nowMs);
    this.#timer = this.clock.at(atMs, expire, attempt);
  }

  #afterFailure(nowMs: number, judged: Classification, failure: Failure<T>): void {
    if (this.#settled) return;
    const neverSent = judged.outcome === "never-sent" || judged.outcome === "local-shortage";
    this.#retry?.noteFailure(failure, neverSent && this.#reached > 0);
    this.#retry ??= new RetryPlan(this.#parts, failure);
    const retry = this.#retry;
    const delayMs = retry.next(this.#attempts, isRepeatable(this.#options), judged, this.deadline, nowMs);
    if (delayMs === GIVE_UP) return this.#deliver(retry.failure);
    if (delayMs === UNAFFORDABLE) return this.#refuseRetry(retry);
    this.#context ??= new AsyncResource("ResilientClient.call");
    this.#timer = this.clock.at(nowMs + delayMs, () => {
      this.#timer = undefined;
      this.#enter(this.clock.nowMs());
    });
    this.#parts.tell({ type: "retry", attempt: this.#attempts + 1, delayMs });
  }

  /**
   * The budget refused: the failure that asked for the retry is delivered, with the refusal written
   * on it.
   */
  #refuseRetry(retry: RetryPlan<T>): void {
    const refusal = retry.refusal();
    noteRetryRefusal(retry.failure, refusal);
    this.#parts.tell({ type: "retry-refused", attempt: this.#attempts + 1, reason: refusal.message, refusal });
    this.#deliver(retry.failure);
  }

  /** Nothing is sent (again). If there is a failure already, the caller gets that. */
  #refuse(refusal: Error | undefined): void {
    this.#deliver(this.#retry?.failure ?? { error: refusal });
  }

  #deliver(end: Failure<T>): void {
    if (this.#settled) return;
    this.#close();
    forgetOlderRefusal("value" in end ? end.value : end.error, this.#refusalsBefore);
    if ("value" in end) this.#resolve(end.value);
    else this.#reject(end.error);
  }

  /**
   * After this, nothing else can end this call. It leaves no timer, listener, charge or place in a
   * queue behind.
   */
  #close(): void {
    this.#settled = true;
    this.#current = undefined;
    this.#stopTimer();
    if (this.#waiter !== undefined) this.#parts.bulkhead?.slots.remove(this.#waiter);
    this.#retry?.refund();
    this.#options.signal?.removeEventListener("abort", this);
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
