/**
 * One station as its gateway can have heard it: when its last heartbeat counted, what was declared
 * of it since, and which declarations are allowed. Silence is measured on the gateway's own clock,
 * from heartbeats that were noted beside it. The least silence that reaches a level is that of the
 * narrowest fit which the settings allow, so the check need not know what a detector learned.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { DocumentedGroup } from "../documented.ts";
import { leastSilenceMs } from "./model-bounds.ts";

export type LivenessChange = GatewayEvent & { type: "declaration" };
export type Liveness = LivenessChange["to"];
/** The invariant that was violated, and why. */
export type Wrong = readonly [invariant: string, detail: string] | undefined;

const LEGAL: ReadonlySet<string> = new Set([
  "unknown alive",
  "unknown suspected",
  "unknown down",
  "alive suspected",
  "alive down",
  "suspected alive",
  "suspected down",
  "down alive",
]);

/** Not for an operator to set (SupervisorOptions). */
const FLAP_WINDOW_MS = 60_000;
const LONGEST_DWELL_MS = 30_000;
const ROUNDING_MS = 1e-6;

/** The least silences of a group, in ms. */
export interface LeastSilences {
  readonly suspectMs: number;
  readonly declareMs: number;
}

export function leastSilences({ detector }: DocumentedGroup): LeastSilences {
  return {
    suspectMs: leastSilenceMs(detector, detector.suspectThreshold),
    declareMs: leastSilenceMs(detector, detector.threshold),
  };
}

export class Silence {
  readonly #settings: DocumentedGroup["detector"];
  readonly #least: LeastSilences;
  readonly #watchedSinceMs: number;
  liveness: Liveness = "unknown";
  lastBeatMs: number | undefined = undefined;
  /** Beats counted so far. */
  beats = 0;
  #beatsWhenDown = 0;
  #downAtMs = Number.NEGATIVE_INFINITY;
  #dwellMs = 0;
  #flaps = 0;

  constructor(group: DocumentedGroup, least: LeastSilences, watchedSinceMs: number) {
    this.#settings = group.detector;
    this.#least = least;
    this.#watchedSinceMs = watchedSinceMs;
  }

  beat(nowMs: number): void {
    this.lastBeatMs = nowMs;
    this.beats++;
  }

  /** Records a declaration. Returns what is wrong with it. */
  declared(declaration: LivenessChange): Wrong {
    const { to, atMs } = declaration;
    const wrong = this.#wrong(declaration);
    this.liveness = to;
    if (to === "down") this.#wentDown(atMs);
    return wrong;
  }

  /**
   * For how long the declaration of its silence is overdue at `nowMs`; negative while it is not
   * due.
   */
  overdueMs(nowMs: number): number {
    const { ceilingMs, sustainMs, gracePeriodMs } = this.#settings;
    if (this.liveness === "down") return Number.NEGATIVE_INFINITY;
    if (this.lastBeatMs === undefined) return nowMs - this.#watchedSinceMs - gracePeriodMs;
    return nowMs - this.lastBeatMs - ceilingMs - sustainMs;
  }

  /**
   * Since when it may be held to be alive again, if only its dwell kept it down; Infinity while it
   * is not down.
   */
  get clearFromMs(): number {
    return this.liveness === "down" ? this.#downAtMs + this.#dwellMs : Number.POSITIVE_INFINITY;
  }

  /** Whether nothing has been heard of it since it was declared down, or ever. */
  get silent(): boolean {
    if (this.liveness === "down") return this.beats === this.#beatsWhenDown;
    return this.liveness === "unknown" && this.beats === 0;
  }

  #wrong({ from, to, atMs, level }: LivenessChange): Wrong {
    const { threshold, suspectThreshold, clearThreshold } = this.#settings;
    if (from !== this.liveness || !LEGAL.has(`${from} ${to}`))
      return ["declarations-alternate", `from ${from} to ${to}; it was ${this.liveness}`];
    if (to === "alive" && level >= (from === "unknown" ? suspectThreshold : clearThreshold))
      return ["declaration-follows-level", `alive at level ${level}`];
    if (to !== "alive" && this.lastBeatMs !== undefined && level < (to === "down" ? threshold : suspectThreshold))
      return ["declaration-follows-level", `${to} at level ${level}`];
    if (from === "down") return this.#tooSoonAlive(atMs);
    if (to === "down" && this.lastBeatMs === undefined) return this.#tooSoonGivenUp(atMs);
    return to === "alive" ? undefined : this.#tooSoon(to, atMs);
  }

  #tooSoon(to: Liveness, atMs: number): Wrong {
    const { sustainMs } = this.#settings;
    const leastMs = to === "down" ? this.#least.declareMs : this.#least.suspectMs;
    const silentMs = atMs - (this.lastBeatMs ?? Number.NEGATIVE_INFINITY);
    if (silentMs < leastMs - ROUNDING_MS)
      return ["declaration-after-silence", `${to} after ${silentMs} ms of silence; it takes ${leastMs} at least`];
    if (to === "down" && silentMs < leastMs + sustainMs - ROUNDING_MS)
      return [
        "declaration-is-sustained",
        `down after ${silentMs} ms of silence; it takes ${leastMs} and ${sustainMs} more`,
      ];
    return undefined;
  }

  #tooSoonGivenUp(atMs: number): Wrong {
    const earlyMs = this.#watchedSinceMs + this.#settings.gracePeriodMs - atMs;
    if (earlyMs <= ROUNDING_MS) return undefined;
    return ["declaration-after-silence", `never heard from, and down ${earlyMs} ms before its grace period ends`];
  }

  #tooSoonAlive(atMs: number): Wrong {
    const downMs = atMs - this.#downAtMs;
    if (downMs < this.#dwellMs - ROUNDING_MS)
      return [
        "declarations-dwell",
        `alive after ${downMs} ms of being down; it stays so for ${this.#dwellMs} at least`,
      ];
    if (this.beats === this.#beatsWhenDown) return ["declaration-after-silence", "alive, and nothing was heard of it"];
    return undefined;
  }

  /** Each declaration soon after the last one doubles the time for which it holds. */
  #wentDown(atMs: number): void {
    const { minDwellMs } = this.#settings;
    const windowMs = Math.max(FLAP_WINDOW_MS, minDwellMs);
    this.#flaps = atMs - this.#downAtMs <= windowMs ? this.#flaps + 1 : 0;
    this.#dwellMs = Math.min(Math.max(LONGEST_DWELL_MS, minDwellMs), minDwellMs * 2 ** Math.min(this.#flaps, 40));
    this.#downAtMs = atMs;
    this.#beatsWhenDown = this.beats;
  }
}
