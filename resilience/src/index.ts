/** The main door: everything for callers, bound to the system's monotonic clock unless given another one. */
export { levelForMistakes } from "./core/adaptive.ts";
export type { BackoffOptions } from "./core/backoff.ts";
export type { BreakerOptions, BreakerState, BreakerStatus, BreakerTransition, Permit } from "./core/breaker.ts";
export { REFUSED } from "./core/breaker.ts";
export type { Deadline } from "./core/deadline.ts";
export {
  deadlineAt,
  fromGrpcTimeout,
  fromTimeLeftHeader,
  NO_DEADLINE,
  TIME_LEFT_HEADER,
  timeLeftMs,
  toGrpcTimeout,
  toTimeLeftHeader,
} from "./core/deadline.ts";
export type { DetectionQualityOptions, DetectionQualityStatus } from "./core/detection-quality.ts";
export { DetectionQualityMachine } from "./core/detection-quality.ts";
export type { Beat, BeatVerdict } from "./core/detector.ts";
export { isProgrammingError, wasConnectionLost, wasLocalShortage, wasNeverSent } from "./core/error-evidence.ts";
export type { ErrorCode } from "./core/errors.ts";
export {
  AmbiguousOutcomeError,
  AttemptTimeoutError,
  BreakerOpenError,
  BulkheadFullError,
  BulkheadTimeoutError,
  CallAbortedError,
  ConfigurationError,
  DeadlineExceededError,
  DownstreamError,
  FaultInjectedError,
  LocalRejection,
  LocalShortageError,
  NoStationFitError,
  OverloadedError,
  ResilienceError,
  RetryBudgetExhaustedError,
  StaleEpochError,
} from "./core/errors.ts";
export type { AttemptReason } from "./core/failover/call.ts";
export type { FailoverEvent, OverloadFigures } from "./core/failover/events.ts";
export type { CommandPathOptions } from "./core/failover/evidence.ts";
export type { Assessment, Evidence, FailbackOptions, PlannedCause, PromotionCause } from "./core/failover/failover.ts";
export { MAX_EPOCHS_AHEAD } from "./core/failover/failover.ts";
export type { CallOutcome } from "./core/failover/goodput.ts";
export { RequestCutError } from "./core/failover/patience.ts";
export type { Maintenance } from "./core/failover/station.ts";
export type { FixedHeartbeatOptions, HeartbeatStatus } from "./core/fixed-heartbeat.ts";
export type { Calendar, Classifier, HttpAnswer, Judgement, Outcome } from "./core/outcome.ts";
export {
  grpcStatus,
  httpErrorBody,
  httpStatus,
  problemJson,
  reportsError,
} from "./core/outcome.ts";
export type { PhiAccrualOptions, PhiEstimate } from "./core/phi-accrual.ts";
export type { Random } from "./core/random.ts";
export { seededRandom } from "./core/random.ts";
export type { RetryBudgetOptions, RetryBudgetStatus } from "./core/retry-budget.ts";
export { retryRefusalOf } from "./core/retry-refusal.ts";
export type { SlotsStatus } from "./core/slots.ts";
export type { Declaration, Standing, SupervisorOptions } from "./core/supervisor.ts";
export { ambientDeadline, deadlineAfter, withDeadline, withoutDeadline } from "./runtime/ambient-deadline.ts";
export type { AttemptContext } from "./runtime/attempt.ts";
export type { CircuitBreakerOptions } from "./runtime/breaker.ts";
export { CircuitBreaker } from "./runtime/breaker.ts";
export type { BulkheadCallOptions, BulkheadOptions } from "./runtime/bulkhead.ts";
export { Bulkhead } from "./runtime/bulkhead.ts";
export type { CallOptions, CallSink, Operation } from "./runtime/call-options.ts";
export type { ClientOptions, RetryOptions } from "./runtime/client.ts";
export { ResilientClient } from "./runtime/client.ts";
export type { AttemptListener, ClientEvent } from "./runtime/client-parts.ts";
export type { Clock } from "./runtime/clock.ts";
export type { FailureDetector } from "./runtime/detectors.ts";
export { FixedHeartbeatDetector, PhiAccrualDetector } from "./runtime/detectors.ts";
export { PrimaryBackupFailover } from "./runtime/failover/failover.ts";
export type { FailoverContext, FailoverOperation, KeyStatus } from "./runtime/failover/operation.ts";
export type {
  FailoverOptions,
  FailoverStatus,
  Lease,
  NamedStation,
  RampOptions,
  StationClientOptions,
  StationStatus,
} from "./runtime/failover/options.ts";
export type { AskForKey } from "./runtime/failover/outcome-query.ts";
export { Hearing } from "./runtime/hearing.ts";
export type { SharedRetryBudgetOptions } from "./runtime/retry-budget.ts";
export { RetryBudget } from "./runtime/retry-budget.ts";
export type { Abstention, LivenessSupervisorOptions } from "./runtime/supervisor.ts";
export { LivenessSupervisor } from "./runtime/supervisor.ts";
export type { Crossing, SuspicionWatchOptions } from "./runtime/suspicion-watch.ts";
export { SuspicionWatch } from "./runtime/suspicion-watch.ts";
export { systemClock } from "./runtime/system-clock.ts";
