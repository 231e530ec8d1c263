/**
 * Things that fall due at an instant, in order: one timer is set for the earliest of them. A binary
 * heap whose entries know their own place, so that taking one out needs no search and leaves
 * nothing behind, and no object is made for an entry. The latest so far stays where it is put, in
 * O(1). Entries of the same instant fall due in the order of their numbers, which keeps a run
 * repeatable.
 */

/** Something that can fall due. The two fields in the middle belong to the heap. */
export interface Due {
  /** Breaks ties: lower numbers first. Unique in a heap. */
  readonly id: number;
  /** @internal When it falls due; only meaningful while it is in the heap. */
  dueAtMs: number;
  /** @internal Its place in the heap; -1 while it is not in it. */
  duePlace: number;
}

const NEVER = Number.POSITIVE_INFINITY;

export class DueHeap<Entry extends Due> {
  readonly #heap: Entry[] = [];
  /** Kept beside the heap, because it is read far more often than it changes. */
  #nextMs: number = NEVER;

  get size(): number {
    return this.#heap.length;
  }

  /** When the first entry falls due; `Infinity` where there is none. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** The entry that falls due first; it stays in the heap. */
  get first(): Entry | undefined {
    return this.#heap[0];
  }

  /** Puts in `entry`, which is not in the heap, to fall due at `dueAtMs`. */
  add(entry: Entry, dueAtMs: number): void {
    entry.dueAtMs = dueAtMs;
    if (dueAtMs < this.#nextMs) this.#nextMs = dueAtMs;
    const place = this.#heap.length;
    if (place > 0) return this.#rise(entry, place);
    this.#heap.push(entry);
    entry.duePlace = 0;
  }

  /** Puts `entry` in, or moves it, to fall due at `atMs`; `Infinity` takes it out. */
  set(entry: Entry, atMs: number): void {
    if (entry.duePlace >= 0) this.#move(entry, atMs);
    else if (atMs < NEVER) this.add(entry, atMs);
  }

  #move(entry: Entry, atMs: number): void {
    if (atMs === NEVER) return this.remove(entry);
    entry.dueAtMs = atMs;
    this.#settle(entry, entry.duePlace);
  }

  remove(entry: Entry): void {
    const place = entry.duePlace;
    if (place < 0) return;
    entry.duePlace = -1;
    const last = this.#heap.pop() as Entry;
    if (place < this.#heap.length) this.#settle(last, place);
    else if (place === 0) this.#nextMs = NEVER;
  }

  /** Takes out the first entry that is due at `nowMs`; undefined where none is. */
  takeDue(nowMs: number): Entry | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueAtMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  /** Every entry, in no order. */
  entries(): readonly Entry[] {
    return this.#heap;
  }

  /** Puts `entry` where it belongs, up or down from `place`, which is free for it. */
  #settle(entry: Entry, place: number): void {
    this.#sink(entry, place);
    this.#rise(entry, entry.duePlace);
    this.#nextMs = (this.#heap[0] as Entry).dueAtMs;
  }

  #rise(entry: Entry, from: number): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Entry;
      if (before(parent, entry)) break;
      heap[place] = parent;
      parent.duePlace = place;
      place = above;
    }
    heap[place] = entry;
    entry.duePlace = place;
  }

  #sink(entry: Entry, from: number): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1] as Entry, heap[below] as Entry)) below++;
      const child = heap[below] as Entry;
      if (before(entry, child)) break;
      heap[place] = child;
      child.duePlace = place;
      place = below;
    }
    heap[place] = entry;
    entry.duePlace = place;
  }
}

function before(one: Due, other: Due): boolean {
  return one.dueAtMs < other.dueAtMs || (one.dueAtMs === other.dueAtMs && one.id < other.id);
}
