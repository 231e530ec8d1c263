/**
 * Detects that a station has gradually become several times slower than in quiet times. Bounds that
 * follow its answers (`answer-times.ts`) and the leisure of a source (`call-sources.ts`) move with
 * it and cannot detect this. So answers are compared with the quiet times of each source of calls
 * at this station, which double only in ten minutes. Because this is done per source, a change of
 * the mix of routes does not count.
 *
 * Slowness alone does not show whose fault it is: the station may have more load, as any station in
 * its place would. So it does not count if more calls are sent there than while it was quick. If it
 * counts, it only starts a race with the other station: a growing share of the calls goes there
 * (`failback.ts`), and both are measured by the same quiet times. The other station wins if three
 * things hold: it is twice as quick until the end, it is no slower with most of the calls than with
 * a few, and this station stays slow with little load. If load were the reason, the slowness would
 * move with the calls.
 */
import { LEAST_LEISURE_MS } from "../admission/crowding.ts";

/** Answers that take this many times as long as in quiet times are slow, … */
const SLOW = 3;
/** … a station that was replaced for that is quick again below this ratio, … */
export const QUICK_AGAIN = 2;
/** … and the other station's answers are quick if they take at most this share of the time. */
const QUICKER = 0.5;
/**
 * With most of the calls, the other station may take this many times as long as with the first few.
 */
const STEADY = 1.5;
/** A station is slow after this long, in at least this many checks. */
const LASTING_MS = 2_000;
const LOOKS = 10;
const LOOK_MS = 100;
const SHARE = 1 / 8;
/**
 * The calls sent there are counted over this window. The load of a window counts as normal if the
 * station was still quick two windows later, …
 */
const WINDOW_MS = 2_000;
/**
 * … and the present load may be this many times the normal one. The normal load halves in ten
 * minutes.
 */
const MORE = 1.2;
const HALVED_MS = 600_000;
/**
 * A race that was not won is repeated after this long. Each further race doubles it, up to
 * `MAX_DOUBLINGS` times.
 */
const AGAIN_MS = 30_000;
const MAX_DOUBLINGS = 5;
/**
 * A stage of a race needs this many answers of the other station; the last stage waits for them, …
 */
const FEWEST = 5;
/** … until the race has taken this long. */
const LONGEST_MS = 30_000;

/**
 * How many times as long as in quiet times an answer takes. Times below `LEAST_LEISURE_MS` are not
 * distinguished.
 */
export function timesSlower(tookMs: number, quietMs: number): number {
  return Math.max(tookMs, LEAST_LEISURE_MS) / Math.max(quietMs, LEAST_LEISURE_MS);
}

/** How slow one station is compared with its own quiet times. */
export class Slowness {
  /** When the next check is due. */
  nextLookMs: number = Number.NEGATIVE_INFINITY;
  /**
   * Quiet times from before this do not count: an operator made the station active although it was
   * slow.
   */
  quietSinceMs: number = Number.NEGATIVE_INFINITY;
  /** True if it was replaced for being slow and has not been active since. */
  wasReplaced = false;
  #times = 1;
  #looks = 0;
  #sinceMs = 0;
  #nextRaceMs: number = Number.NEGATIVE_INFINITY;
  #races = 0;
  /**
   * Calls sent to the station by the beginning of this window, and calls a ms in the two windows
   * before.
   */
  #sent = 0;
  #windowFromMs: number = Number.NEGATIVE_INFINITY;
  #perMs = 0;
  #perMsBefore = 0;
  /** The maximum of calls a ms sent there while it was quick. */
  #quietPerMs = 0;
  #isLoaded = true;

  /** How many times as long as in quiet times its answers take, smoothed. */
  get times(): number {
    return this.#times;
  }

  /**
   * Answers of the present source take `times` as long as in quiet times; `sent` calls were sent to
   * the station since the start.
   */
  look(times: number, sent: number, nowMs: number): void {
    if (nowMs >= this.#windowFromMs + WINDOW_MS) this.#endWindow(sent, nowMs);
    this.nextLookMs = nowMs + LOOK_MS;
    this.#times += (times - this.#times) * SHARE;
    if (this.#times < SLOW) this.#looks = 0;
    else if (this.#looks++ === 0) this.#sinceMs = nowMs;
  }

  /** Has the station been slow for some time, with no recent race? */
  isRaceDue(nowMs: number): boolean {
    return !this.#isLoaded && this.#looks >= LOOKS && nowMs >= this.#sinceMs + LASTING_MS && nowMs >= this.#nextRaceMs;
  }

  #endWindow(sent: number, nowMs: number): void {
    const overMs = nowMs - this.#windowFromMs;
    const perMs = (sent - this.#sent) / overMs;
    const faded = this.#quietPerMs * 0.5 ** (overMs / HALVED_MS);
    const isQuick = this.#times < QUICK_AGAIN;
    this.#quietPerMs = isQuick && this.#perMsBefore > faded ? this.#perMsBefore : faded;
    this.#isLoaded = perMs > MORE * this.#quietPerMs;
    this.#perMsBefore = this.#perMs;
    this.#perMs = perMs;
    this.#sent = sent;
    this.#windowFromMs = nowMs;
  }

  /** A race begins. If it is lost, the next one starts much later. */
  noteRace(nowMs: number): void {
    this.#nextRaceMs = nowMs + AGAIN_MS * 2 ** this.#races;
    this.#races = Math.min(MAX_DOUBLINGS, this.#races + 1);
  }

  /** The station becomes active. `isByHand`: an operator chose it, even if it is slow. */
  restart(isByHand: boolean, nowMs: number): void {
    if (isByHand) this.quietSinceMs = nowMs;
    this.wasReplaced = false;
    this.#times = 1;
    this.#looks = 0;
    this.#races = 0;
    this.#nextRaceMs = Number.NEGATIVE_INFINITY;
  }
}

/** Answers of one station in one stage of a race. */
class Lap {
  #sum = 0;
  count = 0;

  add(times: number): void {
    this.#sum += times;
    this.count++;
  }

  /** How many times as long as in quiet times they took, on average. */
  get times(): number {
    return this.#sum / this.count;
  }
}

/**
 * A race between the active station, which has become slow, and another one, which is given a
 * growing share of its calls.
 */
export class Race {
  /** The latest end of the race. */
  readonly untilMs: number;
  #slow = new Lap();
  #other = new Lap();
  #lapFromMs: number;
  /** The other station's result in its first stage. */
  #firstTimes = 0;

  constructor(nowMs: number) {
    this.untilMs = nowMs + LONGEST_MS;
    this.#lapFromMs = nowMs;
  }

  /**
   * A call that was sent at `startedMs` was answered, in `times` times the quiet time of the active
   * station. A call that was sent before this stage does not count.
   */
  noteServed(isOther: boolean, times: number, startedMs: number): void {
    if (startedMs >= this.#lapFromMs) (isOther ? this.#other : this.#slow).add(times);
  }

  /** Should the last stage go on because too little is known about the other station? */
  isOpen(nowMs: number): boolean {
    return this.#other.count < FEWEST && nowMs < this.untilMs;
  }

  /**
   * A stage is over: why the other station has not won, in a few words; undefined if the race goes
   * on.
   */
  endLap(isLast: boolean, nowMs: number): string | undefined {
    const slow = this.#slow;
    const other = this.#other;
    if (other.count < FEWEST) return isLast ? "too few calls to tell which station is quicker" : undefined;
    this.#slow = new Lap();
    this.#other = new Lap();
    this.#lapFromMs = nowMs;
    // A station that no longer answers is no quicker than before.
    if (slow.count > 0 && slow.times < SLOW) return "with fewer calls the active station is quick again";
    if (slow.count > 0 && other.times > QUICKER * slow.times) return "it is hardly quicker than the active station";
    if (this.#firstTimes === 0) this.#firstTimes = other.times;
    const isSteady = Math.max(1, other.times) <= STEADY * Math.max(1, this.#firstTimes);
    return isSteady ? undefined : "it becomes slow with more calls, too";
  }
}
