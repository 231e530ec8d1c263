/**
 * Is it an accident that several in a row went wrong? Some calls are always out for unusually long,
 * and some callers always leave before their answer comes: where service times vary much, or
 * patience is about as long as they are, every second one. So it is learned how often that happens
 * while stations are well (`UsualShare`, one for all stations: one that has served nothing yet has
 * nothing of its own): how often one goes wrong after another went well, and how often the next one
 * does as well, because calls that are out at the same time are late together. The chance of a row
 * follows from both.
 *
 * What went wrong is known to have been an accident when the next one goes well. However long a row
 * was, it counts as one that went on: an outage is no rule.
 */

/** As if so many had been seen before the first, of which this share went wrong. */
const PRIOR = { share: 0.005, first: 20, next: 6 };
/** Shares are the means of about so many. */
const MEMORY = { first: 512, next: 64 };
/** Less than this is none at all, and costs nothing to keep. */
const LEAST_SHARE = 0.001;

class Share {
  value: number = PRIOR.share;
  #seen: number;
  readonly #memory: number;

  constructor(seen: number, memory: number) {
    this.#seen = seen;
    this.#memory = memory;
  }

  add(isWrong: boolean): void {
    if (this.#seen < this.#memory) this.#seen++;
    this.value += ((isWrong ? 1 : 0) - this.value) / this.#seen;
  }
}

/** How many calls usually go wrong while stations are well, learned from all of a group. */
export class UsualShare {
  readonly #first: Share = new Share(PRIOR.first, MEMORY.first);
  readonly #next: Share = new Share(PRIOR.next, MEMORY.next);

  /** Does nothing ever go wrong? */
  get isNone(): boolean {
    return this.#first.value === 0;
  }

  /** The chance that so many in a row go wrong while stations are well, from 0 to 1. */
  chance(inRow: number): number {
    if (inRow === 0) return 1;
    const first = this.#first.value;
    const next = this.#next.value;
    // Where few rows were seen, none may have gone on by chance: after one that went wrong the next
    // does no more rarely.
    return first * (next > first ? next : first) ** (inRow - 1);
  }

  /** So many went wrong in a row, and then one went well. */
  learn(inRow: number): void {
    this.#first.add(inRow > 0);
    if (inRow > 0) this.#next.add(inRow > 1);
    if (this.#first.value < LEAST_SHARE) this.#first.value = 0;
  }
}

/** The rows of one station. */
export class Accidents {
  readonly #usual: UsualShare;
  #inRow = 0;

  constructor(usual: UsualShare = new UsualShare()) {
    this.#usual = usual;
  }

  /** How many in a row have gone wrong. */
  get inRow(): number {
    return this.#inRow;
  }

  /** The chance that as many in a row go wrong by accident, and `more` besides; from 0 to 1. */
  chance(more = 0): number {
    return this.#usual.chance(this.#inRow + more);
  }

  /** One more went wrong. */
  note(): void {
    this.#inRow++;
  }

  /** One went well. */
  noteWell(): void {
    if (this.#inRow === 0 && this.#usual.isNone) return;
    this.#usual.learn(this.#inRow);
    this.forget();
  }

  /** It is not known how the row would have ended: it counts no more. */
  forget(): void {
    this.#inRow = 0;
  }
}
