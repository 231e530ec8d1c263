/**
 * The entry point for the pure machines. They get the time as an argument and return decisions;
 * they hold no clock, timer or promise. The main entry point exports what callers need as well:
 * errors, deadlines, classifiers, random numbers and the options of the machines.
 *
 * @module ground-station-failover/core
 */

/// <reference lib="esnext.disposable" preserve="true" />

export { levelForMistakes } from "./detection/adaptive/adaptive.ts";
export { ArrivalWindow } from "./detection/arrival-window.ts";
export type { DetectionQualityOptions, DetectionQualityStatus } from "./detection/detection-quality.ts";
export { DetectionQualityMachine } from "./detection/detection-quality.ts";
export type { DetectorMachine, SuspicionSource } from "./detection/detector.ts";
export { FixedHeartbeatMachine } from "./detection/fixed-heartbeat.ts";
export { phiAccrualMachine } from "./detection/phi-accrual.ts";
export type { PhiAccrualMachine } from "./detection/phi-accrual-options.ts";
export type { PendingChange } from "./detection/supervisor.ts";
export { SupervisorMachine } from "./detection/supervisor.ts";
export type { AdmissionOptions, LoadSign } from "./failover/admission/admission.ts";
export { Admission } from "./failover/admission/admission.ts";
export type { Crowd } from "./failover/admission/crowding.ts";
export { TokenBucket } from "./failover/admission/token-bucket.ts";
export type { UsualShare } from "./failover/evidence/accidents.ts";
export { StationEvidence } from "./failover/evidence/evidence.ts";
export type { FailoverDecision, Promotion } from "./failover/failover.ts";
export { FailoverMachine, MAX_EPOCHS_AHEAD } from "./failover/failover.ts";
export { AnswerTimes } from "./failover/learned/answer-times.ts";
export { CallerPatience } from "./failover/learned/patience.ts";
export { TIMING_TERMS, takeoverBounds, USUAL_SURROUNDINGS } from "./failover/timing-budget.ts";
export type {
  Surroundings,
  TakeoverBound,
  TakeoverFault,
  TimingPart,
  TimingSetting,
  TimingSettings,
  TimingSource,
  TimingTerm,
  TimingTermName,
} from "./failover/timing-terms.ts";
export type { LimitSample } from "./guard/adaptive-limit.ts";
export { AdaptiveLimitMachine } from "./guard/adaptive-limit.ts";
export { Backoff } from "./guard/backoff.ts";
export { BreakerMachine } from "./guard/breaker.ts";
export { HedgeDelay } from "./guard/hedge-delay.ts";
export { RateLimitMachine } from "./guard/rate-limit.ts";
export { RateWindow } from "./guard/rate-window.ts";
export { RetryBudgetMachine } from "./guard/retry-budget.ts";
export { Slots, Waiter } from "./guard/slots.ts";
export { nearestName } from "./nearest-name.ts";
export type { Complete } from "./options.ts";
export { reportsError } from "./outcomes/outcome.ts";
