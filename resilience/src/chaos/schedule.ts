/**
 * When a fault occurs: with which probability at which instant, and for which calls. With a ramp,
 * an experiment leaves its steady state gradually instead of at once. A blast radius limits it to
 * named keys, or to a share of all keys. The seed fixes that share, so the same stations are
 * affected for the whole experiment, and a larger share only adds stations. The schedule does not
 * know what the fault does.
 */
import { ConfigurationError } from "../core/errors.ts";
import { checked, checkNames, DURATION_MS, type Names, refusal } from "../core/options.ts";
import type { Random } from "../core/random.ts";

/** A probability that changes linearly from `from` to the schedule's own over `overMs`. */
export interface Ramp {
  /**
   * How long the change takes, from when the fault is set. In ms, above 0 and below 2^31. No
   * default.
   */
  readonly overMs: number;
  /** The probability at the beginning; 0 … 1. Default 0: the fault starts from nothing. */
  readonly from?: number;
}

/** Options of every fault: its probability, its calls, and its ramp. */
export interface ScheduleOptions {
  /**
   * Probability that a call within the blast radius is affected; 0 … 1. Default 1: a fault that is
   * set affects every call.
   */
  readonly probability?: number | undefined;
  /** Reach the probability gradually. Default: at once, because a fault that is set should act. */
  readonly ramp?: Ramp | undefined;
  /**
   * Blast radius: only calls that are wrapped under one of these keys. Default: every call, even
   * without a key, because a fault that is set should act.
   */
  readonly keys?: readonly string[] | undefined;
  /**
   * Blast radius: this share of all keys, chosen by the seed; 0 … 1. Calls wrapped without a key
   * are not affected. Default: every call. Not together with `keys`.
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
   * `random` decides which keys belong to a key share: one fork for each key, independent of
   * earlier draws.
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
