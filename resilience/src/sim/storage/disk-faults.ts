/**
 * What can be wrong with a simulated disk while it runs, as conditions that are imposed and taken
 * away again. Several at once stack as on a network link: delays add up, the highest error rate and
 * the least room rule, and any stall stalls. Plain data, so that a list of faults can be written
 * into a replay. What a crash does to a disk is in `disk.ts`.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import { checked, type Names } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { checkDelay, type Delay, type DelaySource, delaySource } from "../network/link.ts";

/** The faults of a disk. */
export interface DiskFaults {
  /** Added to what every operation takes anyway. Default: nothing. */
  readonly latency: Delay;
  /** Share of reads and listings that fail with EIO, 0..1. Default 0. */
  readonly readErrorRate: number;
  /**
   * Share of changes that fail with EIO, 0..1; of a failed write or append some first bytes may be
   * there. Default 0.
   */
  readonly writeErrorRate: number;
  /**
   * Share of syncs that fail with EIO, 0..1. What they covered is lost by chance, for good. Default
   * 0.
   */
  readonly syncErrorRate: number;
  /**
   * Room left from now on, in bytes; what does not fit is cut off there and fails with ENOSPC.
   * Default: no limit.
   */
  readonly freeBytes: number;
  /** Nothing completes, also what was begun before, until this is taken away. Default false. */
  readonly stalled: boolean;
}

/** All that is imposed at an instant, taken together. */
export interface CombinedFaults extends Omit<DiskFaults, "freeBytes" | "latency"> {
  /** To be added up. */
  readonly latencies: readonly DelaySource[];
  /** How much all files may hold together. */
  readonly limitBytes: number;
}

/**
 * No simulated disk is larger: beyond this a run would eat the memory of the machine that simulates
 * it.
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

  /** `random`: from which bursts of latency follow. */
  constructor(random: Random) {
    this.#random = random;
  }

  get combined(): CombinedFaults {
    return this.#combined;
  }

  /**
   * Imposes `faults` on a disk that holds `usedBytes`; returns what takes exactly these away, once.
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
 * Throws where a value is out of range or a name is none: a misspelt fault would be a run without
 * it.
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
