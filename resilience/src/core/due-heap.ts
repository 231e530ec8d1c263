/**
 * Entries that fall due at an instant, in order, so that one timer for the earliest entry is
 * enough. It is a binary heap whose entries know their own place: removing an entry needs no search
 * and leaves nothing behind, and no object is allocated for an entry. An entry that is later than
 * all others is added in O(1). Entries of the same instant fall due in the order of their numbers,
 * so that a run is repeatable.
 */

/** Something that can fall due. The heap owns `dueAtMs` and `duePlace`. */
export interface Due {
  /** Breaks ties: lower numbers first. Unique in a heap. */
  readonly id: number;
  /**
   * @internal When it falls due; only valid while it is in the heap.
   */
  dueAtMs: number;
  /**
   * @internal Its place in the heap; -1 while it is not in the heap.
   */
  duePlace: number;
}

const NEVER = Number.POSITIVE_INFINITY;

export class DueHeap<Entry extends Due> {
  readonly #heap: Entry[] = [];
  /** Kept outside the heap, because it is read far more often than it changes. */
  #nextMs: number = NEVER;

  get size(): number {
    return this.#heap.length;
  }

  /** When the first entry falls due; `Infinity` if there is none. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** The entry that falls due first; it stays in the heap. */
  get first(): Entry | undefined {
    return this.#heap[0];
  }

  /** Adds `entry`, which must not be in the heap, to fall due at `dueAtMs`. */
  add(entry: Entry, dueAtMs: number): void {
    entry.dueAtMs = dueAtMs;
    if (dueAtMs < this.#nextMs) this.#nextMs = dueAtMs;
    const place = this.#heap.length;
    if (place > 0) return this.#rise(entry, place);
    this.#heap.push(entry);
    entry.duePlace = 0;
  }

  /** Adds or moves `entry`, to fall due at `atMs`; `Infinity` removes it. */
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

  /** Removes and returns the first entry that is due at `nowMs`; undefined if there is none. */
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

  /** Moves `entry` up or down from `place`, which is free, to its right place. */
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
