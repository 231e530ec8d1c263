/**
 * The entry point for calibration. From a trace of heartbeats, it chooses a detector and its level,
 * and states the cost of that choice; each value has its bounds. It is pure, like the machines of
 * `core`.
 *
 * @module ground-station-failover/calibration
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { CalibrationNeeds } from "./advice.ts";
export type {
  CalibrationEvidence,
  CalibrationProgress,
  CalibrationRefusal,
  CalibrationResult,
  DetectorRecommendation,
  TradeOffCurve,
  TradeOffPoint,
} from "./calibration.ts";
export { calibrate, calibrationSteps, MIN_GAPS } from "./calibration.ts";
export type { PhiModel } from "./candidates.ts";
export type { CalibrationGoal, CalibrationOptions } from "./goal.ts";
export type { NodeTrace, TraceStep, TraceVerdict } from "./heartbeat-trace.ts";
export { HeartbeatTrace, MAX_TRACE_HEARTBEATS, MAX_TRACE_NODES } from "./heartbeat-trace.ts";
export type { GapQuantiles, LossSummary, TrafficSummary } from "./traffic-summary.ts";
export type { SilenceFigures } from "./trial.ts";
