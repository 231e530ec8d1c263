/**
 * The attempts that are out, by station, in no order. Each attempt knows its place, so adding and
 * removing cost almost nothing. A `Set` that is filled and emptied with every call spends more time
 * on its own table than the call takes.
 */
import type { Attempt } from "./call.ts";
import type { Station } from "./station.ts";

export class AttemptsOut {
  /** Indexed by station number. */
  readonly #at: Attempt[][];

  constructor(stations: number) {
    this.#at = Array.from({ length: stations }, () => []);
  }

  /** Makes room for the attempts at station number `number`. */
  admit(number: number): void {
    while (this.#at.length <= number) this.#at.push([]);
  }

  add(attempt: Attempt): void {
    const { station } = attempt;
    const attempts = this.at(station);
    attempt.place = attempts.length;
    station.inFlight = attempts.push(attempt);
  }

  remove(attempt: Attempt): void {
    const { place, station } = attempt;
    if (place < 0) return;
    attempt.place = -1;
    const attempts = this.at(station);
    const last = attempts.pop() as Attempt;
    station.inFlight = attempts.length;
    if (place === attempts.length) return;
    attempts[place] = last;
    last.place = place;
  }

  /** The attempts that are out at `station`. The array changes with every add and remove. */
  at(station: Station): Attempt[] {
    return this.#at[station.number] as Attempt[];
  }
}
