/**
 * When a supervisor suspects, declares and clears, with the reason for each default. Thresholds are
 * levels of whichever detector it reads; durations are what keeps a discrete statement from
 * following every twitch of a continuous level.
 */
import { ConfigurationError } from "../errors.ts";
import { checked, checkNames, DURATION_MS, type Names, WAIT_MS } from "../options.ts";

/**
 * Options that decide when suspicion becomes a declaration, and when a declaration is taken back.
 */
export interface SupervisorOptions {
  /** Level from which on a node is suspected: no new traffic, but not yet down. Default 5. */
  readonly suspectThreshold?: number;
  /** Level from which on a node is declared down, at least suspectThreshold. Default 8. */
  readonly declareThreshold?: number;
  /**
   * Level below which a suspected or down node is alive again, below suspectThreshold. Default 2.
   */
  readonly clearThreshold?: number;
  /**
   * How long in ms a level must be seen at declareThreshold or above before it is declared. Default
   * 0.
   */
  readonly sustainMs?: number;
  /**
   * How long in ms a node that was declared down stays so at least. Default 1000. 0 switches flap
   * damping off too.
   */
  readonly minDwellMs?: number;
  /**
   * Flap damping, in ms: each declaration of a node at most this long after its last one doubles
   * its dwell; and a node suspected five times within it stays suspected until it has been quiet
   * for twice the usual time between these. Default 60,000.
   */
  readonly flapWindowMs?: number;
  /**
   * The longest that either damping takes, in ms, from minDwellMs to flapWindowMs. Default
   * 30,000, or whichever bound is nearer.
   */
  readonly maxDwellMs?: number;
  /**
   * How long in ms a watched node may be never heard from before it is declared down. Default 5000.
   */
  readonly gracePeriodMs?: number;
  /**
   * How often in ms nodes that are not alive are looked at for recovery; also the polling interval
   * where the source cannot tell when a level will be reached. Default 50: one beat of the fastest
   * path planned for.
   */
  readonly recheckMs?: number;
  /**
   * Silence in ms that is always declared, whatever the level. Default Infinity: the detectors have
   * a ceiling of their own.
   */
  readonly ceilingMs?: number;
}

export const SUPERVISOR_NAMES: Names<SupervisorOptions> = {
  suspectThreshold: true,
  declareThreshold: true,
  clearThreshold: true,
  sustainMs: true,
  minDwellMs: true,
  flapWindowMs: true,
  maxDwellMs: true,
  gracePeriodMs: true,
  recheckMs: true,
  ceilingMs: true,
};

/** Fills in defaults and refuses what is out of range or contradicts itself. */
export function completeSupervisorOptions(options: SupervisorOptions): Required<SupervisorOptions> {
  const part = "LivenessSupervisor";
  checkNames(part, options, SUPERVISOR_NAMES);
  const levels = { min: 0, aboveMin: true, max: Number.MAX_VALUE };
  const endless = { min: 0, aboveMin: true, max: Number.POSITIVE_INFINITY };
  const suspectThreshold = checked(part, "suspectThreshold", options.suspectThreshold ?? 5, levels);
  const declareThreshold = checked(part, "declareThreshold", options.declareThreshold ?? 8, levels);
  const clearThreshold = checked(part, "clearThreshold", options.clearThreshold ?? 2, levels);
  if (clearThreshold >= suspectThreshold || suspectThreshold > declareThreshold) {
    throw new ConfigurationError(
      "thresholds-out-of-order",
      `${part}: clearThreshold (${clearThreshold}) must be below suspectThreshold (${suspectThreshold}), ` +
        `and that at most declareThreshold (${declareThreshold}).`,
    );
  }
  const minDwellMs = checked(part, "minDwellMs", options.minDwellMs ?? 1000, {
    ...DURATION_MS,
    aboveMin: false,
  });
  const flapWindowMs = checked(part, "flapWindowMs", options.flapWindowMs ?? Math.max(60_000, minDwellMs), DURATION_MS);
  const dwellRange = { min: minDwellMs, max: Math.max(minDwellMs, flapWindowMs) };
  const longestMs = options.maxDwellMs ?? Math.min(Math.max(30_000, dwellRange.min), dwellRange.max);
  return {
    suspectThreshold,
    declareThreshold,
    clearThreshold,
    sustainMs: checked(part, "sustainMs", options.sustainMs ?? 0, { ...DURATION_MS, aboveMin: false }),
    minDwellMs,
    flapWindowMs,
    maxDwellMs: checked(part, "maxDwellMs", longestMs, dwellRange),
    gracePeriodMs: checked(part, "gracePeriodMs", options.gracePeriodMs ?? 5000, WAIT_MS),
    recheckMs: checked(part, "recheckMs", options.recheckMs ?? 50, DURATION_MS),
    ceilingMs: checked(part, "ceilingMs", options.ceilingMs ?? Number.POSITIVE_INFINITY, endless),
  };
}
