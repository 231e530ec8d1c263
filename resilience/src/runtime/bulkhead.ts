/**
 * The bulkhead: a bounded number of calls at once, a bounded queue of callers who wait a bounded time. One saturated
 * downstream then costs its own callers their wait and nobody else anything. A slot is held until the work has really
 * settled, also when its caller has stopped waiting: a limit of two that runs ten after timeouts limits nothing.
 *
 * Name and idea: Nygard, Release It!, ch. 5 ("Bulkheads").
 */

import type { Deadline } from "../core/deadline.ts";
import { NO_DEADLINE } from "../core/deadline.ts";
import { BulkheadFullError, BulkheadTimeoutError, CallAbortedError, DeadlineExceededError } from "../core/errors.ts";
import { COUNT, checked, WAIT_MS } from "../core/options.ts";
import { Slots, Waiter } from "../core/slots.ts";
import type { Clock } from "./clock.ts";
import { systemClock } from "./system-clock.ts";

export interface BulkheadOptions {
  /** How many operations may run at once; at least 1. */
  readonly maxConcurrent: number;
  /** How long a caller may wait for a slot; 0: not at all. Default 0: shedding at once is the honest default. */
  readonly acquireTimeoutMs?: number;
  /** How many callers may wait. Default: as many as may run, or 0 where nobody may wait. */
  readonly maxQueue?: number;
  /** Appears in errors. Default "bulkhead". */
  readonly name?: string;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
}

export interface BulkheadCallOptions {
  /** Aborting takes effect at once: in the queue the caller leaves it; later `operation` is given this signal to heed. */
  readonly signal?: AbortSignal;
  /** Higher goes first. Default 0. */
  readonly priority?: number;
  /** The wait for a slot never passes this instant. Default none. */
  readonly deadline?: Deadline;
}

export class Bulkhead {
  readonly name: string;
  readonly acquireTimeoutMs: number;
  readonly clock: Clock;
  /** The admission machine. Public for those who compose bulkheads, as the client does; use {@link execute} otherwise. */
  readonly slots: Slots;

  constructor(options: BulkheadOptions) {
    this.name = options.name ?? "bulkhead";
    this.clock = options.clock ?? systemClock;
    const maxConcurrent = checked("Bulkhead", "maxConcurrent", options.maxConcurrent, COUNT);
    this.acquireTimeoutMs = checked("Bulkhead", "acquireTimeoutMs", options.acquireTimeoutMs ?? 0, WAIT_MS);
    const mayWait = this.acquireTimeoutMs > 0 ? maxConcurrent : 0;
    const maxQueue = checked("Bulkhead", "maxQueue", options.maxQueue ?? mayWait, { ...COUNT, min: 0 });
    this.slots = new Slots(maxConcurrent, this.acquireTimeoutMs > 0 ? maxQueue : 0);
  }

  get running(): number {
    return this.slots.running;
  }

  get waiting(): number {
    return this.slots.waiting;
  }

  /** Gives a slot back; if somebody waits, it is theirs before this returns. */
  leave(): void {
    this.slots.giveBack()?.granted();
  }

  /**
   * Runs `operation` in a slot. Rejects with {@link BulkheadFullError} where the queue is at its bound,
   * {@link BulkheadTimeoutError} where no slot came free in time, {@link CallAbortedError} on an abort while waiting,
   * {@link DeadlineExceededError} where the deadline passed while waiting.
   */
  execute<T>(operation: (signal?: AbortSignal) => PromiseLike<T> | T, options?: BulkheadCallOptions): Promise<T> {
    const signal = options?.signal;
    if (signal?.aborted === true) return Promise.reject(new CallAbortedError(signal.reason));
    if (this.slots.tryTake()) return this.#run(operation, signal);
    return new Promise<void>((resolve, reject) => {
      const waiter = new QueuedCaller(this, options ?? {}, resolve, reject);
      waiter.join();
    }).then(() => this.#run(operation, signal));
  }

  /** The slot comes back when the work settles; the caller of an aborted signal does not wait for that. */
  #run<T>(operation: (signal?: AbortSignal) => PromiseLike<T> | T, signal: AbortSignal | undefined): Promise<T> {
    const work = this.#settle(operation, signal);
    if (signal === undefined) return work;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new CallAbortedError(signal.reason));
      const done = (): void => signal.removeEventListener("abort", abort);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      work.then(resolve, reject).then(done);
    });
  }

  async #settle<T>(
    operation: (signal?: AbortSignal) => PromiseLike<T> | T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      return await operation(signal);
    } finally {
      this.leave();
    }
  }

  /** The refusal for a full queue, with its numbers. */
  fullError(): BulkheadFullError {
    const { maxConcurrent, maxQueue } = this.slots;
    return new BulkheadFullError(
      `${this.name} is full: ${maxConcurrent} running, ${this.slots.waiting} of at most ${maxQueue} waiting`,
    );
  }

  /** The refusal for a wait that took too long, with its numbers. */
  timeoutError(): BulkheadTimeoutError {
    return new BulkheadTimeoutError(
      `${this.name}: no slot came free within ${this.acquireTimeoutMs} ms (${this.slots.maxConcurrent} running)`,
    );
  }
}

/** A caller of {@link Bulkhead.execute} that has to wait. */
class QueuedCaller extends Waiter {
  readonly #bulkhead: Bulkhead;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: Deadline;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #timer: Disposable | undefined;
  readonly #abort = (): void => this.#leaveWith(new CallAbortedError(this.#signal?.reason));

  constructor(bulkhead: Bulkhead, options: BulkheadCallOptions, resolve: () => void, reject: (error: Error) => void) {
    super(options.priority ?? 0);
    this.#bulkhead = bulkhead;
    this.#signal = options.signal;
    this.#deadline = options.deadline ?? NO_DEADLINE;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  join(): void {
    const { clock, slots, acquireTimeoutMs } = this.#bulkhead;
    const nowMs = clock.nowMs();
    if (this.#deadline <= nowMs) {
      this.#reject(new DeadlineExceededError("the deadline had passed before a slot was asked for"));
    } else if (!slots.enqueue(this)) {
      this.#reject(this.#bulkhead.fullError());
    } else {
      const latestMs = Math.min(nowMs + acquireTimeoutMs, this.#deadline);
      if (latestMs < Number.POSITIVE_INFINITY) this.#timer = clock.at(latestMs, () => this.#giveUp());
      this.#signal?.addEventListener("abort", this.#abort, { once: true });
    }
  }

  override granted(): void {
    this.#stopWaiting();
    this.#resolve();
  }

  #giveUp(): void {
    const late = this.#deadline <= this.#bulkhead.clock.nowMs();
    this.#leaveWith(
      late ? new DeadlineExceededError("the deadline passed while waiting for a slot") : this.#bulkhead.timeoutError(),
    );
  }

  #leaveWith(error: Error): void {
    if (!this.#bulkhead.slots.remove(this)) return;
    this.#stopWaiting();
    this.#reject(error);
  }

  #stopWaiting(): void {
    this.#timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}
