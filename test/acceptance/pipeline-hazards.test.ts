/**
 * Promise [C5]: a pipeline that contradicts itself is refused when it is made, with the hazard
 * named.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Bulkhead,
  CircuitBreaker,
  type ClientOptions,
  ConfigurationError,
  ResilientClient,
  RetryBudget,
} from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

function hazardOf(options: Omit<ClientOptions, "name">): string | undefined {
  try {
    new ResilientClient({ name: "uplink", ...options });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.equal(error.code, "INVALID_CONFIGURATION");
    assert.match(error.message, /ResilientClient uplink|Bulkhead|CircuitBreaker|RetryBudget|backoff/);
    return error.hazard;
  }
}

const CASES: readonly [hazard: string, refused: Omit<ClientOptions, "name">, allowed: Omit<ClientOptions, "name">][] = [
  ["timeout-exceeds-deadline", { timeoutMs: 5_001, deadlineMs: 5_000 }, { timeoutMs: 5_000, deadlineMs: 5_000 }],
  ["timeout-exceeds-deadline", { timeoutMs: Number.POSITIVE_INFINITY, deadlineMs: 5_000 }, { deadlineMs: 50 }],
  [
    "queue-wait-not-below-timeout",
    { timeoutMs: 100, bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 100 } },
    { timeoutMs: 100, bulkhead: { maxConcurrent: 1, acquireTimeoutMs: 99 } },
  ],
  [
    "retries-multiply",
    { retry: { maxAttempts: 3, downstreamAttempts: 3 } },
    { retry: { maxAttempts: 1, downstreamAttempts: 3 } },
  ],
  [
    "retries-multiply",
    { retry: { downstreamAttempts: new ResilientClient({ name: "below" }) } },
    { retry: { downstreamAttempts: new ResilientClient({ name: "below", retry: false }) } },
  ],
  ["backoff-exceeds-deadline", { deadlineMs: 100, retry: { baseMs: 100 } }, { deadlineMs: 100, retry: { baseMs: 99 } }],
  ["deadline-below-minimum", { deadlineMs: 100, minTimeLeftMs: 100 }, { deadlineMs: 100, minTimeLeftMs: 99 }],
  [
    "probe-lease-below-timeout",
    { timeoutMs: 5_000, breaker: { probeLeaseMs: 4_999 } },
    { timeoutMs: 5_000, breaker: { openDurationMs: 10 } },
  ],
  ["clocks-differ", { clock: new VirtualClock(), breaker: new CircuitBreaker() }, { breaker: new CircuitBreaker() }],
  [
    "clocks-differ",
    { clock: new VirtualClock(), retry: { budget: new RetryBudget() } },
    { retry: { budget: new RetryBudget() } },
  ],
  [
    "clocks-differ",
    { bulkhead: new Bulkhead({ maxConcurrent: 1, clock: new VirtualClock() }) },
    { bulkhead: new Bulkhead({ maxConcurrent: 1 }) },
  ],
];

for (const [place, [hazard, refused, allowed]] of CASES.entries()) {
  test(`[C5] ${hazard} (case ${place + 1}): refused by name, and what lies just beside it is allowed`, () => {
    assert.equal(hazardOf(refused), hazard);
    assert.equal(hazardOf(allowed), undefined);
  });
}

test("[C5] three layers of three attempts: each knows what is below it, so the second already is refused", () => {
  const lowest = new ResilientClient({ name: "lowest" });
  assert.equal(lowest.maxAttempts, 3);
  const middle = new ResilientClient({ name: "middle", retry: { maxAttempts: 1, downstreamAttempts: lowest } });
  assert.equal(middle.maxAttempts, 3);
  assert.equal(hazardOf({ retry: { downstreamAttempts: middle } }), "retries-multiply");
});

test("[C5] single values out of range are refused too, each with its name and value", () => {
  for (const options of [
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { deadlineMs: -1 },
    { minTimeLeftMs: Number.NaN },
    { retry: { maxAttempts: 0 } },
    { retry: { maxAttempts: 101 } },
    { retry: { downstreamAttempts: 0 } },
    { retry: { maxRetryAfterMs: -1 } },
    { retry: { jitter: "lots" as "full" } },
    { retry: { budget: { ratio: 2 } } },
    { breaker: { openDurationMs: Number.NaN } },
    { bulkhead: { maxConcurrent: 0 } },
  ] satisfies Omit<ClientOptions, "name">[]) {
    assert.equal(hazardOf(options), "out-of-range", JSON.stringify(options));
  }
});

test("[C5] the defaults contradict nothing, whatever deadline is chosen", () => {
  for (const deadlineMs of [1, 50, 5_000, 3_600_000]) assert.equal(hazardOf({ deadlineMs }), undefined);
});
