/**
 * Rule C5: combinations of settings that each look reasonable and together do harm. They are
 * refused when a client is created, each under a stable name and with its numbers, so that they do
 * not cause an incident later. What one client's settings cannot show (which other layers retry,
 * how slow the service is) is not checked here.
 */
import { ConfigurationError } from "../../core/errors.ts";
import type { Clock } from "../time/clock.ts";
import type { CircuitBreaker } from "./breaker.ts";
import type { Bulkhead } from "./bulkhead.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** The settings of a client that can contradict each other. */
export interface PipelineSettings {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly minTimeLeftMs: number;
  readonly maxAttempts: number;
  readonly downstreamAttempts: number;
  /** Undefined if the user did not set it. */
  readonly baseMs: number | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly breaker: CircuitBreaker | undefined;
  readonly budget: RetryBudget | undefined;
}

/** Throws {@link ConfigurationError} with the hazard's name if settings contradict each other. */
export function refuseHazards(part: string, at: PipelineSettings): void {
  for (const hazard of HAZARDS) {
    const harm = hazard.harm(at);
    if (harm !== undefined) throw new ConfigurationError(hazard.name, `${part}: ${harm}`);
  }
}

interface Hazard {
  readonly name: string;
  /** What would happen, in a sentence with its numbers; undefined if it cannot happen. */
  harm(at: PipelineSettings): string | undefined;
}

const HAZARDS: readonly Hazard[] = [
  {
    name: "timeout-exceeds-deadline",
    harm: (at) =>
      at.timeoutMs > at.deadlineMs
        ? `timeoutMs ${at.timeoutMs} is more than deadlineMs ${at.deadlineMs}: the deadline would always end the attempt first, and the breaker would never see a timeout.`
        : undefined,
  },
  {
    name: "queue-wait-not-below-timeout",
    harm: ({ bulkhead, timeoutMs }) =>
      bulkhead !== undefined && bulkhead.acquireTimeoutMs >= timeoutMs && timeoutMs !== Number.POSITIVE_INFINITY
        ? `the bulkhead's acquireTimeoutMs ${bulkhead.acquireTimeoutMs} is not below timeoutMs ${timeoutMs}: callers would queue for longer than the work may take.`
        : undefined,
  },
  {
    name: "retries-multiply",
    harm: (at) =>
      at.maxAttempts > 1 && at.downstreamAttempts > 1
        ? `${at.maxAttempts} attempts here times ${at.downstreamAttempts} below are ${at.maxAttempts * at.downstreamAttempts} at the end of the line: let one layer retry (retry: false in the other).`
        : undefined,
  },
  {
    name: "backoff-exceeds-deadline",
    harm: (at) =>
      at.maxAttempts > 1 && at.baseMs !== undefined && at.baseMs >= at.deadlineMs
        ? `retry.baseMs ${at.baseMs} is not below deadlineMs ${at.deadlineMs}: hardly a retry would ever be in time.`
        : undefined,
  },
  {
    name: "deadline-below-minimum",
    harm: (at) =>
      at.minTimeLeftMs >= at.deadlineMs
        ? `minTimeLeftMs ${at.minTimeLeftMs} is not below deadlineMs ${at.deadlineMs}: no call would ever be started.`
        : undefined,
  },
  {
    name: "probe-lease-below-timeout",
    harm: ({ breaker, timeoutMs }) =>
      breaker !== undefined && breaker.probeLeaseMs < timeoutMs && timeoutMs !== Number.POSITIVE_INFINITY
        ? `the breaker's probeLeaseMs ${breaker.probeLeaseMs} is below timeoutMs ${timeoutMs}: a probe that is slow but within its timeout would count as failed.`
        : undefined,
  },
  {
    name: "clocks-differ",
    harm: ({ clock, breaker, bulkhead, budget }) => {
      const other = [breaker, bulkhead, budget].find((shared) => shared !== undefined && shared.clock !== clock);
      return other === undefined
        ? undefined
        : `its ${other.constructor.name} runs on another clock: instants of one axis mean nothing on another; give both the same \`clock\`.`;
    },
  },
];
