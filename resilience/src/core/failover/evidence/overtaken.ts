/**
 * Calls that are late at a station which answers newer ones in time. Where it has too much to do,
 * newer calls take as long or longer, so none of them is overtaken in that way; where single calls
 * hang, or take several times as long, all of those are. Calls that hung all at once, none of them
 * sent after one that is answered in time, are a moment that is over.
 */

/** So many newer calls, in time: one may be little work by chance. */
const OVERTAKEN_BY = 2;
/** So many late calls are kept; the oldest is forgotten first. */
const MOST = 32;
/** Late calls that were sent further apart than this have nothing to do with each other. */
const APART_MS = 10_000;

interface Late {
  readonly startedMs: number;
  /**
   * Whose it is, where it cannot be sent twice; undefined where another station has served it
   * meanwhile.
   */
  readonly source: object | undefined;
  by: number;
}

export class Overtaken {
  #late: Late[] = [];
  #lastMs: number = Number.NEGATIVE_INFINITY;
  /**
   * When the first call was sent that overtook a late one, and whether a call that was sent after
   * it was late.
   */
  #inTimeFromMs: number = Number.POSITIVE_INFINITY;
  #goesOn = false;
  /** Calls that were answered in time since the first of them was late. */
  inTime: number = 0;

  get size(): number {
    return this.#late.length;
  }

  note(startedMs: number, source?: object): void {
    if (startedMs > this.#lastMs + APART_MS) this.clear();
    if (startedMs > this.#lastMs) this.#lastMs = startedMs;
    if (this.#late.length === 0) this.inTime = 0;
    if (startedMs > this.#inTimeFromMs) this.#goesOn = true;
    this.#late.push({ startedMs, source, by: 0 });
    if (this.#late.length > MOST) this.#late.shift();
  }

  /** One that was sent at `startedMs` was late, and is answered. */
  noteAnswered(startedMs: number): void {
    const place = this.#late.findIndex((late) => late.startedMs === startedMs);
    if (place >= 0) this.#late.splice(place, 1);
  }

  /**
   * A call that was sent at `startedMs` was answered in time: returns those that are overtaken with
   * that.
   */
  noteInTime(startedMs: number): readonly Pick<Late, "startedMs" | "source">[] {
    this.inTime++;
    let isFirst = false;
    for (const late of this.#late) {
      if (late.startedMs >= startedMs) continue;
      late.by++;
      isFirst ||= startedMs < this.#inTimeFromMs;
    }
    if (isFirst) this.#inTimeFromMs = startedMs;
    if (!this.#goesOn) return [];
    const found = this.#late.filter(({ by }) => by >= OVERTAKEN_BY);
    if (found.length > 0) this.#late = this.#late.filter(({ by }) => by < OVERTAKEN_BY);
    return found;
  }

  clear(): void {
    this.#late = [];
    this.#inTimeFromMs = Number.POSITIVE_INFINITY;
    this.#goesOn = false;
  }
}
