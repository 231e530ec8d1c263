/**
 * Many deadlines, one timer: what is to run falls due through a heap, by (instant, order of
 * asking), so that cancelling one is as cheap as adding one. 100,000 calls in flight cost one timer
 * of the system instead of 100,000.
 */

import { type Due, DueHeap } from "../../core/due-heap.ts";
import { invariant } from "../../core/invariant.ts";

/** What a queued run knows: when, in which order it was asked for, and how to withdraw it. */
export class QueuedRun implements Disposable, Due {
  readonly id: number = 0;
  // As with calls, which share the heap's code: a field that is undefined first is no plain number
  // to V8.
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

  /** `whenEmptied` is told when cancelling has removed the last entry. */
  constructor(whenEmptied?: () => void) {
    this.#whenEmptied = whenEmptied;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** Instant of the earliest entry; `Infinity` where there is none. */
  get nextAtMs(): number {
    return this.#heap.nextMs;
  }

  /** Runs of one instant go by `order`, the lowest first; default: the order of asking. */
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

  /** Takes the earliest entry out if it is due at `nowMs`. */
  takeDue(nowMs: number): QueuedRun | undefined {
    return this.#heap.takeDue(nowMs);
  }
}
