/**
 * The entry point for injecting faults on purpose. `chaos.ts` says which faults exist and how they
 * end.
 *
 * @module ground-station-failover/chaos
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type {
  ChaosOptions,
  DropOptions,
  ErrorOptions,
  FaultContext,
  LatencyOptions,
  LyingSuccessOptions,
  SlowBodyOptions,
} from "./chaos.ts";
export { Chaos } from "./chaos.ts";
export type { Distribution } from "./distribution.ts";
export type { FaultKind } from "./fault.ts";
export type { FaultStatus } from "./injector.ts";
export type { Ramp, ScheduleOptions } from "./schedule.ts";
