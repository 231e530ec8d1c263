/**
 * The circuit breaker as a pure machine. It compares the failure rate over a sliding time window
 * with a threshold, once the window holds a minimum number of calls. A rate works for any traffic:
 * fifty failures are a day's at one station and a second's at another (the circuit of incident
 * CN-2702-003 tripped on a count).
 *
 *                       failure rate or slow rate reached, floor reached
 *            ┌────────┐ ─────────────────────────────────────────────────► ┌──────┐
 *            │ closed │                                                    │ open │ ◄──┐
 *            └────────┘ ◄──────────┐                                       └──────┘    │ a probe fails,
 *                                  │ enough probes                    open duration    │ or its lease
 *                                  │ succeed       ┌───────────┐ ◄──────── over ┘      │ ends
 *                                  └────────────── │ half-open │ ──────────────────────┘
 *                                                  └───────────┘
 *
 * If no other station can serve, calls are made past an open circuit. If enough of them succeed,
 * they end its open duration too.
 *
 * Every permit carries the breaker's generation, which each transition raises; a result of an older
 * generation changes nothing. A probe holds a lease with a number of its own. So a probe that hangs
 * cannot block the breaker, and a probe that reports twice or too late cannot answer for another.
 * Excess callers are refused and told when the next probe is due; none is made to wait. There is no
 * timer: the machine checks the time when it is asked. It is one file because it is one state
 * machine.
 *
 * An operator can hold it open, or make it let everything pass, for a reason and a time; see
 * {@link BreakerMachine.force}. After the probes a ramp may let a growing share of the calls pass.
 *
 * Sources: Nygard, Release It! (2nd ed., 2018), ch. 5; sliding-window rates as in Hystrix, Polly
 * and resilience4j.
 */
import {
  COUNT,
  checked,
  checkMethods,
  checkName,
  checkNames,
  DURATION_MS,
  type Names,
  RATE,
  refusal,
  WAIT_MS,
} from "../options.ts";
import { type Random, seededRandom } from "../random.ts";
import { RateWindow } from "./rate-window.ts";

/** State of a circuit breaker. */
export type BreakerState = "closed" | "open" | "half-open";

/**
 * Options of a circuit breaker: when it opens, how long it stays open, and how it tests the service
 * again.
 */
export interface BreakerOptions {
  /**
   * Share of failed calls in the window at which the circuit opens; above 0, at most 1. Default
   * 0.5: below that, most calls still succeed.
   */
  readonly failureRateThreshold?: number | undefined;
  /**
   * Share of slow calls in the window at which the circuit opens; above 0, at most 1. Default 0.5,
   * as for failures; without effect unless calls are timed.
   */
  readonly slowCallRateThreshold?: number | undefined;
  /**
   * Calls longer than this are slow. In ms, from 0. Default `Infinity`, no call is slow: only the
   * caller knows what is too long for it.
   */
  readonly slowCallDurationMs?: number | undefined;
  /**
   * Minimum number of calls in the window before its rates are judged; a whole number from 1, below
   * 2^31. Default 20: 5 failures of 5 may be chance, 10 of 20 are not.
   */
  readonly minimumVolume?: number | undefined;
  /**
   * Length of the sliding window. In ms, above 0 and below 2^31. Default 10,000: long compared with
   * a burst, short compared with a takeover.
   */
  readonly windowMs?: number | undefined;
  /**
   * How long the circuit stays open before it lets a probe through. In ms, above 0 and below 2^31.
   * Default 30,000: time for the service to recover.
   */
  readonly openDurationMs?: number | undefined;
  /**
   * The longest open duration, before `openJitter`. Each time that the probes fail, the circuit
   * stays open twice as long as before, up to this; once it has closed, `openDurationMs` counts
   * again. In ms, from `openDurationMs`, below 2^31. Default `openDurationMs`: it stays the same,
   * and the recovery is noticed soon.
   */
  readonly maxOpenDurationMs?: number | undefined;
  /**
   * By what share an open duration is lengthened at random, so that many processes do not send
   * their probes at the same instant; 0 … 1. Default 0.
   */
  readonly openJitter?: number | undefined;
  /**
   * Random numbers for `openJitter`. Default: a stream seeded from the breaker's name and its
   * clock; of the machine alone, the same stream for all.
   */
  readonly random?: Random | undefined;
  /**
   * The longest hint of the service (`Retry-After`) that prolongs an open duration. In ms, from 0,
   * below 2^31; 0 for none. Default 60,000: a service that says an hour may be back in a minute.
   */
  readonly maxRetryAfterMs?: number | undefined;
  /**
   * How long after the probes a growing share of the calls passes, from a tenth to all, instead of
   * all at once. In ms, from 0, below 2^31. Default 0: all at once.
   */
  readonly rampMs?: number | undefined;
  /**
   * For services that are called too rarely for `minimumVolume`: the circuit opens after so many
   * failures in a row if they did not all come within `windowMs`. A whole number from 2, below
   * 2^31. Default none: a rate needs a volume. With 8, a dead service that is called once a minute
   * is found after eight minutes, and a burst of eight failures is still an accident.
   */
  readonly quietFailures?: number | undefined;
  /**
   * Maximum number of probes out at once while half-open; a whole number, 1 … 1,000. Default 1: one
   * probe tests the service without a herd of calls.
   */
  readonly halfOpenProbes?: number | undefined;
  /**
   * How many of the probes must succeed for the circuit to close; a whole number from 1 to
   * `halfOpenProbes`. Default all of them: a service that fails one probe of a few is not well.
   */
  readonly halfOpenSuccesses?: number | undefined;
  /**
   * How long a probe may take to report before it counts as failed, so that a probe that hangs does
   * not keep the circuit half-open. In ms, above 0 and below 2^31. Default `openDurationMs`; a
   * client raises that to its `timeoutMs`, which a probe may take.
   */
  readonly probeLeaseMs?: number | undefined;
}

/**
 * A permit to call. It is the number of the generation in which it was given; a probe has a number
 * of its own. It is {@link REFUSED} if there is no permit.
 */
export type Permit = number;

/**
 * What an operator can make of a circuit: `open` refuses everything; `metrics-only` lets everything
 * pass and counts it; `disabled` lets everything pass and counts nothing.
 */
export type ForcedMode = "open" | "metrics-only" | "disabled";

/** A circuit is in an operator's hand. */
export interface Forced {
  readonly mode: ForcedMode;
  readonly reason: string;
  /** When it ends by itself; `Infinity` if an operator has to end it. */
  readonly untilMs: number;
}

/** No permit: the circuit is open, or all probes are out. */
export const REFUSED: Permit = 0;

/** A transition, with the numbers that caused it. */
export interface BreakerTransition {
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly atMs: number;
  /** The rule that caused it, in a sentence with its numbers. */
  readonly rule: string;
}

/** The counts of the window and the resulting state; a copy, for status pages and logs. */
export interface BreakerStatus {
  readonly state: BreakerState;
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  readonly failureRate: number;
  /**
   * The rule that led to this state, in a sentence with its numbers; empty before the first
   * transition.
   */
  readonly rule: string;
  /** Instant from which a probe may pass; undefined while closed. */
  readonly nextProbeAtMs: number | undefined;
  /** Undefined unless an operator holds the circuit. */
  readonly forced: Forced | undefined;
  /** The share of calls that pass: 1 while closed, less during a ramp, 0 otherwise. */
  readonly admitted: number;
}

/** A probe that is out. */
interface Lease {
  readonly permit: Permit;
  readonly endsMs: number;
}

const NAMES: Names<BreakerOptions> = {
  failureRateThreshold: true,
  slowCallRateThreshold: true,
  slowCallDurationMs: true,
  minimumVolume: true,
  windowMs: true,
  openDurationMs: true,
  maxOpenDurationMs: true,
  openJitter: true,
  random: true,
  maxRetryAfterMs: true,
  rampMs: true,
  quietFailures: true,
  halfOpenProbes: true,
  halfOpenSuccesses: true,
  probeLeaseMs: true,
};

/**
 * States beyond those that are told: calls pass, so they are told as `closed`, but not on the
 * shortest path.
 */
type InnerState = BreakerState | "ramping" | "metrics-only" | "disabled";

/** The permit of a call that is not counted. */
const UNCOUNTED: Permit = -1;
/** The first share of a ramp. */
const RAMP_FROM = 0.1;
const MODES: readonly ForcedMode[] = ["open", "metrics-only", "disabled"];

const SLICES = 10;
const CALLS = 0;
const FAILURES = 1;
const SLOW = 2;

/**
 * The circuit breaker as a pure machine. It gives a permit for each call and takes it back with the
 * outcome of the call.
 *
 * @example
 * ```ts
 * import { REFUSED } from "ground-station-failover";
 * import { BreakerMachine } from "ground-station-failover/core";
 *
 * const machine = new BreakerMachine({ minimumVolume: 2, openDurationMs: 5_000 });
 * for (let nowMs = 0; nowMs < 2; nowMs++) machine.failure(machine.acquire(nowMs), nowMs);
 * console.log(machine.state(10), machine.acquire(10) === REFUSED); // open true
 * const probe = machine.acquire(6_000);
 * machine.success(probe, 6_010);
 * console.log(machine.state(6_010)); // closed
 * ```
 */
export class BreakerMachine {
  #failureRateThreshold: number;
  #slowCallRateThreshold: number;
  #minimumVolume: number;
  #windowMs: number;
  #openDurationMs: number;
  #maxOpenDurationMs: number;
  #openJitter: number;
  #random: Random | undefined;
  #maxRetryAfterMs: number;
  #rampMs: number;
  #quietFailures: number;
  #probes: number;
  #probesNeeded: number;
  #window: RateWindow;

  #state: InnerState = "closed";
  #forced: Forced | undefined;
  /** How often in a row it was opened without having been closed in between. */
  #reopened = 0;
  /** Until when the service asked not to be called. */
  #hintUntilMs: number = Number.NEGATIVE_INFINITY;
  /** During a ramp: since when, and what the calls that did not pass have left for the next ones. */
  #ramp = { fromMs: 0, credit: 0 };
  /** Failures without a success in between, and when the first of them was. */
  #failuresInRow = 0;
  #rowFromMs = 0;
  /** The last number issued, to a generation or to a probe; numbers are never reused. */
  #issued: Permit = 1;
  #generation: Permit = 1;
  #rule = "";
  #openFromMs = 0;
  #openUntilMs = 0;
  /**
   * While half-open: the probes that are out, with the earliest lease end first, and the results of
   * the others.
   */
  #leases: Lease[] = [];
  #probeSuccesses = 0;
  #probeFailures = 0;
  /**
   * Since the circuit opened: calls without a permit that have ended, and how many of them failed
   * or were slow.
   */
  #bypassed = 0;
  #bypassedFailures = 0;
  #bypassedSlow = 0;
  #transitions: BreakerTransition[] = [];
  #hasTransitions = false;

  /** Calls longer than this are slow. */
  slowCallDurationMs: number;
  /** How long a probe may take to report before it counts as failed. */
  probeLeaseMs: number;

  constructor(options: BreakerOptions = {}) {
    const part = "CircuitBreaker";
    checkNames(part, options, NAMES);
    this.#failureRateThreshold = checked(part, "failureRateThreshold", options.failureRateThreshold ?? 0.5, RATE);
    this.#slowCallRateThreshold = checked(part, "slowCallRateThreshold", options.slowCallRateThreshold ?? 0.5, RATE);
    this.slowCallDurationMs = checked(
      part,
      "slowCallDurationMs",
      options.slowCallDurationMs ?? Number.POSITIVE_INFINITY,
      WAIT_MS,
    );
    this.#minimumVolume = checked(part, "minimumVolume", options.minimumVolume ?? 20, COUNT);
    this.#windowMs = checked(part, "windowMs", options.windowMs ?? 10_000, DURATION_MS);
    this.#openDurationMs = checked(part, "openDurationMs", options.openDurationMs ?? 30_000, DURATION_MS);
    const fromOpenDuration = { min: this.#openDurationMs, max: DURATION_MS.max };
    const fromZero = { min: 0, max: DURATION_MS.max };
    const { maxOpenDurationMs = this.#openDurationMs, openJitter = 0, maxRetryAfterMs = 60_000, rampMs = 0 } = options;
    this.#maxOpenDurationMs = checked(part, "maxOpenDurationMs", maxOpenDurationMs, fromOpenDuration);
    this.#openJitter = checked(part, "openJitter", openJitter, { min: 0, max: 1 });
    checkMethods(part, "random", options.random, ["next", "fork"], "a Random: seededRandom(seed)");
    this.#random = options.random ?? (this.#openJitter > 0 ? seededRandom("CircuitBreaker") : undefined);
    this.#maxRetryAfterMs = checked(part, "maxRetryAfterMs", maxRetryAfterMs, fromZero);
    this.#rampMs = checked(part, "rampMs", rampMs, fromZero);
    const { quietFailures } = options;
    this.#quietFailures =
      quietFailures === undefined
        ? Number.POSITIVE_INFINITY
        : checked(part, "quietFailures", quietFailures, { ...COUNT, min: 2 });
    this.#probes = checked(part, "halfOpenProbes", options.halfOpenProbes ?? 1, { ...COUNT, max: 1_000 });
    this.#probesNeeded = checked(part, "halfOpenSuccesses", options.halfOpenSuccesses ?? this.#probes, {
      ...COUNT,
      max: this.#probes,
    });
    this.probeLeaseMs = checked(part, "probeLeaseMs", options.probeLeaseMs ?? this.#openDurationMs, DURATION_MS);
    this.#window = new RateWindow(this.#windowMs, SLICES, 3);
  }

  /**
   * Follows the settings of `other` from `nowMs` on. The state, the calls counted so far, and the
   * end of an open period stay; a longer window begins with what the shorter one still knew.
   */
  useSettingsOf(other: BreakerMachine, nowMs: number): void {
    if (other.#windowMs !== this.#windowMs) {
      this.#window.copyTo(other.#window, "end", nowMs);
      this.#window = other.#window;
    }
    this.#failureRateThreshold = other.#failureRateThreshold;
    this.#slowCallRateThreshold = other.#slowCallRateThreshold;
    this.#minimumVolume = other.#minimumVolume;
    this.#windowMs = other.#windowMs;
    this.#openDurationMs = other.#openDurationMs;
    this.#maxOpenDurationMs = other.#maxOpenDurationMs;
    this.#openJitter = other.#openJitter;
    this.#random = other.#random;
    this.#maxRetryAfterMs = other.#maxRetryAfterMs;
    this.#rampMs = other.#rampMs;
    this.#quietFailures = other.#quietFailures;
    this.#probes = other.#probes;
    this.#probesNeeded = other.#probesNeeded;
    this.slowCallDurationMs = other.slowCallDurationMs;
    this.probeLeaseMs = other.probeLeaseMs;
  }

  /** The state at `nowMs`: an open circuit is half-open as soon as its duration is over. */
  state(nowMs: number): BreakerState {
    if (this.#state !== "closed") this.#lookAtTime(nowMs);
    return told(this.#state);
  }

  /** Is it closed, as of the last check? Cheap: does not check the time. */
  get isClosed(): boolean {
    return told(this.#state) === "closed";
  }

  /**
   * Takes the circuit into an operator's hand from `nowMs` on, for `forMs` (above 0; `Infinity`
   * until {@link unforce}). `reason`: a text that is not empty, told in the status and to those who
   * are refused. What was forced before ends.
   */
  force(mode: ForcedMode, reason: string, forMs: number, nowMs: number): void {
    const part = "CircuitBreaker.force";
    if (!MODES.includes(mode)) throw refusal(part, "mode", mode, `one of ${MODES.join(", ")}`);
    checkName(part, "reason", reason);
    checked(part, "forMs", forMs, { ...WAIT_MS, aboveMin: true });
    this.#forced = { mode, reason, untilMs: nowMs + forMs };
    this.#openUntilMs = this.#forced.untilMs;
    this.#openFromMs = nowMs;
    this.#move(mode, nowMs, `forced: ${reason}`);
  }

  /**
   * Ends what was forced. An open circuit is half-open then, because nobody knows how the service
   * is; one that let everything pass is closed.
   */
  unforce(nowMs: number): void {
    if (this.#forced === undefined) return;
    const { mode, reason } = this.#forced;
    this.#forced = undefined;
    const why = `no longer forced ${mode} (${reason})`;
    if (mode === "open") this.#halfOpen(nowMs, why);
    else this.#move("closed", nowMs, why);
  }

  /** The service asked not to be called for so long; counts when the circuit opens, and while it is open. */
  hint(retryAfterMs: number, nowMs: number): void {
    this.#hintUntilMs = Math.max(this.#hintUntilMs, nowMs + Math.min(retryAfterMs, this.#maxRetryAfterMs));
    if (this.#state === "open") this.#openUntilMs = Math.max(this.#openUntilMs, this.#hintUntilMs);
  }

  /**
   * Closes the circuit at once and clears its window, because the service was restarted. Older
   * permits no longer count, even if the circuit was closed already.
   */
  reset(nowMs: number): void {
    this.#window.clear();
    this.#forgetOutage();
    if (this.#forced !== undefined) return;
    if (this.#state !== "closed") this.#move("closed", nowMs, "the service was restarted");
    else this.#generation = ++this.#issued;
  }

  /** Does a success need its end time? While closed, only if slow calls are rated. */
  get timesCalls(): boolean {
    return this.#state !== "closed" || this.slowCallDurationMs < Number.POSITIVE_INFINITY;
  }

  /** Would a permit be given at `nowMs`? Takes no permit. */
  peek(nowMs: number): boolean {
    if (this.#state === "closed") return true;
    this.#lookAtTime(nowMs);
    if (this.#state === "ramping") return this.#rampHasRoom(nowMs);
    if (this.#state === "half-open") return this.#freeProbes() > 0;
    return this.#state !== "open";
  }

  /**
   * Takes a permit; it must be returned through {@link success}, {@link failure} or
   * {@link release}.
   */
  acquire(nowMs: number): Permit {
    return this.#state === "closed" ? this.#generation : this.#acquireProbe(nowMs);
  }

  #acquireProbe(nowMs: number): Permit {
    const passes = this.peek(nowMs);
    if (this.#state === "ramping") this.#ramp.credit += this.#rampShare(nowMs) - (passes ? 1 : 0);
    if (!passes) return REFUSED;
    if (this.#state === "disabled") return UNCOUNTED;
    if (this.#state !== "half-open") return this.#generation;
    const permit = ++this.#issued;
    this.#leases.push({ permit, endsMs: nowMs + this.probeLeaseMs });
    return permit;
  }

  /**
   * The call succeeded. `slow`: it took longer than {@link slowCallDurationMs}, or made waiting
   * calls time out in the queue.
   */
  success(permit: Permit, nowMs: number, slow = false): void {
    if (!this.#counts() || permit !== this.#generation) return this.#probeSucceeded(permit, nowMs);
    this.#failuresInRow = 0;
    const calls = this.#window.count(nowMs);
    if (slow) this.#window.add(SLOW, nowMs);
    // A success can bring the window to its minimum number of calls, so that earlier failures are
    // judged. Beyond the minimum it is not judged: when older successes leave the window, the
    // circuit must not open in the middle of newer ones.
    if (slow || calls === this.#minimumVolume) this.#judge(nowMs);
  }

  #probeSucceeded(permit: Permit, nowMs: number): void {
    if (!this.#returnProbe(permit, nowMs)) return;
    this.#probeSuccesses++;
    if (this.#probeSuccesses >= this.#probesNeeded) this.#close(nowMs);
  }

  /** Are calls counted in the window? */
  #counts(): boolean {
    return this.#state === "closed" || this.#state === "ramping" || this.#state === "metrics-only";
  }

  /** The call failed. */
  failure(permit: Permit, nowMs: number, slow = false): void {
    if (this.#counts() && permit === this.#generation) {
      this.#window.add(CALLS, nowMs);
      this.#window.add(FAILURES, nowMs);
      if (slow) this.#window.add(SLOW, nowMs);
      if (this.#failuresInRow++ === 0) this.#rowFromMs = nowMs;
      this.#judge(nowMs);
    } else if (this.#returnProbe(permit, nowMs)) {
      this.#probeFailures++;
      if (this.#probeFailures > this.#probes - this.#probesNeeded) this.#reopen(nowMs, "a probe failed");
    }
  }

  /**
   * A call without a permit was made at `startedMs`, because no other station could serve it, and
   * has ended. After as many such calls as the window needs while closed, the open duration ends if
   * their rates of failed and slow calls are below the thresholds.
   */
  bypassed(startedMs: number, hasFailed: boolean, nowMs: number, slow = false): void {
    if (this.state(nowMs) !== "open" || this.#forced !== undefined || startedMs < this.#openFromMs) return;
    this.#bypassed++;
    if (hasFailed) this.#bypassedFailures++;
    if (slow) this.#bypassedSlow++;
    const calls = this.#bypassed;
    if (hasFailed || calls < this.#minimumVolume) return;
    if (this.#bypassedFailures / calls >= this.#failureRateThreshold) return;
    if (this.#bypassedSlow / calls >= this.#slowCallRateThreshold) return;
    this.#halfOpen(nowMs, `${calls - this.#bypassedFailures} of ${calls} calls made past it succeeded`);
  }

  /**
   * The call says nothing about the service (aborted, refused locally, ignored): the permit is
   * returned without a verdict.
   */
  release(permit: Permit, nowMs: number): void {
    if (this.#state === "half-open" || this.#state === "open") this.#returnProbe(permit, nowMs);
  }

  /**
   * The lease of the probe with `permit` starts again, because its caller was paused and could not
   * report.
   */
  renewLease(permit: Permit, nowMs: number): void {
    const place = this.#leases.findIndex((lease) => lease.permit === permit);
    if (place < 0) return;
    this.#leases.splice(place, 1);
    this.#leases.push({ permit, endsMs: nowMs + this.probeLeaseMs });
  }

  /** Is `permit` that of a probe that is out? */
  isProbe(permit: Permit): boolean {
    return this.#leases.some((lease) => lease.permit === permit);
  }

  /**
   * For callers that kept no permit: stands for any call while closed, and for the oldest probe
   * while half-open.
   */
  get generation(): Permit {
    return this.#generation;
  }

  /**
   * Instant from which a probe may pass: the end of the open duration, or of the earliest lease
   * when all are out.
   */
  nextProbeAtMs(nowMs: number): number {
    if (this.state(nowMs) === "open") return this.#openUntilMs;
    if (this.#state === "half-open" && this.#freeProbes() <= 0) return this.#leases[0]?.endsMs ?? nowMs;
    return nowMs;
  }

  /** Numbers of the window at `nowMs`. */
  status(nowMs: number): BreakerStatus {
    const state = this.state(nowMs);
    const calls = this.#window.total(CALLS, nowMs);
    const failures = this.#window.total(FAILURES, nowMs);
    return {
      state,
      calls,
      failures,
      slow: this.#window.total(SLOW, nowMs),
      failureRate: calls === 0 ? 0 : failures / calls,
      rule: this.#rule,
      nextProbeAtMs: state === "closed" ? undefined : this.nextProbeAtMs(nowMs),
      forced: this.#forced,
      admitted: this.#state === "ramping" ? this.#rampShare(nowMs) : state === "closed" ? 1 : 0,
    };
  }

  /** True if {@link takeTransitions} has something to return. */
  get hasTransitions(): boolean {
    return this.#hasTransitions;
  }

  /** Transitions since the last call of this, oldest first. */
  takeTransitions(): readonly BreakerTransition[] {
    const taken = this.#transitions;
    this.#transitions = [];
    this.#hasTransitions = false;
    return taken;
  }

  #freeProbes(): number {
    return this.#probes - this.#leases.length - this.#probeSuccesses - this.#probeFailures;
  }

  /**
   * Makes the changes that time alone causes: the end of the open duration, and expired leases of
   * probes that never reported.
   */
  #lookAtTime(nowMs: number): void {
    if (this.#forced !== undefined) {
      if (nowMs < this.#forced.untilMs) return;
      this.unforce(nowMs);
    }
    if (this.#state === "open" && nowMs >= this.#openUntilMs) {
      this.#halfOpen(nowMs, `open for ${Math.round(this.#openUntilMs - this.#openFromMs)} ms`);
    }
    if (this.#state === "ramping" && nowMs >= this.#ramp.fromMs + this.#rampMs) this.#endRamp(nowMs);
    while (this.#state === "half-open" && (this.#leases[0]?.endsMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const lease = this.#leases.shift() as Lease;
      this.#probeFailures++;
      if (this.#probeFailures > this.#probes - this.#probesNeeded) {
        this.#reopen(lease.endsMs, `a probe did not report within its lease of ${this.probeLeaseMs} ms`);
        this.#lookAtTime(nowMs);
      }
    }
  }

  #returnProbe(permit: Permit, nowMs: number): boolean {
    this.#lookAtTime(nowMs);
    if (this.#state !== "half-open") return false;
    const place = permit === this.#generation ? 0 : this.#leases.findIndex((lease) => lease.permit === permit);
    return place >= 0 && this.#leases.splice(place, 1).length > 0;
  }

  /** Nothing is remembered of the time before: the service is new, or well again. */
  #forgetOutage(): void {
    this.#reopened = 0;
    this.#failuresInRow = 0;
    this.#hintUntilMs = Number.NEGATIVE_INFINITY;
  }

  #endRamp(nowMs: number): void {
    this.#forgetOutage();
    this.#move("closed", nowMs, `all calls pass, ${this.#rampMs} ms after the probes`);
  }

  #rampShare(nowMs: number): number {
    return Math.min(1, RAMP_FROM + ((1 - RAMP_FROM) * (nowMs - this.#ramp.fromMs)) / this.#rampMs);
  }

  /** Each call brings the share of now, and one that passes takes one. */
  #rampHasRoom(nowMs: number): boolean {
    return this.#ramp.credit + this.#rampShare(nowMs) >= 1;
  }

  #judge(nowMs: number): void {
    if (this.#state === "metrics-only") return this.#lookAtTime(nowMs);
    const calls = this.#window.total(CALLS, nowMs);
    if (calls < this.#minimumVolume) return this.#judgeQuiet(nowMs);
    const failures = this.#window.total(FAILURES, nowMs);
    const slow = this.#window.total(SLOW, nowMs);
    if (failures / calls >= this.#failureRateThreshold) {
      this.#reopen(
        nowMs,
        `${failures} of ${calls} calls failed in ${this.#windowMs} ms (threshold ${this.#failureRateThreshold})`,
      );
    } else if (slow / calls >= this.#slowCallRateThreshold) {
      this.#reopen(
        nowMs,
        `${slow} of ${calls} calls were slow in ${this.#windowMs} ms (threshold ${this.#slowCallRateThreshold})`,
      );
    }
  }

  /** Too few calls for a rate, but failures that lie too far apart to be one accident. */
  #judgeQuiet(nowMs: number): void {
    const row = this.#failuresInRow;
    if (row < this.#quietFailures || nowMs - this.#rowFromMs <= this.#windowMs) return;
    const spanMs = Math.round(nowMs - this.#rowFromMs);
    this.#reopen(nowMs, `the last ${row} calls failed, within ${spanMs} ms (quietFailures ${this.#quietFailures})`);
  }

  #openForMs(): number {
    const doubled = this.#openDurationMs * 2 ** Math.min(this.#reopened, 31);
    const random = this.#openJitter > 0 ? (this.#random?.next() ?? 0) : 0;
    return Math.min(doubled, this.#maxOpenDurationMs) * (1 + this.#openJitter * random);
  }

  #reopen(atMs: number, rule: string): void {
    this.#openFromMs = atMs;
    this.#openUntilMs = Math.max(atMs + this.#openForMs(), this.#hintUntilMs);
    this.#reopened++;
    this.#failuresInRow = 0;
    this.#bypassed = 0;
    this.#bypassedFailures = 0;
    this.#bypassedSlow = 0;
    this.#move("open", atMs, rule);
  }

  #halfOpen(nowMs: number, why: string): void {
    this.#leases = [];
    this.#probeSuccesses = 0;
    this.#probeFailures = 0;
    this.#move("half-open", nowMs, `${why}; ${this.#probes} probe(s) may pass`);
  }

  #close(nowMs: number): void {
    this.#window.clear();
    this.#ramp = { fromMs: nowMs, credit: 1 };
    const why = `${this.#probeSuccesses} of ${this.#probes} probe(s) succeeded`;
    this.#move(this.#rampMs > 0 ? "ramping" : "closed", nowMs, why);
    // During a ramp it may still turn out that the service is not well.
    if (this.#rampMs === 0) this.#forgetOutage();
  }

  #move(to: InnerState, atMs: number, rule: string): void {
    this.#generation = ++this.#issued;
    this.#rule = rule;
    this.#hasTransitions = true;
    const [fromState, toState] = [told(this.#state), told(to)];
    if (this.#transitions.length < MOST_TRANSITIONS_KEPT)
      this.#transitions.push({ from: fromState, to: toState, atMs, rule });
    this.#state = to;
  }
}

/** The state as it is told: calls pass in all that are not open or half-open. */
function told(state: InnerState): BreakerState {
  return state === "open" || state === "half-open" ? state : "closed";
}

/** The transitions may never be taken, so their number is bounded. */
const MOST_TRANSITIONS_KEPT = 64;
