/**
 * Is it an accident that several in a row went wrong? Some calls are always out for unusually long, and some callers always
 * leave before their answer comes: where service times vary much, or patience is about as long as they are, every second
 * one. So it is learned which share of all goes wrong while stations are well (`UsualShare`, one for all stations: one that
 * has served nothing yet has none of its own), and a row of `n` has a chance of `share ** n`.
 *
 * What went wrong is known to have been an accident when the next one goes well. Of a row no more than a few count: an
 * outage is no rule.
 */

/** As if so many had been seen before the first, of which this share went wrong. */
const PRIOR = { share: 0.005, seen: 60 };
/** The share is the mean of about so many. */
const MEMORY = 512;
/** Of a row so many count. */
const MOST_COUNTED = 4;
/** Less than this is none at all, and costs nothing to keep. */
const LEAST_SHARE = 0.001;

export class UsualShare {
  #seen = PRIOR.seen;
  /** From 0 to 1. */
  value: number = PRIOR.share;

  /** So many went wrong, and then one went well. */
  learn(wrong: number): void {
    for (let more = Math.min(wrong, MOST_COUNTED); more >= 0; more--) {
      if (this.#seen < MEMORY) this.#seen++;
      this.value += ((more > 0 ? 1 : 0) - this.value) / this.#seen;
    }
    if (this.value < LEAST_SHARE) this.value = 0;
  }
}

/** The rows of one station. */
export class Accidents {
  readonly #usual: UsualShare;
  #inRow = 0;
  #excused = 0;

  constructor(usual: UsualShare = new UsualShare()) {
    this.#usual = usual;
  }

  /** How many in a row have gone wrong. */
  get inRow(): number {
    return this.#inRow;
  }

  /** The chance that as many in a row go wrong by accident, and `more` besides; from 0 to 1. */
  chance(more = 0): number {
    return this.#usual.value ** (this.#inRow + more);
  }

  /** One more went wrong. */
  note(): void {
    this.#inRow++;
  }

  /** One went wrong, and for another reason: it is no part of the row, and shows how often that happens. */
  noteExcused(): void {
    this.#excused++;
  }

  /** One went well. */
  noteWell(): void {
    const wrong = this.#inRow + this.#excused;
    if (wrong === 0 && this.#usual.value === 0) return;
    this.#usual.learn(wrong);
    this.forget();
  }

  /** It is not known how the row would have ended: it counts no more. */
  forget(): void {
    this.#inRow = 0;
    this.#excused = 0;
  }
}
