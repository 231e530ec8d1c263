/**
 * Returns to a station of higher priority in steps: first one repeatable call (the canary, hedged
 * like any other call), then a growing share of the calls, then all of them. The station proves
 * with real calls that it serves before it becomes active. The current station goes on serving
 * meanwhile (make before break). Any failure ends the failback; the active station answers the
 * calls concerned.
 *
 *   canary ──served──► share 10 % → 20 % → 40 % → 80 % ──► due
 *      │ no repeatable call for a while ──► share          (the promotion itself)
 *      └── anything fails ──► given up
 *
 * A station that has become slow is left in the same way, in longer steps: the two stations race
 * each other (`slowness.ts`).
 */
import type { Call } from "./call.ts";
import type { PlannedCause } from "./failover.ts";
import type { Race } from "./learned/slowness.ts";
import type { Station } from "./station.ts";

/**
 * The usual load: calls in flight at the active station, and calls per ms that it serves; 0 if
 * unknown.
 */
export interface UsualLoad {
  readonly inFlight: number;
  readonly perMs: number;
}

const FIRST_SHARE = 0.1;
const STEP_MS = 250;
/**
 * Length of one stage of a race: `RACE_STEP_ANSWERS` answer times of the slow station, within these
 * bounds.
 */
const RACE_STEP_MS = { min: 1_000, max: 5_000 };
const RACE_STEP_ANSWERS = 3;

/**
 * How the failback is done. `race` is set if a slow station may be left; that station usually
 * answers after `usualMs`.
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
   * `quietMs`: how long it waits for a repeatable call before it takes any call. `usual`: the load
   * that the station must take in the end.
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

  /** When time alone starts the next step. */
  get nextStepMs(): number {
    return this.#nextStepMs;
  }

  /** True until the station has served its first call. */
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
   * If a stage of the race is over: why the race is lost. Undefined if it is not lost, or if there
   * is no race.
   */
  lost(nowMs: number): string | undefined {
    const { race } = this;
    if (race === undefined || this.#stage === "canary" || nowMs < this.#nextStepMs) return undefined;
    const isLast = 2 * this.#share >= 1;
    if (!isLast || !race.isOpen(nowMs)) return race.endLap(isLast, nowMs);
    this.#nextStepMs = Math.min(nowMs + STEP_MS, race.untilMs);
    return undefined;
  }

  /** The station has served a call. */
  noteServed(nowMs: number): void {
    if (this.#stage === "canary") this.#beginShare(nowMs);
  }

  /** Time has passed. True if all steps are done and the station can become active. */
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
    // From here on the share limits the station's load.
    this.to.admission.begin(this.#usual.inFlight, nowMs, this.to.admission.working, this.#usual.perMs);
    this.#nextStepMs = nowMs + this.#stepMs;
  }
}
