/**
 * Has a station become several times slower than it is in quiet times, little by little? Bounds
 * that follow its answers (`answer-times.ts`) and the leisure of a source (`call-sources.ts`) move
 * with it, and never notice. What is kept here is measured beside the quiet times of each source of
 * calls at this station, which double only in ten minutes: a change of the mix of routes is no
 * change.
 *
 * That it is slow says nothing of whose fault it is: it may have more to do, as any station in its
 * place would. So it does not count where more is sent there than while it was quick; and where it
 * counts, it is only a reason to let the other station race it: a growing share of the calls goes
 * there (`failback.ts`), and both are measured by the same quiet times. The other one wins if it is
 * twice as quick to the end, no slower with most of the calls than with a few, and if this one
 * stays slow although little is left to it. Load would have moved along.
 */
import { LEAST_LEISURE_MS } from "../admission/crowding.ts";

/** Answers that take so many times as long as in quiet times are slow, … */
const SLOW = 3;
/** … one that was replaced for that is quick again below this, … */
export const QUICK_AGAIN = 2;
/** … and those of the other station are quick, if they take this share of the time. */
const QUICKER = 0.5;
/** With most of the calls it may take so many times as long as with the first few. */
const STEADY = 1.5;
/** A station has been slow for so long, at least in so many looks. */
const LASTING_MS = 2_000;
const LOOKS = 10;
const LOOK_MS = 100;
const SHARE = 1 / 8;
/**
 * How much is sent there is counted over this long. It was no load if the station was still quick
 * two of these later, …
 */
const WINDOW_MS = 2_000;
/** … and more than so many times that may be; it is halved in ten minutes. */
const MORE = 1.2;
const HALVED_MS = 600_000;
/**
 * A race that was not won is held again after this long, and twice as long each time, so many
 * times.
 */
const AGAIN_MS = 30_000;
const MAX_DOUBLINGS = 5;
/**
 * A stage of a race says something when so many answers of the other station are known; the last
 * one waits for them, …
 */
const FEWEST = 5;
/** … until the race has taken this long. */
const LONGEST_MS = 30_000;

/**
 * How many times as long as in quiet times an answer takes; quicker than some is not told apart.
 */
export function timesSlower(tookMs: number, quietMs: number): number {
  return Math.max(tookMs, LEAST_LEISURE_MS) / Math.max(quietMs, LEAST_LEISURE_MS);
}

/** How slow one station is beside its own quiet times. */
export class Slowness {
  /** When it is to be looked at again. */
  nextLookMs: number = Number.NEGATIVE_INFINITY;
  /** Quiet times from before this say nothing: a person made it active as it was then. */
  quietSinceMs: number = Number.NEGATIVE_INFINITY;
  /** It was replaced for being slow, and has not been active since. */
  wasReplaced = false;
  #times = 1;
  #looks = 0;
  #sinceMs = 0;
  #nextRaceMs: number = Number.NEGATIVE_INFINITY;
  #races = 0;
  /** Calls that were sent there by the beginning of this window, and a ms in the two before it. */
  #sent = 0;
  #windowFromMs: number = Number.NEGATIVE_INFINITY;
  #perMs = 0;
  #perMsBefore = 0;
  /** The most that were sent there while it was quick, a ms. */
  #quietPerMs = 0;
  #isLoaded = true;

  /** How many times as long as in quiet times its answers take, smoothed. */
  get times(): number {
    return this.#times;
  }

  /**
   * Answers of the source at hand take `times` as long as in quiet times; `sent` calls were sent
   * there since the start.
   */
  look(times: number, sent: number, nowMs: number): void {
    if (nowMs >= this.#windowFromMs + WINDOW_MS) this.#endWindow(sent, nowMs);
    this.nextLookMs = nowMs + LOOK_MS;
    this.#times += (times - this.#times) * SHARE;
    if (this.#times < SLOW) this.#looks = 0;
    else if (this.#looks++ === 0) this.#sinceMs = nowMs;
  }

  /** Has it been slow for some time, and was there no race of late? */
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

  /** A race begins; if it is lost, the next one is far away. */
  noteRace(nowMs: number): void {
    this.#nextRaceMs = nowMs + AGAIN_MS * 2 ** this.#races;
    this.#races = Math.min(MAX_DOUBLINGS, this.#races + 1);
  }

  /** It becomes active; `isByHand`: a person wants it, as slow as it may be. */
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

  /** How many times as long as in quiet times they took, on the average. */
  get times(): number {
    return this.#sum / this.count;
  }
}

/**
 * The active station, which has become slow, and another one, which is given more and more of its
 * calls.
 */
export class Race {
  /** When it is over at the latest. */
  readonly untilMs: number;
  #slow = new Lap();
  #other = new Lap();
  #lapFromMs: number;
  /** How the other one did in its first stage. */
  #firstTimes = 0;

  constructor(nowMs: number) {
    this.untilMs = nowMs + LONGEST_MS;
    this.#lapFromMs = nowMs;
  }

  /**
   * A call that was sent at `startedMs` was answered, in so many times as long as the active
   * station takes in quiet times. One that was sent before this stage says nothing of it.
   */
  noteServed(isOther: boolean, times: number, startedMs: number): void {
    if (startedMs >= this.#lapFromMs) (isOther ? this.#other : this.#slow).add(times);
  }

  /** Should the last stage go on, because too little is known of the other station? */
  isOpen(nowMs: number): boolean {
    return this.#other.count < FEWEST && nowMs < this.untilMs;
  }

  /**
   * A stage is over: why the other station has not won, in a few words; undefined where it goes on.
   */
  endLap(isLast: boolean, nowMs: number): string | undefined {
    const slow = this.#slow;
    const other = this.#other;
    if (other.count < FEWEST) return isLast ? "too few calls to tell which station is quicker" : undefined;
    this.#slow = new Lap();
    this.#other = new Lap();
    this.#lapFromMs = nowMs;
    // One that answers nothing any more is no quicker than before.
    if (slow.count > 0 && slow.times < SLOW) return "with fewer calls the active station is quick again";
    if (slow.count > 0 && other.times > QUICKER * slow.times) return "it is hardly quicker than the active station";
    if (this.#firstTimes === 0) this.#firstTimes = other.times;
    const isSteady = Math.max(1, other.times) <= STEADY * Math.max(1, this.#firstTimes);
    return isSteady ? undefined : "it becomes slow with more calls, too";
  }
}
