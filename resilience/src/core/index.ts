/** The door to the pure machines: told the time, they return decisions; they hold no clock, timer or promise. */

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
export { levelForMistakes } from "./detection/adaptive/adaptive.ts";
export { ArrivalWindow } from "./detection/arrival-window.ts";
export type { DetectionQualityOptions, DetectionQualityStatus } from "./detection/detection-quality.ts";
export { DetectionQualityMachine } from "./detection/detection-quality.ts";
export type { Beat, BeatVerdict, DetectorMachine, SuspicionSource } from "./detection/detector.ts";
export type { FixedHeartbeatOptions, HeartbeatStatus } from "./detection/fixed-heartbeat.ts";
export { FixedHeartbeatMachine } from "./detection/fixed-heartbeat.ts";
export type { PhiAccrualOptions, PhiEstimate } from "./detection/phi-accrual.ts";
export { PhiAccrualMachine } from "./detection/phi-accrual.ts";
export type { Accusation, Declaration, Standing, SupervisorOptions } from "./detection/supervisor.ts";
export { SupervisorMachine } from "./detection/supervisor.ts";
export type { ErrorCode } from "./errors.ts";
export {
  BulkheadFullError,
  ConfigurationError,
  DeadlineExceededError,
  LocalRejection,
  ResilienceError,
} from "./errors.ts";
export type { AdmissionOptions, LoadSign } from "./failover/admission/admission.ts";
export { Admission } from "./failover/admission/admission.ts";
export { TokenBucket } from "./failover/admission/token-bucket.ts";
export type { CommandPathOptions } from "./failover/evidence/evidence.ts";
export { StationEvidence } from "./failover/evidence/evidence.ts";
export type { Assessment, Evidence, FailbackOptions, FailoverDecision, Promotion } from "./failover/failover.ts";
export { FailoverMachine, MAX_EPOCHS_AHEAD } from "./failover/failover.ts";
export { AnswerTimes } from "./failover/learned/answer-times.ts";
export { CallerPatience } from "./failover/learned/patience.ts";
export type { BackoffOptions } from "./guard/backoff.ts";
export { Backoff } from "./guard/backoff.ts";
export type { BreakerOptions, BreakerState, BreakerStatus, BreakerTransition, Permit } from "./guard/breaker.ts";
export { BreakerMachine, REFUSED } from "./guard/breaker.ts";
export { RateWindow } from "./guard/rate-window.ts";
export type { RetryBudgetOptions, RetryBudgetStatus } from "./guard/retry-budget.ts";
export { RetryBudgetMachine } from "./guard/retry-budget.ts";
export type { SlotsStatus } from "./guard/slots.ts";
export { Slots, Waiter } from "./guard/slots.ts";
export { nearestName } from "./nearest-name.ts";
export { isProgrammingError, wasConnectionLost, wasLocalShortage, wasNeverSent } from "./outcomes/error-evidence.ts";
export type { Judgement, Outcome } from "./outcomes/judgement.ts";
export type { Calendar, Classifier, HttpAnswer } from "./outcomes/outcome.ts";
export {
  grpcStatus,
  httpErrorBody,
  httpStatus,
  problemJson,
  reportsError,
} from "./outcomes/outcome.ts";
export type { Random } from "./random.ts";
export { seededRandom } from "./random.ts";
