/**
 * The main entry point: everything for callers. It uses the system's monotonic clock unless the
 * caller passes another clock.
 *
 * @module ground-station-failover
 */

/// <reference lib="esnext.disposable" preserve="true" />

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
export type { Heartbeat, HeartbeatVerdict } from "./core/detection/detector.ts";
export type { FixedHeartbeatOptions, HeartbeatStatus } from "./core/detection/fixed-heartbeat.ts";
export type { GapModelName } from "./core/detection/gap-model.ts";
export type { PhiAccrualOptions, PhiEstimate } from "./core/detection/phi-accrual-options.ts";
export type { Liveness, LivenessChange, SupervisorOptions } from "./core/detection/supervisor.ts";
export type { ErrorCode, ErrorDetails } from "./core/errors.ts";
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
  NoEligibleStationError,
  OverloadedError,
  RateLimitedError,
  ResilienceError,
  RetryBudgetExhaustedError,
  StaleEpochError,
} from "./core/errors.ts";
export type { AttemptReason } from "./core/failover/call.ts";
export type { FailoverEvent, OverloadFigures } from "./core/failover/events.ts";
export type { CommandPathOptions } from "./core/failover/evidence/evidence.ts";
export type { Assessment, Evidence, FailbackOptions, PlannedCause, PromotionCause } from "./core/failover/failover.ts";
export { RequestCutError } from "./core/failover/learned/patience.ts";
export type { CallOutcome } from "./core/failover/overload/goodput.ts";
export type { Maintenance } from "./core/failover/station.ts";
export type { AdaptiveLimitOptions } from "./core/guard/adaptive-limit.ts";
export type { BackoffOptions } from "./core/guard/backoff.ts";
export type {
  BreakerOptions,
  BreakerState,
  BreakerStatus,
  BreakerTransition,
  Forced,
  ForcedMode,
  Permit,
} from "./core/guard/breaker.ts";
export { REFUSED } from "./core/guard/breaker.ts";
export type { HedgeDelayOptions } from "./core/guard/hedge-delay.ts";
export type { RateLimitOptions, RateLimitStatus } from "./core/guard/rate-limit.ts";
export type { RetryBudgetOptions, RetryBudgetStatus } from "./core/guard/retry-budget.ts";
export { retryRefusalOf } from "./core/guard/retry-refusal.ts";
export type { SlotsStatus } from "./core/guard/slots.ts";
export type { Classification, Outcome } from "./core/outcomes/classification.ts";
export {
  isProgrammingError,
  wasConnectionLost,
  wasLocalShortage,
  wasNeverSent,
} from "./core/outcomes/error-evidence.ts";
export type { Calendar, Classifier, HttpAnswer, HttpAnswerWithBody } from "./core/outcomes/outcome.ts";
export { grpcStatus, httpErrorBody, httpStatus, problemJson } from "./core/outcomes/outcome.ts";
export type { Random } from "./core/random.ts";
export { seededRandom } from "./core/random.ts";
export type { FailureDetector } from "./runtime/detection/detectors.ts";
export { FixedHeartbeatDetector, PhiAccrualDetector } from "./runtime/detection/detectors.ts";
export type { HeartbeatSource } from "./runtime/detection/observer-health.ts";
export { ObserverHealth } from "./runtime/detection/observer-health.ts";
export type { HeartbeatProbe, PollOptions } from "./runtime/detection/poll-heartbeats.ts";
export { pollHeartbeats } from "./runtime/detection/poll-heartbeats.ts";
export type { Abstention, LivenessSupervisorOptions } from "./runtime/detection/supervisor.ts";
export { LivenessSupervisor } from "./runtime/detection/supervisor.ts";
export type { Crossing, SuspicionWatchOptions } from "./runtime/detection/suspicion-watch.ts";
export { SuspicionWatch } from "./runtime/detection/suspicion-watch.ts";
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
export type { OutcomeQuery } from "./runtime/failover/outcome-query.ts";
export type { AdaptiveBulkheadOptions } from "./runtime/guard/adaptive-bulkhead.ts";
export { AdaptiveBulkhead } from "./runtime/guard/adaptive-bulkhead.ts";
export type { AttemptContext, AttemptEnd } from "./runtime/guard/attempt.ts";
export type { CircuitBreakerOptions, ForceOptions } from "./runtime/guard/breaker.ts";
export { CircuitBreaker } from "./runtime/guard/breaker.ts";
export type { BreakerFamilyOptions } from "./runtime/guard/breaker-family.ts";
export { BreakerFamily } from "./runtime/guard/breaker-family.ts";
export type { BulkheadCallOptions, BulkheadOptions } from "./runtime/guard/bulkhead.ts";
export { Bulkhead, PRIORITIES } from "./runtime/guard/bulkhead.ts";
export type { CallOptions, Operation } from "./runtime/guard/call-options.ts";
export type { ClientOptions, RetryOptions } from "./runtime/guard/client.ts";
export { ResilientClient } from "./runtime/guard/client.ts";
export type { ClientEvent } from "./runtime/guard/client-parts.ts";
export type { FallbackOptions, LastGoodOptions, StaleAnswer } from "./runtime/guard/fallback.ts";
export { LastGood, withFallback } from "./runtime/guard/fallback.ts";
export type { HedgeEvent, HedgeOptions, HedgeStatus } from "./runtime/guard/hedge.ts";
export { HedgedClient } from "./runtime/guard/hedge.ts";
export type { RateLimitedCallOptions, RateLimiterOptions } from "./runtime/guard/rate-limiter.ts";
export { RateLimiter } from "./runtime/guard/rate-limiter.ts";
export type { SharedRetryBudgetOptions } from "./runtime/guard/retry-budget.ts";
export { RetryBudget } from "./runtime/guard/retry-budget.ts";
export { ambientDeadline, deadlineAfter, withDeadline, withoutDeadline } from "./runtime/time/ambient-deadline.ts";
export type { Clock } from "./runtime/time/clock.ts";
export { systemClock } from "./runtime/time/system-clock.ts";
