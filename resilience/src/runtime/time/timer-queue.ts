/**
 * Many instants, one timer: runs fall due through a heap, by (instant, order of requests), so that
 * cancelling one is as cheap as adding one. 100,000 calls in flight cost one system timer instead
 * of 100,000.
 */

import { type Due, DueHeap } from "../../core/due-heap.ts";
import { invariant } from "../../core/invariant.ts";

/** A queued run: its instant, its order among requests, and how to cancel it. */
export class QueuedRun implements Disposable, Due {
  readonly id: number = 0;
  // As with calls, which share the heap's code: V8 does not treat a field that was undefined first
  // as a plain number.
  dueAtMs = 0;
  duePlace = -1;
  readonly #run: (subject: never) => void;
  readonly #subject: unknown;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, atMs: number, run: (subject: never) => void, subject: unknown, order: number) {
    this.id = order;
    this.dueAtMs = atMs;
    this.#queue = queue;
    this.#run = run;
    this.#subject = subject;
  }

  run(): void {
    this.#run(this.#subject as never);
  }

  [Symbol.dispose](): void {
    this.#queue.cancel(this);
  }
}

export class TimerQueue {
  readonly #heap: DueHeap<QueuedRun> = new DueHeap();
  readonly #whenEmptied: (() => void) | undefined;
  #asked = 0;

  /** `whenEmptied`: called when cancelling has removed the last entry. */
  constructor(whenEmptied?: () => void) {
    this.#whenEmptied = whenEmptied;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** Instant of the earliest entry; `Infinity` if there is none. */
  get nextAtMs(): number {
    return this.#heap.nextMs;
  }

  /** Runs of one instant go by `order`, the lowest first; default: the order of requests. */
  add<Subject>(atMs: number, run: (subject: Subject) => void, subject: Subject, order?: number): QueuedRun {
    invariant(!Number.isNaN(atMs), "a timer is asked for at an instant");
    const entry = new QueuedRun(this, atMs, run, subject, order ?? this.#asked++);
    this.#heap.add(entry, atMs);
    return entry;
  }

  cancel(entry: QueuedRun): void {
    if (entry.duePlace < 0) return;
    this.#heap.remove(entry);
    if (this.#heap.size === 0) this.#whenEmptied?.();
  }

  /** Removes and returns the earliest entry if it is due at `nowMs`. */
  takeDue(nowMs: number): QueuedRun | undefined {
    return this.#heap.takeDue(nowMs);
  }
}
