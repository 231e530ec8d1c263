/**
 * Does a station that refuses nothing have more to do than it can? Then its answers take several times as long as they do at
 * leisure. Three things are measured for that: how many times as long answers take (`stretch`), each beside the leisure of
 * its own source of calls, so that a slow route is no crowd; how many it finishes in a second at best; and whether
 * more has been sent than was answered, time after time. What a station works on at once when it is busy and nobody
 * waits is the product of the last two (Little's law; the "bandwidth-delay product" of BBR, Cardwell et al., 2016).
 *
 * What callers who left have asked for is done all the same by most stations, and answered to nobody. How much of that
 * is still ahead is estimated, because a station that works on it is not silent.
 */

/** What admission control wants to know of it. */
export interface Crowd {
  /** How many times as long answers take as at leisure, smoothed; 1 where nothing is known. */
  readonly stretch: number;
  /** How long an answer takes at leisure, in ms; 0 where nothing is known. */
  readonly leisureMs: number;
  /** More has been sent than was answered, again and again, and answers take several times as long as at leisure. */
  readonly isMounting: boolean;
  /** How many calls the station works on where nobody waits there; 0 where nothing is known. */
  work(nowMs: number): number;
}

/** From here on a station is crowded: a queue as long as two services is usual at four fifths of the load. */
export const CROWDED = 3;
/** The station is looked at so often, or once in a usual answer time where that is longer. */
const LOOK_MS = 200;
/** So many looks in a row must show more sent than answered, clearly: by a fifth, and not by chance. */
const LOOKS = 2;
const CLEAR_RATIO = 1.2;
/** The best rate is halved in so long: a station may have become smaller. */
const RATE_HALVED_MS = 5_000;
/** Smoothing, as that of answer times; a station that is quick again is believed soon. */
const SHARE = 1 / 8;
const QUICK_SHARE = 1 / 2;
/** However much was left behind, a silent station is called silent after so long. */
const MAX_BACKLOG_MS = 5_000;

export class Crowding implements Crowd {
  #stretch = 1;
  #leisureMs = 0;
  #bestPerMs = 0;
  #bestAtMs = 0;
  #fromMs: number = Number.NEGATIVE_INFINITY;
  #sent = 0;
  #served = 0;
  #looksInRow = 0;
  /** When the work of callers who left will be done, as far as can be estimated. */
  #backlogEndsMs: number = Number.NEGATIVE_INFINITY;

  get stretch(): number {
    return this.#stretch;
  }

  get leisureMs(): number {
    return this.#leisureMs;
  }

  get isMounting(): boolean {
    return this.#looksInRow >= LOOKS;
  }

  work(nowMs: number): number {
    return this.#perMs(nowMs) * this.#leisureMs;
  }

  /** A call was sent there. */
  noteSent(): void {
    this.#sent++;
  }

  /** A call was served after `tookMs`; `leisureMs` is what its source takes at leisure, `Infinity` where nobody knows. */
  noteServed(tookMs: number, leisureMs: number, nowMs: number): void {
    this.#served++;
    if (leisureMs < Number.POSITIVE_INFINITY) {
      const stretch = Math.max(1, tookMs / leisureMs);
      this.#stretch += (stretch - this.#stretch) * (stretch < this.#stretch / 2 ? QUICK_SHARE : SHARE);
      this.#leisureMs += (leisureMs - this.#leisureMs) * (this.#leisureMs === 0 ? 1 : SHARE);
    }
    if (nowMs - this.#fromMs >= Math.max(LOOK_MS, this.#leisureMs * Math.min(this.#stretch, CROWDED))) this.#look(nowMs);
  }

  /** A caller left, whose call was out there: the station goes on with it. */
  noteAbandoned(nowMs: number): void {
    if (this.#stretch < CROWDED || this.#bestPerMs === 0) return;
    const endsMs = Math.max(nowMs, this.#backlogEndsMs) + 1 / this.#perMs(nowMs);
    this.#backlogEndsMs = Math.min(endsMs, nowMs + MAX_BACKLOG_MS);
  }

  /** Until when it may have to work for callers who left; in the past where it does not. */
  get backlogEndsMs(): number {
    return this.#backlogEndsMs;
  }

  #perMs(nowMs: number): number {
    return this.#bestPerMs * 0.5 ** (Math.max(0, nowMs - this.#bestAtMs) / RATE_HALVED_MS);
  }

  #look(nowMs: number): void {
    const overMs = nowMs - this.#fromMs;
    // After a rest, what was counted before it says nothing.
    if (overMs < 10 * LOOK_MS) {
      const perMs = this.#served / overMs;
      if (perMs >= this.#perMs(nowMs)) {
        this.#bestPerMs = perMs;
        this.#bestAtMs = nowMs;
      }
      const isMore = this.#sent > CLEAR_RATIO * this.#served + Math.sqrt(this.#served) / 2;
      this.#looksInRow = isMore && this.#stretch >= CROWDED ? this.#looksInRow + 1 : 0;
    } else this.#looksInRow = 0;
    this.#fromMs = nowMs;
    this.#sent = 0;
    this.#served = 0;
  }
}
