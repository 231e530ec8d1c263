/**
 * A binary heap whose entries can be removed from the middle: it knows the place of each. Adding
 * and removing take O(log n), reading the first O(1). It keeps each entry at most once. An entry's
 * order must not change while it is in the heap.
 */
export class IndexedHeap<Entry> {
  readonly #isBefore: (one: Entry, other: Entry) => boolean;
  readonly #heap: Entry[] = [];
  readonly #places: Map<Entry, number> = new Map();

  constructor(isBefore: (one: Entry, other: Entry) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The first entry; it stays in the heap. */
  get first(): Entry | undefined {
    return this.#heap[0];
  }

  has(entry: Entry): boolean {
    return this.#places.has(entry);
  }

  add(entry: Entry): void {
    if (this.has(entry)) return;
    this.#heap.push(entry);
    this.#places.set(entry, this.#heap.length - 1);
    this.#rise(this.#heap.length - 1);
  }

  /** Removes `entry`; false if it is not in the heap. */
  remove(entry: Entry): boolean {
    const place = this.#places.get(entry);
    if (place === undefined) return false;
    this.#places.delete(entry);
    const last = this.#heap.pop() as Entry;
    if (last !== entry) {
      this.#put(last, place);
      this.#rise(place);
      this.#sink(this.#places.get(last) as number);
    }
    return true;
  }

  #put(entry: Entry, place: number): void {
    this.#heap[place] = entry;
    this.#places.set(entry, place);
  }

  #rise(from: number): void {
    let place = from;
    const entry = this.#heap[place] as Entry;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent] as Entry;
      if (!this.#isBefore(entry, above)) break;
      this.#put(above, place);
      place = parent;
    }
    this.#put(entry, place);
  }

  #sink(from: number): void {
    let place = from;
    const entry = this.#heap[place] as Entry;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= this.#heap.length) break;
      const right = left + 1;
      const isRightFirst =
        right < this.#heap.length && this.#isBefore(this.#heap[right] as Entry, this.#heap[left] as Entry);
      const child = isRightFirst ? right : left;
      const below = this.#heap[child] as Entry;
      if (!this.#isBefore(below, entry)) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(entry, place);
  }
}
