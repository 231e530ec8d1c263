/**
 * The supervisor at work: it watches nodes through a detector and reports each change of liveness.
 * One timer waits for the next instant at which silence could lead to a declaration. There is no
 * polling if the detector can predict that instant, and no timer while nothing is watched.
 *
 * It distrusts itself first, in three ways:
 * - A wake that comes much later than planned means that this process, not the node, was paused.
 *   The supervisor abstains until every node has had time for a beat.
 * - Before any accusation, the event loop makes one more turn, because timers run before sockets
 *   are read, and a beat may be waiting there.
 * - If no node at all has been heard since the accused one fell silent (`observer-health.ts`), the
 *   supervisor waits as long again before it declares. It cannot distinguish a cut network from
 *   lost stations. That wait is bounded, because all stations may really be lost together.
 *
 * It is one file because each of the three decides when the one timer fires next.
 */
import type { SuspicionSource } from "../../core/detection/detector.ts";
import {
  type Liveness,
  type LivenessChange,
  type PendingChange,
  SupervisorMachine,
  type SupervisorOptions,
} from "../../core/detection/supervisor.ts";
import { ConfigurationError } from "../../core/errors.ts";
import { checked, checkMethods, checkName, checkSignal, DURATION_MS, optionsOf, refusal } from "../../core/options.ts";
import { checkListener, Listeners } from "../listeners.ts";
import { type Clock, checkClock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { ClockedDetector, type FailureDetector } from "./detectors.ts";
import { ObserverHealth } from "./observer-health.ts";

/** An event: the supervisor distrusts its own observation and declares no node down for a while. */
export interface Abstention {
  /**
   * `observer-stall`: this process was paused; no node is suspected or declared down.
   * `observer-isolated`: no node at all is heard; none is declared down, unless another node is
   * heard before the end, which proves that this process hears. `own-shortage`: this machine lacks
   * a resource to request heartbeats; no node is suspected or declared down. `detector-error`: the
   * detector throws; no node is suspected or declared down until the detector has answered without
   * an error.
   */
  readonly reason: "observer-stall" | "observer-isolated" | "own-shortage" | "detector-error";
  readonly atMs: number;
  /** How much later than planned it woke. */
  readonly lateByMs: number;
  /**
   * The latest instant until which no node is accused; for `detector-error`, until the detector is
   * asked again.
   */
  readonly untilMs: number;
  /** What the detector threw; only for `detector-error`. */
  readonly error?: unknown;
}

/**
 * Options of a supervisor: {@link SupervisorOptions}, and when the supervisor distrusts its own
 * observation.
 */
export interface LivenessSupervisorOptions extends SupervisorOptions {
  /**
   * The detector to read. A detector of this library sets the timers; your own, with only the three
   * methods of {@link FailureDetector}, is polled every recheckMs. If a detector throws, that is no
   * evidence against a node: the supervisor abstains with reason `detector-error`, and asks again
   * after recheckMs.
   */
  readonly detector: FailureDetector;
  /**
   * The clock that it waits on. Default: the detector's clock if it has one, otherwise the
   * system's.
   */
  readonly clock?: Clock | undefined;
  /**
   * How much later than planned a wake may come before the supervisor abstains, for as long as it
   * was late. In ms, above 0 and below 2^31. Default 50: one beat of the fastest planned path.
   * After a shorter pause, the beats that wait in the socket are read before any node is accused.
   */
  readonly stallToleranceMs?: number | undefined;
  /**
   * Maximum abstention after a late wake. In ms, above 0 and below 2^31; at least `recheckMs`.
   * Default 1,000: set it to the interval of the beats, so that each node has time for one, and a
   * real loss is declared one interval late.
   */
  readonly maxAbstentionMs?: number | undefined;
  /**
   * What this process hears. Share one among all its supervisors. Default: what this supervisor
   * hears, which is right if there is no other.
   */
  readonly observer?: ObserverHealth | undefined;
}

/** A node that is accused of silence: since when, and when the detector's ceiling is reached. */
interface Silent {
  readonly node: string;
  readonly lastMs: number;
  readonly ceilingMs: number;
}

/**
 * Maximum number of late wakes in a row for which it abstains. After them it decides; otherwise a
 * process that is always late would never declare.
 */
const ABSTENTIONS_IN_A_ROW = 3;

/**
 * Turns suspicion levels into declarations: `unknown`, `alive`, `suspected` or `down` for each
 * watched node. It declares no node down because of heartbeats that this process missed while it
 * stood still or was cut off.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatDetector, LivenessSupervisor } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new FixedHeartbeatDetector({ clock, timeoutMs: 150 });
 * const supervisor = new LivenessSupervisor({ detector });
 * supervisor.watch("north");
 * const stop = new AbortController();
 * void supervisor.run(stop.signal);
 * detector.noteHeartbeat("north");
 * await clock.advanceBy(1_000); // silence
 * console.log(supervisor.liveness("north")); // down
 * stop.abort();
 * ```
 */
export class LivenessSupervisor {
  readonly #machine: SupervisorMachine;
  readonly #clock: Clock;
  readonly #given: FailureDetector;
  #detector: SuspicionSource;
  readonly #observer: ObserverHealth;
  #stallToleranceMs: number;
  #maxAbstentionMs: number;
  readonly #changes: Listeners<{ readonly change: LivenessChange; readonly together: readonly LivenessChange[] }> =
    new Listeners();
  readonly #abstained: Listeners<Abstention> = new Listeners();
  #isRunning = false;
  #timer: Disposable | undefined;
  #plannedMs: number = Number.POSITIVE_INFINITY;
  /** True while the event loop makes one more turn before a node is accused. */
  #reading = false;
  /** The present doubt whether this process hears at all: since when, and until when at most. */
  #deaf: { readonly sinceMs: number; readonly untilMs: number } | undefined;
  #abstentionsInRow = 0;
  #abstentions = 0;
  #shortUntilMs: number = Number.NEGATIVE_INFINITY;
  /**
   * The error that the detector has thrown since it last answered without one, and whether it has
   * been reported.
   */
  #detectorError: { readonly error: unknown; isTold: boolean } | undefined;
  readonly #wakeUp = (): void => this.#wake();
  readonly #noteHeard = (node: string): void => {
    const nowMs = this.#clock.nowMs();
    if (this.#machine.noteHeard(node, nowMs)) this.#arm(nowMs);
  };

  constructor(options: LivenessSupervisorOptions) {
    const {
      detector,
      clock: givenClock,
      observer,
      stallToleranceMs = 50,
      maxAbstentionMs = 1_000,
      ...rules
    } = optionsOf("LivenessSupervisor", options);
    checkDetector("LivenessSupervisor", detector);
    checkClock("LivenessSupervisor", givenClock);
    checkMethods("LivenessSupervisor", "observer", observer, ["add", "isSilentSince"], "an ObserverHealth");
    const own = detector instanceof ClockedDetector ? detector.clock : undefined;
    if (own !== undefined && givenClock !== undefined && givenClock !== own) {
      throw new ConfigurationError(
        "two-clocks",
        "LivenessSupervisor: clock is not the detector's clock; leave it out.",
      );
    }
    this.#clock = givenClock ?? own ?? systemClock;
    this.#given = detector;
    this.#detector = sourceOf(detector, (error) => this.#noteDetectorError(error));
    this.#machine = new SupervisorMachine(this.#detector, rules);
    this.#observer = observer ?? new ObserverHealth();
    this.#stallToleranceMs = checked("LivenessSupervisor", "stallToleranceMs", stallToleranceMs, DURATION_MS);
    this.#maxAbstentionMs = checked("LivenessSupervisor", "maxAbstentionMs", maxAbstentionMs, DURATION_MS);
  }

  /**
   * Calls `listener` for each change of liveness, after all changes of one evaluation are in force;
   * the listener may watch, unwatch and read. `together`: all changes of the evaluation, for
   * listeners that need a consistent view. Dispose to stop. An error that a listener throws becomes
   * an uncaught exception and stops nothing.
   */
  onLivenessChange(listener: (change: LivenessChange, together: readonly LivenessChange[]) => void): Disposable {
    checkListener("LivenessSupervisor.onLivenessChange", listener);
    return this.#changes.add(({ change, together }) => listener(change, together));
  }

  /** Calls `listener` for each abstention; dispose to stop. */
  onAbstention(listener: (abstention: Abstention) => void): Disposable {
    return this.#abstained.add(listener);
  }

  /** How often it has abstained. */
  get abstentions(): number {
    return this.#abstentions;
  }

  /**
   * Abstains for `forMs` from now (0 or more), with reason `own-shortage`: heartbeats could not be
   * requested, because this machine lacks a descriptor, a port or memory. Call this at each such
   * attempt; while it lasts, it is reported as one abstention.
   */
  abstain(forMs: number): void {
    const nowMs = this.#clock.nowMs();
    const untilMs = nowMs + checked("LivenessSupervisor", "forMs", forMs, DURATION_MS);
    const begins = nowMs >= this.#shortUntilMs;
    this.#shortUntilMs = Math.max(this.#shortUntilMs, untilMs);
    this.#machine.abstainUntil(untilMs);
    if (!begins) return;
    this.#abstentions++;
    this.#abstained.tell({ reason: "own-shortage", atMs: nowMs, lateByMs: 0, untilMs });
  }

  /** Begins to watch `node`; its grace period starts now. */
  watch(node: string): void {
    checkName("LivenessSupervisor", "the node to watch", node);
    const nowMs = this.#clock.nowMs();
    this.#machine.watch(node, nowMs);
    this.#arm(nowMs);
  }

  /** Stops watching `node` and forgets its liveness. */
  unwatch(node: string): void {
    this.#machine.unwatch(node);
    this.#arm(this.#clock.nowMs());
  }

  /**
   * The last declaration about `node`; `unknown` before that, and for a node that is not watched.
   */
  liveness(node: string): Liveness {
    return this.#machine.liveness(node);
  }

  /**
   * Follows the options of `other`, a supervisor of the same detector that does not run, from now
   * on. Everything that is declared stays.
   *
   * @internal
   */
  useOptionsOf(other: LivenessSupervisor): void {
    this.#machine.useOptionsOf(other.#machine);
    this.#stallToleranceMs = other.#stallToleranceMs;
    this.#maxAbstentionMs = other.#maxAbstentionMs;
    this.#followDetector();
    this.#arm(this.#clock.nowMs());
  }

  /** The detector may have replaced its machine because its options were changed. */
  #followDetector(): void {
    if (!(this.#given instanceof ClockedDetector) || this.#given.machine === this.#detector) return;
    this.#detector = this.#given.machine;
    this.#machine.useSource(this.#detector);
  }

  /**
   * Watches until `signal` is aborted, then resolves and leaves no timer behind. Rejects if
   * `signal` is no signal, or if the supervisor is running already.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#isRunning) {
      throw new ConfigurationError("already-running", "LivenessSupervisor: run was called while running.");
    }
    checkSignal("LivenessSupervisor.run", signal);
    if (signal.aborted) return;
    this.#isRunning = true;
    const source = this.#observer.add({
      newestMs: () => this.#detector.newestHeartbeatMs?.() ?? Number.POSITIVE_INFINITY,
      expected: () => this.#machine.expected,
    });
    const heard = this.#given instanceof ClockedDetector ? this.#given.onHeard(this.#noteHeard) : undefined;
    if (heard !== undefined) this.#machine.expectNotes();
    await new Promise<void>((resolve) => {
      const abort = (): void => {
        source[Symbol.dispose]();
        heard?.[Symbol.dispose]();
        this.#isRunning = false;
        this.#reading = false;
        this.#disarm();
        resolve();
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#arm(this.#clock.nowMs());
    });
  }

  #arm(nowMs: number): void {
    if (!this.#isRunning) return;
    // The timer is overdue: the wake has to find out that it is late.
    if (this.#timer !== undefined && this.#plannedMs < nowMs) return;
    const wakeMs = this.#machine.nextWakeMs(nowMs);
    if (wakeMs === this.#plannedMs && this.#timer !== undefined) return;
    this.#disarm();
    if (wakeMs < Number.POSITIVE_INFINITY) this.#wakeAt(wakeMs);
  }

  #wakeAt(atMs: number): void {
    this.#plannedMs = atMs;
    this.#timer = this.#clock.at(atMs, this.#wakeUp);
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#plannedMs = Number.POSITIVE_INFINITY;
  }

  #wake(): void {
    const nowMs = this.#clock.nowMs();
    const lateByMs = nowMs - this.#plannedMs;
    this.#disarm();
    this.#followDetector();
    const late = this.#abstainIfLate(lateByMs, nowMs);
    const failedBefore = this.#detectorError;
    const accusations = this.#machine.accusations(nowMs);
    if (accusations.length > 0 && !this.#reading) {
      this.#reading = true;
      this.#wakeAt(nowMs);
      return;
    }
    this.#reading = false;
    // A row of late wakes ends only when the supervisor could decide, not with any wake on time:
    // the check that would accuse may be the late one each time.
    if (late === undefined && !this.#machine.isAbstaining(nowMs)) this.#abstentionsInRow = 0;
    const abstention = late ?? this.#doubtObserver(accusations, lateByMs, nowMs);
    const together = this.#machine.evaluate(nowMs);
    // It answered twice without throwing.
    if (this.#detectorError === failedBefore) this.#detectorError = undefined;
    this.#arm(nowMs);
    if (abstention !== undefined) this.#abstained.tell(abstention);
    this.#tellDetectorError(nowMs);
    for (const change of together) this.#changes.tell({ change, together });
  }

  /**
   * A detector that throws says nothing about a node: no node is accused before it has been asked
   * again.
   */
  #noteDetectorError(error: unknown): void {
    this.#machine.abstainUntil(this.#clock.nowMs() + this.#machine.options.recheckMs);
    this.#detectorError = { error, isTold: this.#detectorError?.isTold === true };
  }

  /** Reported once, for as long as the detector throws every time. */
  #tellDetectorError(nowMs: number): void {
    if (this.#detectorError === undefined || this.#detectorError.isTold) return;
    const { error } = this.#detectorError;
    this.#detectorError.isTold = true;
    this.#abstentions++;
    const untilMs = nowMs + this.#machine.options.recheckMs;
    this.#abstained.tell({ reason: "detector-error", atMs: nowMs, lateByMs: 0, untilMs, error });
  }

  #abstainIfLate(lateByMs: number, nowMs: number): Abstention | undefined {
    if (lateByMs <= this.#stallToleranceMs) return undefined;
    if (this.#abstentionsInRow === ABSTENTIONS_IN_A_ROW) return undefined;
    this.#abstentionsInRow++;
    this.#abstentions++;
    const { recheckMs } = this.#machine.options;
    const untilMs = nowMs + Math.max(recheckMs, Math.min(lateByMs, this.#maxAbstentionMs));
    this.#machine.abstainUntil(untilMs);
    return { reason: "observer-stall", atMs: nowMs, lateByMs, untilMs };
  }

  /**
   * Withholds declarations while no node at all is heard: for as long again as the accused node
   * that fell silent last has been silent, but not past the detector's ceiling. This is one wait
   * for all nodes, once for each time that all fall silent. Any node that is heard ends it.
   * Reported when it begins.
   */
  #doubtObserver(accusations: readonly PendingChange[], lateByMs: number, nowMs: number): Abstention | undefined {
    const accused = this.#lastToFallSilent(accusations, nowMs);
    if (accused === undefined) return undefined;
    const { node, lastMs, ceilingMs } = accused;
    const begins = this.#deaf === undefined || this.#observer.newestMs(nowMs) > this.#deaf.sinceMs;
    if (begins) {
      const silent = this.#observer.isSilentSince(this.#wouldHaveSpokenMs(node, lastMs, nowMs), nowMs);
      this.#deaf = silent ? { sinceMs: nowMs, untilMs: Math.min(nowMs + (nowMs - lastMs), ceilingMs) } : undefined;
    }
    const { recheckMs } = this.#machine.options;
    // Checked again in between: any node that is heard meanwhile ends the wait.
    this.#machine.withholdUntil(this.#deaf === undefined ? nowMs : Math.min(nowMs + recheckMs, this.#deaf.untilMs));
    if (!begins || this.#deaf === undefined) return undefined;
    this.#abstentions++;
    return { reason: "observer-isolated", atMs: nowMs, lateByMs: Math.max(0, lateByMs), untilMs: this.#deaf.untilMs };
  }

  /**
   * Only nodes that are to be declared down count; a node that has reached the detector's ceiling
   * is declared without doubt.
   */
  #lastToFallSilent(accusations: readonly PendingChange[], nowMs: number): Silent | undefined {
    let last: Silent | undefined;
    for (const { node, to, lastMs } of accusations) {
      if (to !== "down" || lastMs === undefined || lastMs <= (last?.lastMs ?? Number.NEGATIVE_INFINITY)) continue;
      const ceilingMs = this.#detector.whenLevel?.(node, Number.MAX_VALUE) ?? Number.POSITIVE_INFINITY;
      if (ceilingMs > nowMs) last = { node, lastMs, ceilingMs };
    }
    return last;
  }

  /**
   * When other nodes like `node`, which has been silent since `lastMs`, would have sent another
   * beat if they were alive. If all fell silent together, the last beat of each came within one
   * interval of that of `node`. An interval is over when the next beat of `node` was clearly
   * missing, and at half of its silence in any case.
   */
  #wouldHaveSpokenMs(node: string, lastMs: number, nowMs: number): number {
    const missingMs = this.#detector.whenLevel?.(node, this.#machine.options.clearThreshold) ?? lastMs;
    return Math.max(missingMs, lastMs + (nowMs - lastMs) / 2);
  }
}

/** Throws `ConfigurationError` if `detector`, an option of `part`, is no detector. */
export function checkDetector(part: string, detector: unknown): void {
  const methods = ["noteHeartbeat", "suspicionLevel", "isAlive"];
  const what = "a FailureDetector, which has noteHeartbeat, suspicionLevel and isAlive: new PhiAccrualDetector()";
  if (detector === undefined) throw refusal(part, "detector", detector, what);
  checkMethods(part, "detector", detector, methods, what);
}

/**
 * The source for the supervisor. A detector that cannot say when any node was last heard is assumed
 * to hear, so its hearing is never doubted. `failed` is called with what a detector written by
 * others throws; it knows nothing then.
 */
function sourceOf(detector: FailureDetector, failed: (error: unknown) => void): SuspicionSource {
  if (detector instanceof ClockedDetector) return detector.machine;
  return {
    suspicionLevel(node) {
      try {
        return levelOf(detector, node);
      } catch (error) {
        failed(error);
        return Number.POSITIVE_INFINITY;
      }
    },
  };
}

/**
 * The level that `detector` returns. Throws what the detector throws, and `ConfigurationError` if
 * it returns no level, or a promise of one.
 */
export function levelOf(detector: FailureDetector, node: string): number {
  const level: unknown = detector.suspicionLevel(node);
  if (typeof level === "number" && !Number.isNaN(level)) return level;
  // Otherwise its rejection would be unhandled.
  if (level instanceof Promise) level.catch(() => undefined);
  throw refusal("detector", `suspicionLevel("${node}")`, level, "a number, and no promise of one");
}
