/** The door to the pure machines: told the time, they return decisions; they hold no clock, timer or promise. */
export type { BackoffOptions } from "./backoff.ts";
export { Backoff } from "./backoff.ts";
export type { BreakerOptions, BreakerState, BreakerStatus, BreakerTransition, Permit } from "./breaker.ts";
export { BreakerMachine, REFUSED } from "./breaker.ts";
export type { Beat, BeatVerdict, DetectorMachine, SuspicionSource } from "./detector.ts";
export { RateWindow } from "./rate-window.ts";
export type { RetryBudgetOptions, RetryBudgetStatus } from "./retry-budget.ts";
export { RetryBudgetMachine } from "./retry-budget.ts";
export { Slots, Waiter } from "./slots.ts";
