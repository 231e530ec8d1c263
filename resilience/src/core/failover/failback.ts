/**
 * Going back to a better-placed station, carefully: one repeatable call first (the canary, hedged
 * like any other), then a growing share of the calls, then all of them. The station proves with
 * real calls that it serves before it becomes active, and the one that serves now goes on
 * meanwhile: make before break. Anything that goes wrong ends it, and the calls concerned were
 * answered by the active station.
 *
 *   canary ──served──► share 10 % → 20 % → 40 % → 80 % ──► due
 *      │ no repeatable call for a while ──► share          (the promotion itself)
 *      └── anything fails ──► given up
 *
 * Leaving a station that has become slow goes the same way, in longer steps: the two race each
 * other (`slowness.ts`).
 */
import type { Call } from "./call.ts";
import type { PlannedCause } from "./failover.ts";
import type { Race } from "./learned/slowness.ts";
import type { Station } from "./station.ts";

/**
 * How much is asked for: calls in flight at the station that serves, and calls a ms that it serves;
 * 0 where nobody knows.
 */
export interface UsualLoad {
  readonly inFlight: number;
  readonly perMs: number;
}

const FIRST_SHARE = 0.1;
const STEP_MS = 250;
/** A stage of a race takes so long, or so many answer times of the slow station, within bounds. */
const RACE_STEP_MS = { min: 1_000, max: 5_000 };
const RACE_STEP_ANSWERS = 3;

/**
 * How it is done: `race` is held where a slow station may be left, which usually answers after
 * `usualMs`.
 */
interface Way {
  readonly quietMs: number;
  readonly usual: UsualLoad;
  readonly race?: Race | undefined;
  readonly usualMs?: number;
}

export class Failback {
  readonly to: Station;
  readonly cause: PlannedCause;
  readonly reason: string;
  #stage: "canary" | "share" = "canary";
  #share = FIRST_SHARE;
  #offered = 0;
  #nextStepMs: number;
  readonly race: Race | undefined;
  readonly #stepMs: number;
  readonly #usual: UsualLoad;

  /**
   * `quietMs`: for how long it waits for a repeatable call before it takes any; `usual`: what it is
   * to bear in the end.
   */
  constructor(
    to: Station,
    cause: PlannedCause,
    reason: string,
    { quietMs, usual, race, usualMs = 0 }: Way,
    nowMs: number,
  ) {
    this.to = to;
    this.cause = cause;
    this.reason = reason;
    this.#usual = usual;
    this.race = race;
    const raceStepMs = Math.min(RACE_STEP_MS.max, Math.max(RACE_STEP_MS.min, RACE_STEP_ANSWERS * usualMs));
    this.#stepMs = race === undefined ? STEP_MS : raceStepMs;
    this.#nextStepMs = nowMs + quietMs;
  }

  /** When time alone moves it on. */
  get nextStepMs(): number {
    return this.#nextStepMs;
  }

  /** Does the station have to serve its first call yet? */
  get isCanary(): boolean {
    return this.#stage === "canary";
  }

  /** Does `call` go to the station that is to become active? */
  takes(call: Call): boolean {
    if (this.#stage === "canary") return call.terms.isRepeatable && this.to.inFlight === 0;
    this.#offered += this.#share;
    if (this.#offered < 1) return false;
    this.#offered -= 1;
    return true;
  }

  /**
   * Why the race is lost, a stage of which is over by now; undefined where it is not, or where
   * there is none.
   */
  lost(nowMs: number): string | undefined {
    const { race } = this;
    if (race === undefined || this.#stage === "canary" || nowMs < this.#nextStepMs) return undefined;
    const isLast = 2 * this.#share >= 1;
    if (!isLast || !race.isOpen(nowMs)) return race.endLap(isLast, nowMs);
    this.#nextStepMs = Math.min(nowMs + STEP_MS, race.untilMs);
    return undefined;
  }

  /** It has served a call. */
  noteServed(nowMs: number): void {
    if (this.#stage === "canary") this.#beginShare(nowMs);
  }

  /** Time has passed: true where nothing is left but to make the station active. */
  isDue(nowMs: number): boolean {
    if (nowMs < this.#nextStepMs) return false;
    if (this.#stage === "canary") this.#beginShare(nowMs);
    else {
      this.#share *= 2;
      this.#nextStepMs = nowMs + this.#stepMs;
    }
    return this.#share >= 1;
  }

  #beginShare(nowMs: number): void {
    this.#stage = "share";
    // From here on the share bounds what it is given.
    this.to.admission.begin(this.#usual.inFlight, nowMs, this.to.admission.working, this.#usual.perMs);
    this.#nextStepMs = nowMs + this.#stepMs;
  }
}
