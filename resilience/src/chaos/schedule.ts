/**
 * When a fault strikes: with which probability at which instant, and whom. A ramp lets an
 * experiment creep up on its steady state instead of falling upon it; a blast radius keeps it to
 * the keys that were named, or to a share of all keys that is fixed by the seed, so that the same
 * stations suffer for as long as the experiment lasts and growing the share only ever adds victims.
 * What the fault then does is not known here.
 */
import { ConfigurationError } from "../core/errors.ts";
import { checked, checkNames, DURATION_MS, type Names, refusal } from "../core/options.ts";
import type { Random } from "../core/random.ts";

/**
 * A probability that changes from `from` to the schedule's own on a straight line over `overMs`.
 */
export interface Ramp {
  /**
   * How long the change takes, from the moment of arming. In ms, above 0 and below 2^31. No
   * default.
   */
  readonly overMs: number;
  /** The probability at which it begins; 0 … 1. Default 0: from nothing. */
  readonly from?: number;
}

/** Options of every fault: how likely it is, for which calls, and how it grows. */
export interface ScheduleOptions {
  /**
   * Probability that a call within the blast radius is struck; 0 … 1. Default 1: what is set,
   * happens.
   */
  readonly probability?: number | undefined;
  /** Reach the probability gradually. Default: at once, because what is set, happens. */
  readonly ramp?: Ramp | undefined;
  /**
   * Blast radius: only calls wrapped under one of these keys. Default: every call, also those
   * without a key: what is set, happens.
   */
  readonly keys?: readonly string[] | undefined;
  /**
   * Blast radius: this share of all keys, chosen by the seed; 0 … 1. Calls wrapped without a key
   * are spared. Default: every call. Not together with `keys`.
   */
  readonly keyShare?: number | undefined;
}

const RAMP_NAMES: Names<Ramp> = { overMs: true, from: true };
/** @internal Also for faults that take these options among others. */
export const SCHEDULE_NAMES: Names<ScheduleOptions> = { probability: true, ramp: true, keys: true, keyShare: true };
const PROBABILITY = { min: 0, max: 1 };

export class Schedule {
  readonly #probability: number;
  readonly #from: number;
  readonly #overMs: number;
  readonly #armedAtMs: number;
  readonly #keys: ReadonlySet<string> | undefined;
  readonly #keyShare: number | undefined;
  readonly #random: Random;

  /**
   * `random` decides who belongs to a key share: one fork of it for each key, whatever was drawn
   * before.
   */
  constructor(part: string, options: ScheduleOptions, random: Random, nowMs: number) {
    this.#probability = checked(part, "probability", options.probability ?? 1, PROBABILITY);
    const { ramp, keys, keyShare } = options;
    if (ramp !== undefined) checkNames(part, ramp, RAMP_NAMES, "ramp");
    if (keys !== undefined && !Array.isArray(keys)) throw refusal(part, "keys", keys, "an array of texts");
    this.#overMs = ramp === undefined ? 0 : checked(part, "ramp.overMs", ramp.overMs, DURATION_MS);
    this.#from = ramp === undefined ? 0 : checked(part, "ramp.from", ramp.from ?? 0, PROBABILITY);
    this.#armedAtMs = nowMs;
    if (keys !== undefined && keyShare !== undefined) {
      throw new ConfigurationError(
        "two-blast-radii",
        `${part}: keys and keyShare are both given; name the keys or give a share, not both.`,
      );
    }
    this.#keys = keys === undefined ? undefined : new Set(keys);
    this.#keyShare = keyShare === undefined ? undefined : checked(part, "keyShare", keyShare, PROBABILITY);
    this.#random = random;
  }

  /** The probability in force at `nowMs`. */
  probability(nowMs: number): number {
    const elapsedMs = nowMs - this.#armedAtMs;
    if (elapsedMs >= this.#overMs) return this.#probability;
    return this.#from + (this.#probability - this.#from) * (elapsedMs / this.#overMs);
  }

  /** Does a call under `key` lie within the blast radius? */
  covers(key: string | undefined): boolean {
    if (this.#keys !== undefined) return key !== undefined && this.#keys.has(key);
    if (this.#keyShare !== undefined) return key !== undefined && this.#random.fork(key).next() < this.#keyShare;
    return true;
  }
}
