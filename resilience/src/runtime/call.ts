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
import { AsyncResource } from "node:async_hooks";
import { REFUSED } from "../core/breaker.ts";
import type { Deadline } from "../core/deadline.ts";
import { NO_DEADLINE } from "../core/deadline.ts";
import { AttemptTimeoutError, CallAbortedError, DeadlineExceededError, LocalRejection } from "../core/errors.ts";
import type { Judgement, Outcome } from "../core/outcome.ts";
import { judgeError, judgementOf } from "../core/outcome.ts";
import { Waiter } from "../core/slots.ts";
import { runUnder } from "./ambient-deadline.ts";
import type { AttemptContext, AttemptOwner } from "./attempt.ts";
import { Attempt } from "./attempt.ts";
import type { AttemptListener, ClientParts } from "./client.ts";
import type { Clock } from "./clock.ts";
import { guarded } from "./listeners.ts";
import type { Failure } from "./retry-plan.ts";
import { GIVE_UP, RetryPlan, UNAFFORDABLE } from "./retry-plan.ts";

/** Work to be guarded. It may be called several times (see {@link CallOptions.idempotent}), each with its own context. */
export type Operation<T> = (context: AttemptContext) => PromiseLike<T> | T;

export interface CallOptions {
  /** The caller's abort: ends any wait within a tick and rejects with `CallAbortedError`. */
  readonly signal?: AbortSignal;
  /** When the caller stops waiting, an instant on the client's clock (`deadlineAfter(ms)`). Default: the client's `deadlineMs` from now. */
  readonly deadline?: Deadline;
  /** Names this command, so that the service executes it once however often it arrives: makes retries safe. Empty is none. */
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

/** Where later attempts of this call run: in their caller's async context, or, where that was not kept, in nobody's. */
type Context = AsyncResource | "lost" | undefined;

export class Call<T> implements AttemptOwner {
  readonly #parts: ClientParts<T>;
  readonly #operation: Operation<T>;
  readonly #options: CallOptions;
  readonly #sink: CallSink<T>;
  readonly deadline: Deadline;
  /** How the last attempt ended; undefined before that. */
  outcome: Outcome | undefined = undefined;
  #attempts = 0;
  #current: Attempt | undefined = undefined;
  #timer: Disposable | undefined = undefined;
  #waiter: QueuedCall | undefined = undefined;
  #retry: RetryPlan<T> | undefined = undefined;
  #context: Context = undefined;
  /** Attempts that may have reached the service. */
  #reached = 0;
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
    if (charged) this.#retry = new RetryPlan(parts, true);
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

  /** Has an attempt gone out that may have reached the service? */
  get sent(): boolean {
    return this.#reached > 0;
  }

  start(nowMs: number): void {
    const signal = this.#options.signal;
    if (signal !== undefined) {
      if (signal.aborted) return this.#reject(new CallAbortedError(signal.reason));
      signal.addEventListener("abort", this);
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
    this.#close();
    this.#leaveQueue();
    if (attempt !== undefined) {
      this.#parts.breaker?.release(attempt.permit, this.clock.nowMs());
      attempt.giveUp(error);
    }
    this.#sink.reject(error);
  }

  // ── a slot ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #enter(nowMs: number): void {
    const { breaker, bulkhead } = this.#parts;
    if (this.#isLate(nowMs)) return this.#refuse(this.#lateError(nowMs));
    if (breaker?.peek(nowMs) === false) return this.#refuse(breaker.refusal(nowMs));
    if (bulkhead === undefined || bulkhead.slots.tryTake()) return this.#send(nowMs);
    const waiter = new QueuedCall(this, this.#options.priority ?? 0);
    if (!bulkhead.slots.enqueue(waiter)) return this.#refuse(bulkhead.fullError());
    this.#waiter = waiter;
    this.#context ??= new AsyncResource("ResilientClient.call");
    const latestMs = Math.min(nowMs + bulkhead.acquireTimeoutMs, this.deadline);
    if (latestMs < NO_DEADLINE) this.#timer = this.clock.at(latestMs, () => this.#giveUpWaiting());
  }

  /** The slot this call waited for is its own from now on. */
  granted(): void {
    this.#waiter = undefined;
    this.#stopTimer();
    const nowMs = this.clock.nowMs();
    if (!this.#isLate(nowMs)) return this.#send(nowMs);
    this.#parts.bulkhead?.leave();
    this.#refuse(this.#lateError(nowMs));
  }

  #giveUpWaiting(): void {
    this.#timer = undefined;
    this.#leaveQueue();
    const { bulkhead } = this.#parts;
    const nowMs = this.clock.nowMs();
    this.#refuse(
      bulkhead === undefined || nowMs >= this.deadline ? this.#lateError(nowMs) : bulkhead.timeoutError(nowMs),
    );
  }

  #leaveQueue(): void {
    if (this.#waiter !== undefined) this.#parts.bulkhead?.slots.remove(this.#waiter);
    this.#waiter = undefined;
  }

  /** An attempt that could not finish is not started (rule R4). */
  #isLate(nowMs: number): boolean {
    return this.deadline - nowMs <= this.#parts.minimumTimeLeftMs;
  }

  #lateError(nowMs: number): DeadlineExceededError {
    const leftMs = Math.max(0, this.deadline - nowMs);
    const { name, minimumTimeLeftMs } = this.#parts;
    return new DeadlineExceededError(
      `${name}: the deadline leaves ${leftMs} ms (at least ${minimumTimeLeftMs} needed); not started`,
    );
  }

  // ── an attempt ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Holds a slot. Takes the permit, charges the budget and sends, with nothing in between that could wait. */
  #send(nowMs: number): void {
    const { breaker, budget, bulkhead, timeoutMs } = this.#parts;
    const permit = breaker === undefined ? REFUSED : breaker.tryAcquire(nowMs);
    const refused = breaker !== undefined && permit === REFUSED;
    // A listener of the breaker may have ended this call in that step.
    if (refused || this.#settled) {
      breaker?.release(permit, nowMs);
      bulkhead?.leave();
      return refused ? this.#refuse(breaker.refusal(nowMs)) : undefined;
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
    const endMs = Math.min(nowMs + timeoutMs, this.deadline);
    if (endMs < NO_DEADLINE) this.#timer = this.clock.at(endMs, expire, attempt);
    this.#invoke(attempt).then(
      (value) => this.succeeded(attempt, value),
      (error) => this.failed(attempt, error),
    );
  }

  /** Whatever the operation does (return a value, throw, return somebody's thenable), its end comes in a later microtask. */
  #invoke(attempt: Attempt): Promise<T> {
    try {
      const plain = this.#context === undefined && !this.#parts.propagateDeadline;
      const pending = plain ? this.#operation(attempt) : this.#runIn(this.#context, attempt);
      return pending instanceof Promise ? pending : Promise.resolve(pending);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Started by another call's end or by a timer, an attempt still belongs to its own caller. */
  #runIn(context: Context, attempt: Attempt): PromiseLike<T> | T {
    const run = (): PromiseLike<T> | T => this.#operation(attempt);
    const runLimited = this.#parts.propagateDeadline || context === "lost" ? () => runUnder(this.deadline, run) : run;
    return context instanceof AsyncResource ? context.runInAsyncScope(runLimited) : runLimited();
  }

  succeeded(attempt: Attempt, value: T): void {
    if (this.#current !== attempt) return this.#parts.bulkhead?.leave();
    const classify = this.#parts.classify;
    if (classify?.result === undefined) return this.#succeed(attempt, value);
    let judged: Judgement;
    try {
      judged = judgementOf(classify.result(value) ?? "success");
    } catch (error) {
      return this.#fail(attempt, FAILURE, { error });
    }
    if (judged.outcome === "success") this.#succeed(attempt, value);
    else this.#fail(attempt, judged, { value });
  }

  /** What we refused ourselves is never the service's failure, whatever a classifier says (rule B5). */
  failed(attempt: Attempt, error: unknown): void {
    if (this.#current !== attempt) return this.#parts.bulkhead?.leave();
    let judged: Judgement;
    try {
      const said = error instanceof LocalRejection ? "ignored" : this.#parts.classify?.error?.(error);
      judged = judgementOf(said ?? judgeError(error));
    } catch {
      judged = FAILURE;
    }
    this.#fail(attempt, judged, { error });
  }

  #succeed(attempt: Attempt, value: T): void {
    this.#close();
    const { breaker, bulkhead, onAttempt } = this.#parts;
    this.outcome = "success";
    let endedMs = attempt.startedMs;
    if (breaker !== undefined) {
      // Reading the clock costs as much as the await. A success needs its instant only where its duration matters or
      // where a probe's lease does; elsewhere the instant of its start will do, which the window puts in its newest slice.
      const timed = breaker.timesCalls || (bulkhead !== undefined && bulkhead.starvedAtMs >= attempt.startedMs);
      if (timed) endedMs = this.clock.nowMs();
      breaker.noteSuccess(attempt.permit, endedMs, timed && this.#isSlow(attempt.startedMs, endedMs));
    }
    if (onAttempt !== undefined) report(onAttempt, "success", attempt.startedMs, endedMs);
    bulkhead?.leave();
    this.#sink.resolve(value);
  }

  /** It ended, and not with a plain success: booked, its slot given back, and then whatever follows from it. */
  #fail(attempt: Attempt, judged: Judgement, failure: Failure<T>): void {
    this.#stopTimer();
    this.#current = undefined;
    const nowMs = this.clock.nowMs();
    if (judged.outcome === "never-sent") this.#reached--;
    this.#note(attempt, judged.outcome, nowMs, this.#isSlow(attempt.startedMs, nowMs));
    this.#parts.bulkhead?.leave();
    if (judged.outcome === "failure" || judged.outcome === "never-sent") this.#afterFailure(nowMs, judged, failure);
    else this.#deliver(failure);
  }

  /** The timeout or the deadline, whichever is earlier. The slot stays taken until the work settles. */
  expire(attempt: Attempt): void {
    this.#timer = undefined;
    this.#current = undefined;
    this.#context ??= attempt.context ?? "lost";
    const { name, timeoutMs } = this.#parts;
    const nowMs = this.clock.nowMs();
    // The same sum as when it was sent, and not the time it took: rounding must not make a deadline of a timeout.
    if (attempt.startedMs + timeoutMs <= this.deadline) {
      const error = new AttemptTimeoutError(`${name}: attempt ${attempt.attempt} took longer than ${timeoutMs} ms`);
      this.#note(attempt, "failure", nowMs, true);
      attempt.giveUp(error);
      this.#afterFailure(nowMs, FAILURE, { error });
    } else {
      const slow = this.#isSlow(attempt.startedMs, nowMs);
      const error = new DeadlineExceededError(
        `${name}: the deadline passed ${nowMs - attempt.startedMs} ms into attempt ${attempt.attempt}`,
        this.#retry?.failure !== undefined && "error" in this.#retry.failure
          ? { cause: this.#retry.failure.error }
          : {},
      );
      this.#note(attempt, slow ? "failure" : "ignored", nowMs, slow);
      attempt.giveUp(error);
      this.#reject(error);
    }
  }

  /** Books how an attempt ended. Listeners run in this, and may end the call. */
  #note(attempt: Attempt, outcome: Outcome, nowMs: number, slow: boolean): void {
    const { breaker, onAttempt } = this.#parts;
    this.outcome = outcome;
    if (outcome === "success") breaker?.noteSuccess(attempt.permit, nowMs, slow);
    else if (outcome === "ignored") breaker?.release(attempt.permit, nowMs);
    else breaker?.noteFailure(attempt.permit, nowMs, slow);
    if (onAttempt !== undefined) report(onAttempt, outcome, attempt.startedMs, nowMs);
  }

  /** Slow for the breaker: by its own limit, or by starving those who wait for a slot (see `ClientOptions.breaker`). */
  #isSlow(startedMs: number, nowMs: number): boolean {
    const { slowMs, starvedMs, bulkhead } = this.#parts;
    const tookMs = nowMs - startedMs;
    return tookMs > slowMs || (tookMs > starvedMs && bulkhead !== undefined && bulkhead.starvedAtMs >= startedMs);
  }

  // ── a retry ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #afterFailure(nowMs: number, judged: Judgement, failure: Failure<T>): void {
    if (this.#settled) return;
    this.#retry ??= new RetryPlan(this.#parts, false);
    const retry = this.#retry;
    retry.failure = failure;
    const repeatable = this.#options.idempotent === true || (this.#options.idempotencyKey ?? "") !== "";
    const delayMs = retry.next(this.#attempts, repeatable, judged, this.deadline, nowMs);
    if (delayMs === GIVE_UP) return this.#deliver(failure);
    if (delayMs === UNAFFORDABLE) return this.#refuseRetry(retry);
    this.#context ??= new AsyncResource("ResilientClient.call");
    this.#timer = this.clock.at(nowMs + delayMs, () => {
      this.#timer = undefined;
      this.#enter(this.clock.nowMs());
    });
    this.#parts.tell({ type: "retry", attempt: this.#attempts + 1, delayMs });
  }

  /** The budget said no: the failure that asked for the retry stands, and says so. */
  #refuseRetry(retry: RetryPlan<T>): void {
    const refusal = retry.refusal();
    this.#parts.tell({ type: "retry-refused", attempt: this.#attempts + 1, reason: refusal.message });
    if (retry.failure !== undefined && "value" in retry.failure) this.#resolve(retry.failure.value);
    else this.#reject(refusal);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** We refuse to send (again). Where a failure is already in hand, that is what the caller should see. */
  #refuse(refusal: Error): void {
    const failure = this.#retry?.failure;
    if (failure === undefined) this.#reject(refusal);
    else this.#deliver(failure);
  }

  #deliver(end: Failure<T>): void {
    if ("value" in end) this.#resolve(end.value);
    else this.#reject(end.error);
  }

  #resolve(value: T): void {
    if (this.#settled) return;
    this.#close();
    this.#sink.resolve(value);
  }

  #reject(error: unknown): void {
    if (this.#settled) return;
    this.#close();
    this.#sink.reject(error);
  }

  /** From here on nothing can end this call another way; it leaves no timer, no listener and no charge behind. */
  #close(): void {
    this.#settled = true;
    this.#current = undefined;
    this.#stopTimer();
    this.#retry?.refund();
    this.#options.signal?.removeEventListener("abort", this);
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

function report(onAttempt: AttemptListener, outcome: Outcome, startedMs: number, endedMs: number): void {
  guarded(() => onAttempt(outcome, startedMs, endedMs));
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
