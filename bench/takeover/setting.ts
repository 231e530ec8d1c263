/**
 * The numbers that describe one run: how much load, how fast the stations, how patient the callers,
 * how much the backup takes. Everything else (floors, bounds, the tuned files of the fronts) is
 * computed from these, so that a run at another load is judged by the same rules.
 */

export interface Setting {
  /** Commands a second. */
  readonly rate: number;
  /** What a station takes for one command. */
  readonly latencyMs: number;
  /** A caller leaves this long after its command was due. */
  readonly patienceMs: number;
  /** What the backup takes, as a multiple of the rate. */
  readonly capacityRatio: number;
  /** Length of the measured load. */
  readonly durationS: number;
  /** Moves the fault instants; 0 leaves them as written. */
  readonly seed: number;
}

export const DEFAULT_SETTING: Setting = {
  rate: 200,
  latencyMs: 80,
  patienceMs: 2_000,
  capacityRatio: 1.2,
  durationS: 20,
  seed: 0,
};

/** A station executes a command after this share of its latency, and answers at the end. */
export const EXECUTED_AT_RATIO = 0.5;

/** The backup's token bucket holds this many seconds of the normal rate. */
const BURST_S = 0.24;

export function capacityPerSecond(setting: Setting): number {
  return setting.capacityRatio * setting.rate;
}

export function burstOf(setting: Setting): number {
  return Math.max(1, Math.round(BURST_S * setting.rate));
}

/** True where the backup alone cannot serve the normal load. */
export function isOverloaded(setting: Setting): boolean {
  return setting.capacityRatio < 1;
}

/** A name that holds every number that is not the default, for files and headings. */
export function nameOf(setting: Setting): string {
  const parts = [`${setting.rate}/s`, `patience ${setting.patienceMs / 1_000} s`, `capacity ${setting.capacityRatio}`];
  if (setting.latencyMs !== DEFAULT_SETTING.latencyMs) parts.push(`latency ${setting.latencyMs} ms`);
  if (setting.durationS !== DEFAULT_SETTING.durationS) parts.push(`${setting.durationS} s of load`);
  if (setting.seed !== 0) parts.push(`seed ${setting.seed}`);
  return parts.join(", ");
}
