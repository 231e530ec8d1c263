/**
 * Decides whether several bad results in a row are chance. Some calls always take unusually long,
 * and some callers always hang up before their answer comes. If service times vary much, or
 * patience is about as long as they are, this may be every second call. So the usual rate is
 * learned while stations are well (`UsualShare`, one for all stations, because a station that has
 * served nothing yet has no data of its own). It has two parts: how often a bad result follows a
 * good one, and how often another bad one follows a bad one, because calls that are out at the same
 * time are late together. The chance of a row follows from both.
 *
 * A bad result proves to have been chance when the next result is good. A row of any length counts
 * only once as continued, so that an outage is not learned as normal.
 */

/** Prior: as if this many had been seen before the first, with this share of bad results. */
const PRIOR = { share: 0.005, first: 20, next: 6 };
/** Shares are averages over about this many results. */
const MEMORY = { first: 512, next: 64 };
/** A smaller share than this counts as zero, which costs nothing to keep. */
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

/**
 * The share of calls that usually fail while stations are healthy, learned from all stations of a
 * group.
 */
export class UsualShare {
  readonly #first: Share = new Share(PRIOR.first, MEMORY.first);
  readonly #next: Share = new Share(PRIOR.next, MEMORY.next);

  /** Does nothing ever go wrong? */
  get isNone(): boolean {
    return this.#first.value === 0;
  }

  /** The chance of this many bad results in a row while stations are well, from 0 to 1. */
  chance(inRow: number): number {
    if (inRow === 0) return 1;
    const first = this.#first.value;
    const next = this.#next.value;
    // If few rows were seen, none may have continued by chance. A bad result after a bad one is
    // taken to be at least as likely as after a good one.
    return first * (next > first ? next : first) ** (inRow - 1);
  }

  /** This many results in a row were bad, and then one was good. */
  learn(inRow: number): void {
    this.#first.add(inRow > 0);
    if (inRow > 0) this.#next.add(inRow > 1);
    if (this.#first.value < LEAST_SHARE) this.#first.value = 0;
  }
}

/** The row of bad results of one station. */
export class Accidents {
  readonly #usual: UsualShare;
  #inRow = 0;

  constructor(usual: UsualShare = new UsualShare()) {
    this.#usual = usual;
  }

  /** How many results in a row have been bad. */
  get inRow(): number {
    return this.#inRow;
  }

  /** The chance of a row as long as this one, plus `more`, while stations are well; from 0 to 1. */
  chance(more = 0): number {
    return this.#usual.chance(this.#inRow + more);
  }

  /** One more result was bad. */
  note(): void {
    this.#inRow++;
  }

  /** One result was good. */
  noteWell(): void {
    if (this.#inRow === 0 && this.#usual.isNone) return;
    this.#usual.learn(this.#inRow);
    this.forget();
  }

  /** It is unknown how the row would have ended, so it no longer counts. */
  forget(): void {
    this.#inRow = 0;
  }
}
