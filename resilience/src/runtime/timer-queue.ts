/**
 * Many deadlines, one timer. A binary heap ordered by (instant, order of asking) whose entries know their place in it,
 * so that cancelling one is as cheap as adding one and leaves nothing behind. A call's timeout is added in O(1) in
 * practice (it is the latest so far, so it stays where it is put) and removed in O(log n); 100,000 calls in flight
 * cost one timer of the system instead of 100,000.
 */

import { invariant } from "../core/invariant.ts";

/** What a queued run knows: when, in which order it was asked for, and how to withdraw it. */
export class QueuedRun implements Disposable {
  readonly atMs: number;
  readonly #run: (subject: never) => void;
  readonly #subject: unknown;
  /** Tie-break: a lower number goes first. */
  readonly order: number;
  /** Position in the heap; -1 once it has run or was cancelled. */
  place: number;
  readonly #queue: TimerQueue;

  constructor(
    queue: TimerQueue,
    atMs: number,
    run: (subject: never) => void,
    subject: unknown,
    order: number,
    place: number,
  ) {
    this.#queue = queue;
    this.atMs = atMs;
    this.#run = run;
    this.#subject = subject;
    this.order = order;
    this.place = place;
  }

  run(): void {
    this.#run(this.#subject as never);
  }

  [Symbol.dispose](): void {
    this.#queue.cancel(this);
  }
}

export class TimerQueue {
  readonly #heap: QueuedRun[] = [];
  readonly #whenEmptied: (() => void) | undefined;
  #asked = 0;

  /** `whenEmptied` is told when cancelling has removed the last entry. */
  constructor(whenEmptied?: () => void) {
    this.#whenEmptied = whenEmptied;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Instant of the earliest entry; `Infinity` where there is none. */
  get nextAtMs(): number {
    const first = this.#heap[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.atMs;
  }

  /** Runs of one instant go by `order`, the lowest first; default: the order of asking. */
  add<Subject>(atMs: number, run: (subject: Subject) => void, subject: Subject, order?: number): QueuedRun {
    invariant(!Number.isNaN(atMs), "a timer is asked for at an instant");
    const entry = new QueuedRun(this, atMs, run, subject, order ?? this.#asked++, this.#heap.length);
    this.#heap.push(entry);
    this.#rise(entry);
    return entry;
  }

  cancel(entry: QueuedRun): void {
    const place = entry.place;
    if (place < 0) return;
    this.#removeAt(place);
    entry.place = -1;
    if (this.#heap.length === 0) this.#whenEmptied?.();
  }

  /** Takes the earliest entry out if it is due at `nowMs`. */
  takeDue(nowMs: number): QueuedRun | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.#removeAt(0);
    first.place = -1;
    return first;
  }

  #removeAt(place: number): void {
    const heap = this.#heap;
    const last = heap.pop() as QueuedRun;
    if (place === heap.length) return;
    heap[place] = last;
    last.place = place;
    this.#sink(last);
    this.#rise(last);
  }

  #rise(entry: QueuedRun): void {
    const heap = this.#heap;
    let place = entry.place;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as QueuedRun;
      if (before(parent, entry)) break;
      heap[place] = parent;
      parent.place = place;
      place = above;
    }
    heap[place] = entry;
    entry.place = place;
  }

  #sink(entry: QueuedRun): void {
    const heap = this.#heap;
    let place = entry.place;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1] as QueuedRun, heap[below] as QueuedRun)) below++;
      const child = heap[below] as QueuedRun;
      if (before(entry, child)) break;
      heap[place] = child;
      child.place = place;
      place = below;
    }
    heap[place] = entry;
    entry.place = place;
  }
}

function before(left: QueuedRun, right: QueuedRun): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
