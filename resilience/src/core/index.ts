/** The door to the pure machines: told the time, they return decisions; they hold no clock, timer or promise. */
export { levelForMistakes } from "./adaptive.ts";
export { ArrivalWindow } from "./arrival-window.ts";
export type { BackoffOptions } from "./backoff.ts";
export { Backoff } from "./backoff.ts";
export type { NodeTrace, TraceStep, TraceVerdict } from "./beat-trace.ts";
export { BeatTrace, MOST_TRACE_BEATS, MOST_TRACE_NODES } from "./beat-trace.ts";
export type { BreakerOptions, BreakerState, BreakerStatus, BreakerTransition, Permit } from "./breaker.ts";
export { BreakerMachine, REFUSED } from "./breaker.ts";
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
export type { CalibrationNeeds } from "./calibration-advice.ts";
export type { CalibrationGoal, CalibrationOptions } from "./calibration-goal.ts";
export type { SilenceFigures } from "./calibration-trial.ts";
export type { Deadline } from "./deadline.ts";
export {
  deadlineAt,
  fromGrpcTimeout,
  fromTimeLeftHeader,
  NO_DEADLINE,
  TIME_LEFT_HEADER,
  timeLeftMs,
  toGrpcTimeout,
  toTimeLeftHeader,
} from "./deadline.ts";
export type { DetectionQualityOptions, DetectionQualityStatus } from "./detection-quality.ts";
export { DetectionQualityMachine } from "./detection-quality.ts";
export type { Beat, BeatVerdict, DetectorMachine, SuspicionSource } from "./detector.ts";
export { isProgrammingError, wasConnectionLost, wasLocalShortage, wasNeverSent } from "./error-evidence.ts";
export type { ErrorCode } from "./errors.ts";
export {
  BulkheadFullError,
  ConfigurationError,
  DeadlineExceededError,
  LocalRejection,
  ResilienceError,
} from "./errors.ts";
export type { AdmissionOptions, LoadSign } from "./failover/admission.ts";
export { Admission } from "./failover/admission.ts";
export { AnswerTimes } from "./failover/answer-times.ts";
export type { CommandPathOptions } from "./failover/evidence.ts";
export { StationEvidence } from "./failover/evidence.ts";
export type { Assessment, Evidence, FailbackOptions, FailoverDecision, Promotion } from "./failover/failover.ts";
export { FailoverMachine, MAX_EPOCHS_AHEAD } from "./failover/failover.ts";
export { CallerPatience } from "./failover/patience.ts";
export { TokenBucket } from "./failover/token-bucket.ts";
export type { FixedHeartbeatOptions, HeartbeatStatus } from "./fixed-heartbeat.ts";
export { FixedHeartbeatMachine } from "./fixed-heartbeat.ts";
export { nearestName } from "./nearest-name.ts";
export type { Calendar, Classifier, HttpAnswer, Judgement, Outcome } from "./outcome.ts";
export {
  grpcStatus,
  httpErrorBody,
  httpStatus,
  problemJson,
  reportsError,
} from "./outcome.ts";
export type { PhiAccrualOptions, PhiEstimate } from "./phi-accrual.ts";
export { PhiAccrualMachine } from "./phi-accrual.ts";
export type { Random } from "./random.ts";
export { seededRandom } from "./random.ts";
export { RateWindow } from "./rate-window.ts";
export type { RetryBudgetOptions, RetryBudgetStatus } from "./retry-budget.ts";
export { RetryBudgetMachine } from "./retry-budget.ts";
export type { SlotsStatus } from "./slots.ts";
export { Slots, Waiter } from "./slots.ts";
export type { Accusation, Declaration, Standing, SupervisorOptions } from "./supervisor.ts";
export { SupervisorMachine } from "./supervisor.ts";
export type { GapQuantiles, LossSummary, TrafficSummary } from "./traffic-summary.ts";
