/**
 * Calls that are late at a station which answers newer calls in time. At an overloaded station,
 * newer calls take as long or longer, so no call is overtaken in this way. If single calls hang, or
 * take several times as long, all of these are overtaken. If calls hung all at once, and none of
 * them was sent after a call that was answered in time, the trouble has passed.
 */

/**
 * A late call is overtaken by this many newer calls in time: a single one may need little work by
 * chance.
 */
const OVERTAKEN_BY = 2;
/** Maximum number of late calls kept; the oldest is forgotten first. */
const MOST = 32;
/** Late calls that were sent further apart than this are unrelated. */
const APART_MS = 10_000;

interface Late {
  readonly startedMs: number;
  /**
   * The source of a call that may not be sent twice; undefined if another station has served the
   * call meanwhile.
   */
  readonly source: object | undefined;
  by: number;
}

export class Overtaken {
  #late: Late[] = [];
  #lastMs: number = Number.NEGATIVE_INFINITY;
  /**
   * When the first call that overtook a late one was sent, and whether a call that was sent after
   * it was late.
   */
  #inTimeFromMs: number = Number.POSITIVE_INFINITY;
  #goesOn = false;
  /** Calls that were answered in time since the first late call. */
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

  /** A late call that was sent at `startedMs` has been answered. */
  noteAnswered(startedMs: number): void {
    const place = this.#late.findIndex((late) => late.startedMs === startedMs);
    if (place >= 0) this.#late.splice(place, 1);
  }

  /**
   * A call that was sent at `startedMs` was answered in time. Returns the late calls that are
   * overtaken with it.
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
