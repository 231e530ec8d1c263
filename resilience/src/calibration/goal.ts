/**
 * The goal of a calibration: how soon silence must be declared, and how rarely a living node may be
 * declared down. Both are promises about one node. A trace of twelve nodes watches twelve at once,
 * so its time counts twelvefold.
 */
import { checked, DURATION_MS } from "../core/options.ts";

/** The goal of a calibration. */
export interface CalibrationOptions {
  /**
   * Silence after a node's last heartbeat within which the node must be declared down. In ms, above
   * 0 and below 2^31. No default: it is your requirement.
   */
  readonly detectWithinMs: number;
  /**
   * Maximum number of false alarms of one node in `perMs`; above 0. No default: it is your
   * requirement.
   */
  readonly falseAlarms: number;
  /** The time in which they are counted. In ms, above 0. No default. */
  readonly perMs: number;
  /** Confidence of every bound; 0.5 … 0.999999. Default 0.95, the usual value. */
  readonly confidence?: number | undefined;
  /**
   * Silences of this length or more are assumed to be real outages, which a detector should
   * declare, and do not count as false alarms. In ms, above `detectWithinMs`. Default ten times
   * `detectWithinMs`: a detector must tolerate shorter ones.
   */
  readonly outageMs?: number | undefined;
}

/** The goal that a calibration was given, with its defaults filled in. */
export interface CalibrationGoal {
  readonly detectWithinMs: number;
  /** Maximum false alarms of one node per ms. */
  readonly alarmsPerMs: number;
  readonly confidence: number;
  readonly outageMs: number;
}

/** Fills in defaults and refuses values that are out of range. */
export function calibrationGoal(options: CalibrationOptions): CalibrationGoal {
  const part = "Calibration";
  const amount = { min: 0, aboveMin: true, max: Number.MAX_SAFE_INTEGER };
  const detectWithinMs = checked(part, "detectWithinMs", options.detectWithinMs, DURATION_MS);
  const falseAlarms = checked(part, "falseAlarms", options.falseAlarms, amount);
  const perMs = checked(part, "perMs", options.perMs, amount);
  return {
    detectWithinMs,
    alarmsPerMs: falseAlarms / perMs,
    confidence: checked(part, "confidence", options.confidence ?? 0.95, { min: 0.5, max: 0.999_999 }),
    outageMs: checked(part, "outageMs", options.outageMs ?? 10 * detectWithinMs, {
      min: detectWithinMs,
      aboveMin: true,
      max: Number.MAX_SAFE_INTEGER,
    }),
  };
}
