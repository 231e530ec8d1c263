/**
 * The circuit breaker for callers: {@link BreakerMachine} bound to a clock. Guard an operation with
 * `execute`, or take a permit with `tryAcquire` and return it with the result of the call. There is
 * no timer: an open circuit becomes half-open at the first check after its duration, so an idle
 * breaker costs nothing.
 *
 * It does not protect from a service that is slow but answers (set `slowCallDurationMs`), from one
 * that answers 200 with an error inside (classify results in a client), or from load (use a
 * bulkhead and a retry budget).
 */
import { brand } from "../../core/brand.ts";
import { BreakerOpenError } from "../../core/errors.ts";
import type {
  BreakerOptions,
  BreakerState,
  BreakerStatus,
  BreakerTransition,
  ForcedMode,
  Permit,
} from "../../core/guard/breaker.ts";
import { BreakerMachine, REFUSED } from "../../core/guard/breaker.ts";
import { checkName, noOperation, optionsOf } from "../../core/options.ts";
import { wasRefusedLocally } from "../../core/outcomes/error-evidence.ts";
import { seededRandom } from "../../core/random.ts";
import { Listeners } from "../listeners.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import { systemClock } from "../time/system-clock.ts";

/** Options of a circuit breaker: {@link BreakerOptions}, its name and its clock. */
export interface CircuitBreakerOptions extends BreakerOptions {
  /** Its name in errors and events; a text that is not empty. Default "circuit". */
  readonly name?: string | undefined;
  /**
   * The clock that it reads. Default: the system's monotonic clock, which changes of the calendar
   * do not affect.
   */
  readonly clock?: Clock | undefined;
}

/** Why a circuit is taken into an operator's hand, and for how long. */
export interface ForceOptions {
  /** A text that is not empty. */
  readonly reason: string;
  /** In ms, above 0. Default `Infinity`: until it is ended. */
  readonly forMs?: number | undefined;
}

/**
 * A circuit breaker. It refuses calls to a service if too large a share of them fails. After a
 * while it lets a few probes through to find out whether the service has recovered.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const breaker = new CircuitBreaker({ minimumVolume: 5, openDurationMs: 10_000, clock });
 * const fail = () => breaker.execute(() => Promise.reject(new Error("HTTP 500")));
 * for (let call = 0; call < 5; call++) await fail().catch(() => {});
 * console.log(breaker.state); // open
 * await clock.advanceBy(10_000);
 * console.log(breaker.state); // half-open
 * await breaker.execute(async () => "HTTP 200");
 * console.log(breaker.state); // closed
 * ```
 */
export class CircuitBreaker {
  static {
    brand(CircuitBreaker, "CircuitBreaker");
  }

  readonly name: string;
  readonly clock: Clock;
  /**
   * @internal For code that composes breakers; call {@link announce} after a change.
   */
  readonly machine: BreakerMachine;
  readonly #listeners: Listeners<BreakerTransition> = new Listeners();
  #refusal: BreakerOpenError | undefined;
  #refusalGeneration: Permit = REFUSED;
  #announcing = false;

  constructor(options: CircuitBreakerOptions = {}) {
    const { name = "circuit", clock = systemClock, ...rules } = optionsOf("CircuitBreaker", options);
    checkName("CircuitBreaker", "name", name);
    checkClock("CircuitBreaker", clock);
    this.name = name;
    this.clock = clock;
    const needsRandom = (rules.openJitter ?? 0) > 0 && rules.random === undefined;
    this.machine = new BreakerMachine(
      needsRandom ? { ...rules, random: seededRandom(`${name}/${clock.nowMs()}`) } : rules,
    );
  }

  /**
   * Takes the circuit into an operator's hand: `open` refuses every call, `metrics-only` lets every
   * call pass and counts it, `disabled` lets every call pass and counts nothing. It ends after
   * `forMs` (above 0; default `Infinity`) or by {@link unforce}: an open circuit is then half-open,
   * another one closed. `reason` is told in the status and to those who are refused.
   */
  force(mode: ForcedMode, { reason, forMs = Number.POSITIVE_INFINITY }: ForceOptions): void {
    this.machine.force(mode, reason, forMs, this.clock.nowMs());
    this.announce();
  }

  /** Ends what {@link force} began. */
  unforce(): void {
    this.machine.unforce(this.clock.nowMs());
    this.announce();
  }

  /**
   * The service asked not to be called for `retryAfterMs` (`Retry-After`): an open duration does
   * not end before. A client passes on what its classifier finds. At most `maxRetryAfterMs` counts.
   */
  noteRetryAfter(retryAfterMs: number, nowMs: number = this.clock.nowMs()): void {
    if (retryAfterMs > 0) this.machine.hint(retryAfterMs, nowMs);
  }

  /** `open` becomes `half-open` by itself when the open duration is over. */
  get state(): BreakerState {
    return this.machine.state(this.clock.nowMs());
  }

  /** Numbers of the window, for status pages and logs. */
  get status(): BreakerStatus {
    return this.machine.status(this.clock.nowMs());
  }

  /** @internal */
  get slowCallDurationMs(): number {
    return this.machine.slowCallDurationMs;
  }

  /**
   * @internal Does {@link noteSuccess} need the instant at which the call ended, instead of its
   * start?
   */
  get timesCalls(): boolean {
    return this.machine.timesCalls;
  }

  /** @internal */
  get probeLeaseMs(): number {
    return this.machine.probeLeaseMs;
  }

  /**
   * May a call go out now? True takes a permit, which exactly one of {@link noteSuccess},
   * {@link noteFailure} and {@link release} must return. A caller with several calls in flight
   * keeps the permit itself ({@link tryAcquire}), so that a late result counts for the right
   * generation.
   */
  allow(): boolean {
    return this.tryAcquire() !== REFUSED;
  }

  /** Takes a permit; {@link REFUSED} (0) if there is none. */
  tryAcquire(nowMs: number = this.clock.nowMs()): Permit {
    const permit = this.machine.acquire(nowMs);
    this.announce();
    return permit;
  }

  /**
   * Would {@link tryAcquire} give a permit now? Takes none and calls no listener: only a caller
   * that acts on it does that.
   */
  peek(nowMs: number = this.clock.nowMs()): boolean {
    return this.machine.peek(nowMs);
  }

  /**
   * The call succeeded. `slow`: it took longer than `slowCallDurationMs`. Without `permit`, that of
   * the current generation is used.
   */
  noteSuccess(permit: Permit = this.machine.generation, nowMs: number = this.clock.nowMs(), slow = false): void {
    this.machine.success(permit, nowMs, slow);
    this.announce();
  }

  /** The service failed the call. Without `permit`, that of the current generation is used. */
  noteFailure(permit: Permit = this.machine.generation, nowMs: number = this.clock.nowMs(), slow = false): void {
    this.machine.failure(permit, nowMs, slow);
    this.announce();
  }

  /**
   * The call says nothing about the service (aborted, refused by this process): returns the permit
   * without a verdict.
   */
  release(permit: Permit = this.machine.generation, nowMs: number = this.clock.nowMs()): void {
    this.machine.release(permit, nowMs);
    this.announce();
  }

  /**
   * Runs `operation` if the circuit allows it, else rejects with {@link BreakerOpenError}. Any
   * error of the operation is a failure, except refusals of this library (`LocalRejection`, wrapped
   * or not), which never count against the service.
   */
  async execute<T>(operation: () => PromiseLike<T> | T): Promise<T> {
    if (typeof operation !== "function") throw noOperation(this.name, operation);
    const startedMs = this.clock.nowMs();
    const permit = this.tryAcquire(startedMs);
    if (permit === REFUSED) throw this.refusal(startedMs);
    let isSlow = false;
    // A timer instead of the elapsed time, which would include the time for which this process was
    // paused.
    const timer =
      this.slowCallDurationMs < Number.POSITIVE_INFINITY
        ? afterWait(this.clock, this.slowCallDurationMs, (isFair) => {
            isSlow = isFair;
          })
        : undefined;
    try {
      const value = await operation();
      this.noteSuccess(permit, this.clock.nowMs(), isSlow);
      return value;
    } catch (error) {
      if (wasRefusedLocally(error)) this.release(permit);
      else this.noteFailure(permit, this.clock.nowMs(), isSlow);
      throw error;
    } finally {
      timer?.[Symbol.dispose]();
    }
  }

  /**
   * @internal The error for refused callers: one for a whole open period, because creating it costs
   * more than refusing.
   */
  refusal(nowMs: number): BreakerOpenError {
    if (this.#refusal === undefined || this.#refusalGeneration !== this.machine.generation) {
      this.#refusalGeneration = this.machine.generation;
      const state = this.machine.state(nowMs);
      const why =
        state === "open" ? `is open: ${this.machine.status(nowMs).rule}` : "is half-open and all its probes are out";
      this.#refusal = new BreakerOpenError(`${this.name} ${why}`, () => {
        const laterMs = this.clock.nowMs();
        return Math.max(0, this.machine.nextProbeAtMs(laterMs) - laterMs);
      });
    }
    return this.#refusal;
  }

  /**
   * Calls `listener` after each transition; dispose to stop. A listener may call back into the
   * breaker.
   */
  onTransition(listener: (transition: BreakerTransition) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /**
   * @internal Reports transitions to listeners that they have not been informed about.
   */
  announce(): void {
    if (!this.machine.hasTransitions || this.#announcing) return;
    // If a listener causes the next transition, the other listeners are informed about this one
    // first.
    this.#announcing = true;
    while (this.machine.hasTransitions) {
      for (const transition of this.machine.takeTransitions()) this.#listeners.tell(transition);
    }
    this.#announcing = false;
  }
}
