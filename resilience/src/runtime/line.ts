/**
 * A line of people: first come, first served, and anybody may leave it early. Adding, leaving and asking who is first
 * are O(1) on average. A bare `Set` is not: asking it for its first element after many have left walks over the places
 * of all who left, which made draining 100,000 waiting calls quadratic; one iterator that lives on does not look back.
 */
export class Line<T extends object> {
  readonly #members: Set<T> = new Set();
  #iterator: SetIterator<T> = this.#members.values();
  #first: T | undefined = undefined;

  get size(): number {
    return this.#members.size;
  }

  /** Who is next; stays in the line. */
  get first(): T | undefined {
    while (this.#first === undefined && this.#members.size > 0) {
      const { value, done } = this.#iterator.next();
      // An iterator that has come to its end sees nobody who comes later.
      if (done === true) this.#iterator = this.#members.values();
      else this.#first = value;
    }
    return this.#first;
  }

  add(member: T): void {
    this.#members.add(member);
  }

  has(member: T): boolean {
    return this.#members.has(member);
  }

  leave(member: T): void {
    this.#members.delete(member);
    if (this.#first === member) this.#first = undefined;
  }

  /** The first for whom `wanted` holds, looked for from the front: O(n). */
  find(wanted: (member: T) => boolean): T | undefined {
    for (const member of this.#members) if (wanted(member)) return member;
    return undefined;
  }

  /** The one with the highest `score`, the first of equals; nobody whose score is -Infinity: O(n). */
  best(score: (member: T) => number): T | undefined {
    let found: T | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    for (const member of this.#members) {
      const scored = score(member);
      if (scored <= highest) continue;
      highest = scored;
      found = member;
    }
    return found;
  }

  /** Everybody, in order; the line is empty afterwards. */
  takeAll(): T[] {
    const all = [...this.#members];
    this.#members.clear();
    this.#first = undefined;
    return all;
  }
}
