/**
 * The door to calibration: from a trace of heartbeats to a detector, its level and what that costs,
 * each with its bounds. Pure, as the machines are.
 */

export type { CalibrationNeeds } from "./advice.ts";
export type { NodeTrace, TraceStep, TraceVerdict } from "./beat-trace.ts";
export { BeatTrace, MOST_TRACE_BEATS, MOST_TRACE_NODES } from "./beat-trace.ts";
export type {
  CalibrationEvidence,
  CalibrationProgress,
  CalibrationRefusal,
  CalibrationResult,
  DetectorRecommendation,
  TradeOffCurve,
  TradeOffPoint,
} from "./calibration.ts";
export { calibrate, calibrationSteps, FEWEST_GAPS } from "./calibration.ts";
export type { CalibrationGoal, CalibrationOptions } from "./goal.ts";
export type { GapQuantiles, LossSummary, TrafficSummary } from "./traffic-summary.ts";
export type { SilenceFigures } from "./trial.ts";
