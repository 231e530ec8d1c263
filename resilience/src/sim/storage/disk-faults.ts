/**
 * The faults of a running simulated disk, as conditions that are imposed and removed. Several at
 * once combine as on a network link: delays add up, the highest error rate and the least room
 * count, and any stall stalls. They are plain data, so that a list of faults can be written into a
 * replay. `disk.ts` covers what a crash does to a disk.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import { checked, type Names } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { checkDelay, type Delay, type DelaySource, delaySource } from "../network/link.ts";

/** The faults of a disk. */
export interface DiskFaults {
  /** Added to the usual time of every operation. Default: nothing. */
  readonly latency: Delay;
  /** Share of reads and listings that fail with EIO, 0..1. Default 0. */
  readonly readErrorRate: number;
  /**
   * Share of changes that fail with EIO, 0..1; some first bytes of a failed write or append may be
   * there. Default 0.
   */
  readonly writeErrorRate: number;
  /**
   * Share of syncs that fail with EIO, 0..1. Each change that they covered may be lost at random,
   * for good. Default 0.
   */
  readonly syncErrorRate: number;
  /**
   * Room left from now on, in bytes; bytes that do not fit are cut off and the operation fails with
   * ENOSPC. Default: no limit.
   */
  readonly freeBytes: number;
  /** Nothing completes, also operations begun before, until this is removed. Default false. */
  readonly stalled: boolean;
}

/** All conditions in force at an instant, combined. */
export interface CombinedFaults extends Omit<DiskFaults, "freeBytes" | "latency"> {
  /** To be added up. */
  readonly latencies: readonly DelaySource[];
  /** How much all files may hold together. */
  readonly limitBytes: number;
}

/**
 * The size limit of a simulated disk: beyond it a run would use up the memory of the real machine.
 */
export const MOST_DISK_BYTES: number = 2 ** 30;

const NO_FAULTS: CombinedFaults = {
  latencies: [],
  readErrorRate: 0,
  writeErrorRate: 0,
  syncErrorRate: 0,
  limitBytes: MOST_DISK_BYTES,
  stalled: false,
};

/** The conditions of one disk. */
export class FaultStack {
  readonly #random: Random;
  readonly #imposed: Set<Partial<CombinedFaults>> = new Set();
  #combined: CombinedFaults = NO_FAULTS;

  /** `random`: the stream for bursts of latency. */
  constructor(random: Random) {
    this.#random = random;
  }

  get combined(): CombinedFaults {
    return this.#combined;
  }

  /**
   * Imposes `faults` on a disk that holds `usedBytes`; returns a function that removes exactly
   * these, once.
   */
  impose(faults: Partial<DiskFaults>, usedBytes: number, nowMs: number): () => void {
    checkDiskFaults(faults);
    const { freeBytes, latency, ...imposed } = {
      ...faults,
      limitBytes: usedBytes + (faults.freeBytes ?? MOST_DISK_BYTES),
      latencies: faults.latency === undefined ? [] : [delaySource(faults.latency, nowMs, this.#random)],
    };
    this.#imposed.add(imposed);
    this.#combine();
    return () => {
      if (this.#imposed.delete(imposed)) this.#combine();
    };
  }

  #combine(): void {
    this.#combined = [...this.#imposed].reduce<CombinedFaults>(
      (all, one) => ({
        latencies: [...all.latencies, ...(one.latencies ?? [])],
        readErrorRate: Math.max(all.readErrorRate, one.readErrorRate ?? 0),
        writeErrorRate: Math.max(all.writeErrorRate, one.writeErrorRate ?? 0),
        syncErrorRate: Math.max(all.syncErrorRate, one.syncErrorRate ?? 0),
        limitBytes: Math.min(all.limitBytes, one.limitBytes ?? MOST_DISK_BYTES),
        stalled: all.stalled || one.stalled === true,
      }),
      NO_FAULTS,
    );
  }
}

/**
 * Throws if a value is out of range or a name is unknown: with a misspelt fault, a run would lack
 * that fault.
 */
export function checkDiskFaults(faults: Partial<DiskFaults>): void {
  for (const [name, value] of Object.entries(faults) as [string, unknown][]) {
    switch (name) {
      case "latency":
        checkDelay("disk", name, value);
        break;
      case "readErrorRate":
      case "writeErrorRate":
      case "syncErrorRate":
        checked("disk", name, value as number, { min: 0, max: 1 });
        break;
      case "freeBytes":
        checked("disk", name, value as number, { min: 0, max: MOST_DISK_BYTES, integer: true });
        break;
      case "stalled":
        if (typeof value === "boolean") break;
        throw new ConfigurationError("out-of-range", `disk: stalled is ${String(value)}; it must be true or false.`);
      default:
        throw noSuchFault(name);
    }
  }
}

const NAMES: Names<DiskFaults> = {
  latency: true,
  readErrorRate: true,
  writeErrorRate: true,
  syncErrorRate: true,
  freeBytes: true,
  stalled: true,
};

function noSuchFault(name: string): ConfigurationError {
  const meant = nearestName(name, Object.keys(NAMES));
  const advice = meant === undefined ? `there are ${Object.keys(NAMES).join(", ")}.` : `did you mean ${meant}?`;
  return new ConfigurationError("unknown-option", `disk: there is no fault "${name}"; ${advice}`);
}
