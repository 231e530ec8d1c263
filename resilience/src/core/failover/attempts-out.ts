/**
 * The attempts that are out at a station, in no order. Each knows its place, so that adding and removing one costs
 * nothing: a `Set` that is filled and emptied with every call spends more time on its own table than the call takes.
 */

/** Something with a place in the list; -1 while it is not in one. */
interface Placed {
  place: number;
}

export class AttemptsOut<Attempt extends Placed> implements Iterable<Attempt> {
  readonly #attempts: Attempt[] = [];

  get size(): number {
    return this.#attempts.length;
  }

  add(attempt: Attempt): void {
    attempt.place = this.#attempts.length;
    this.#attempts.push(attempt);
  }

  remove(attempt: Attempt): void {
    const { place } = attempt;
    if (place < 0) return;
    attempt.place = -1;
    const last = this.#attempts.pop() as Attempt;
    if (place === this.#attempts.length) return;
    this.#attempts[place] = last;
    last.place = place;
  }

  [Symbol.iterator](): IterableIterator<Attempt> {
    return this.#attempts[Symbol.iterator]();
  }
}
