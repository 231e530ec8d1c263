/**
 * When a supervisor suspects, declares and clears a node, with the reason for each default.
 * Thresholds are levels of the detector that it reads. Durations stop a discrete declaration from
 * following every small change of a continuous level.
 */
import { ConfigurationError } from "../errors.ts";
import { type Complete, checked, checkNames, DURATION_MS, type Names, WAIT_MS } from "../options.ts";

/**
 * Options that decide when suspicion becomes a declaration, and when the supervisor withdraws a
 * declaration.
 */
export interface SupervisorOptions {
  /**
   * Level from which on a node is suspected: no new traffic, but not yet down. Above
   * `clearThreshold`, at most `declareThreshold`. Default 5: suspicion has little effect, so it may
   * be wrong a thousand times as often as a declaration.
   */
  readonly suspectThreshold?: number | undefined;
  /**
   * Level from which on a node is declared down; at least `suspectThreshold`. Default 8: with the
   * fitted models, one silence in 10^8 reaches it by chance; with the adaptive one, it means one
   * mistake an hour.
   */
  readonly declareThreshold?: number | undefined;
  /**
   * Level below which a suspected or down node is alive again; above 0, below `suspectThreshold`.
   * Default 2: far enough below suspicion that a fluctuating level does not flap.
   */
  readonly clearThreshold?: number | undefined;
  /**
   * How long a level must stay at `declareThreshold` or above before the node is declared down. In
   * ms, from 0, below 2^31. Default 0: a declaration already needs an improbable silence.
   */
  readonly sustainMs?: number | undefined;
  /**
   * Minimum time for which a node that was declared down stays down. In ms, from 0, below 2^31; 0
   * also switches flap damping off. Default 1,000: a node that comes and goes within a second is of
   * no use.
   */
  readonly minDwellMs?: number | undefined;
  /**
   * Flap damping: if a node is declared again within this time after its last declaration, its
   * dwell doubles. A node that is suspected five times within it stays suspected until it has been
   * quiet for twice the usual time between these suspicions. In ms, above 0 and below 2^31. Default
   * 60,000, or `minDwellMs` if that is more: a node that fails once a minute is flapping.
   */
  readonly flapWindowMs?: number | undefined;
  /**
   * Maximum of either damping. In ms, from `minDwellMs` to `flapWindowMs`. Default 30,000, or the
   * nearer bound: a node that has recovered is not kept away for longer.
   */
  readonly maxDwellMs?: number | undefined;
  /**
   * How long a watched node may remain never heard from before it is declared down. In ms, from 0;
   * `Infinity` for no limit. Default 5,000: time for a node that starts together with its observer.
   */
  readonly gracePeriodMs?: number | undefined;
  /**
   * How often nodes that are not alive are checked for recovery. It is also the polling interval if
   * the source cannot predict when a level will be reached. In ms, above 0 and below 2^31. Default
   * 50: one beat of the fastest planned path.
   */
  readonly recheckMs?: number | undefined;
  /**
   * Silence that is always declared, at any level. In ms, above 0. Default `Infinity`: the
   * detectors have a ceiling of their own.
   */
  readonly ceilingMs?: number | undefined;
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

/** Fills in defaults and refuses values that are out of range or contradict each other. */
export function completeSupervisorOptions(options: SupervisorOptions): Complete<SupervisorOptions> {
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
