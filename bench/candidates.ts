/**
 * Everything that is compared, each set to the same policy: at most 100 at once, one second a try,
 * three tries with exponential backoff, a circuit that opens at half of at least 20 calls over ten
 * seconds and stays open for 30 s. The peers are composed as their documentation says, and where it
 * leaves a choice, the cheaper one was taken for them: opossum keeps no percentiles, and neither
 * retries what its own circuit refused. They have no deadline and no retry budget, so they do less.
 */
import {
  bulkhead,
  circuitBreaker,
  ExponentialBackoff,
  handleAll,
  handleWhen,
  isBrokenCircuitError,
  retry,
  SamplingBreaker,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import {
  type ClientOptions,
  PhiAccrualDetector,
  PrimaryBackupFailover,
  ResilientClient,
} from "ground-station-failover";
import CircuitBreaker from "opossum";
import pRetry from "p-retry";
import { byHand } from "./by-hand.ts";

export type Work = () => Promise<number>;

export interface Candidate {
  readonly name: string;
  /** One guarded call of `work`. */
  readonly call: (work: Work) => Promise<number>;
  /**
   * Opens the circuit of a candidate that has made no calls, for longer than the benchmark runs.
   */
  readonly trip: () => Promise<void>;
  /** Gives back timers of its own. */
  readonly end: () => void;
}

export const COCKATIEL = "cockatiel 4";
export const OPOSSUM = "opossum 10 + p-retry";

const READ = { idempotent: true };
const IN_FLIGHT = 100;
const MINIMUM_VOLUME = 20;
const nothing = (): void => {};

export function bareCandidate(): Candidate {
  const refusal = new Error("refused");
  let open = false;
  return {
    name: "bare await",
    call: (work) => (open ? Promise.reject(refusal) : work()),
    trip: async () => {
      open = true;
    },
    end: nothing,
  };
}

export function handCandidate(): Candidate {
  const hand = byHand();
  return { name: "by hand", call: (work) => hand.call(work, true), trip: async () => hand.trip(), end: nothing };
}

/** A call through a primary and a backup, supervised, both heard from. */
export function failoverCandidate(name = "failover"): Candidate {
  const detector = new PhiAccrualDetector({ expectedIntervalMs: 50 });
  const failover = new PrimaryBackupFailover({
    primary: { name: "primary" },
    backup: { name: "backup" },
    detector,
    deadlineMs: 5_000,
    client: {
      timeoutMs: 1_000,
      bulkhead: { maxConcurrent: IN_FLIGHT, maxQueue: IN_FLIGHT, acquireTimeoutMs: 500 },
      breaker: { minimumVolume: MINIMUM_VOLUME },
    },
  });
  const stop = new AbortController();
  void failover.run(stop.signal);
  const beat = setInterval(() => {
    for (const station of ["primary", "backup"]) detector.noteHeartbeat(station);
  }, 50);
  return {
    name,
    call: (work) => failover.call(work, READ),
    trip: async () => undefined,
    end: () => {
      clearInterval(beat);
      stop.abort();
    },
  };
}

/** Ours; `options` to leave layers out or to raise limits. */
export function ourCandidate(name = "ours", options: Partial<ClientOptions<number>> = {}): Candidate {
  const client = new ResilientClient<number>({
    name,
    timeoutMs: 1_000,
    deadlineMs: 5_000,
    bulkhead: { maxConcurrent: IN_FLIGHT, maxQueue: IN_FLIGHT, acquireTimeoutMs: 500 },
    breaker: { minimumVolume: MINIMUM_VOLUME, openDurationMs: 3_600_000 },
    ...options,
  });
  return {
    name,
    call: (work) => client.call(work, READ),
    trip: async () => {
      for (let failure = 0; failure < MINIMUM_VOLUME; failure++) client.breaker?.noteFailure();
    },
    end: nothing,
  };
}

export function cockatielCandidate(maxConcurrent = IN_FLIGHT): Candidate {
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: 30_000,
    breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }),
  });
  const policy = wrap(
    retry(
      handleWhen((error) => !isBrokenCircuitError(error)),
      { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 100 }) },
    ),
    breaker,
    bulkhead(maxConcurrent, maxConcurrent),
    timeout(1_000, TimeoutStrategy.Aggressive),
  );
  return {
    name: COCKATIEL,
    call: (work) => policy.execute(work),
    trip: async () => {
      for (let failure = 0; failure < 100; failure++) {
        await breaker.execute(() => Promise.reject(new Error("failed"))).catch(nothing);
      }
    },
    end: nothing,
  };
}

export function opossumCandidate(maxConcurrent = IN_FLIGHT): Candidate {
  const breaker = new CircuitBreaker((work: Work) => work(), {
    timeout: 1_000,
    errorThresholdPercentage: 50,
    resetTimeout: 30_000,
    capacity: maxConcurrent,
    volumeThreshold: MINIMUM_VOLUME,
    rollingCountTimeout: 10_000,
    rollingCountBuckets: 10,
    rollingPercentilesEnabled: false,
  });
  const shouldRetry = ({ error }: { error: Error }): boolean => !("code" in error && error.code === "EOPENBREAKER");
  return {
    name: OPOSSUM,
    call: (work) => pRetry(() => breaker.fire(work), { retries: 2, minTimeout: 100, shouldRetry }),
    trip: async () => breaker.open(),
    end: () => breaker.shutdown(),
  };
}
