/**
 * The supervisor at work: it watches nodes through a detector and tells of each change of liveness.
 * One timer waits for the next instant at which silence could lead to a declaration; there is no
 * polling where the detector can tell that instant, and no timer while nothing is watched.
 *
 * It distrusts itself first, in three ways. A wake that comes much later than planned means that
 * this process, not the node, stood still: it abstains until every node has had its turn. Before
 * any accusation the event loop goes round once more, because timers run before sockets are read,
 * and a beat may wait there. And where nobody at all has been heard since the accused fell silent
 * (`observer-health.ts`), it waits as long again before it declares. It cannot tell a cut network
 * from lost stations; that wait is bounded, because they can be lost together. It is one file
 * because each of the three decides when the one timer fires next.
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

/** The supervisor has reason to distrust itself, and makes no accusation for a while. */
export interface Abstention {
  /**
   * `observer-stall`: its process stood still; nobody is suspected or declared down.
   * `observer-isolated`: nobody at all is heard; nobody is declared down, unless somebody else is
   * heard again before, which proves that it hears. `own-shortage`: its machine lacks what asking
   * for heartbeats takes; nobody is suspected or declared down. `detector-error`: the detector
   * throws; nobody is suspected or declared down until it has been asked without that.
   */
  readonly reason: "observer-stall" | "observer-isolated" | "own-shortage" | "detector-error";
  readonly atMs: number;
  /** How much later than planned it woke. */
  readonly lateByMs: number;
  /**
   * Until when it accuses nobody, at the latest; for `detector-error`, until the detector is asked
   * again.
   */
  readonly untilMs: number;
  /** What the detector threw; only for `detector-error`. */
  readonly error?: unknown;
}

/**
 * Options of a supervisor: {@link SupervisorOptions}, and when it distrusts its own observation.
 */
export interface LivenessSupervisorOptions extends SupervisorOptions {
  /**
   * Whose levels are read. One of this library is waited on by timers; one of your own with just
   * the three methods of {@link FailureDetector} is polled every recheckMs. Where one throws, that
   * is no evidence against a node: the supervisor abstains, reason `detector-error`, and asks again
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
   * was late. In ms, above 0 and below 2^31. Default 50: one beat of the fastest path planned for;
   * what waits in the socket after a shorter stall is read before anybody is accused.
   */
  readonly stallToleranceMs?: number | undefined;
  /**
   * For how long it abstains after a late wake at most. In ms, above 0 and below 2^31; `recheckMs`
   * at least. Default 1,000: give the interval of the beats, so that each node has had its turn,
   * and a real loss is declared one interval late.
   */
  readonly maxAbstentionMs?: number | undefined;
  /**
   * What is heard in this process. Share one among all its supervisors. Default: what this one
   * hears, which is right where there is no other.
   */
  readonly observer?: ObserverHealth | undefined;
}

/** Somebody accused of silence: since when, and when the detector's ceiling is reached. */
interface Silent {
  readonly node: string;
  readonly lastMs: number;
  readonly ceilingMs: number;
}

/**
 * Late wakes in a row that it abstains for. After them it judges, or a process that is always late
 * would never declare.
 */
const ABSTENTIONS_IN_A_ROW = 3;

/**
 * Turns levels of suspicion into declarations: `unknown`, `alive`, `suspected` or `down` for each
 * watched node. Declares nothing from what this process missed while it stood still or was cut off.
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
  readonly #detector: SuspicionSource;
  readonly #observer: ObserverHealth;
  readonly #stallToleranceMs: number;
  readonly #maxAbstentionMs: number;
  readonly #changes: Listeners<{ readonly change: LivenessChange; readonly together: readonly LivenessChange[] }> =
    new Listeners();
  readonly #abstained: Listeners<Abstention> = new Listeners();
  #isRunning = false;
  #timer: Disposable | undefined;
  #plannedMs: number = Number.POSITIVE_INFINITY;
  /** The event loop goes round once more before somebody is accused. */
  #reading = false;
  /** The present doubt whether it hears at all: since when, and until when at most. */
  #deaf: { readonly sinceMs: number; readonly untilMs: number } | undefined;
  #abstentionsInRow = 0;
  #abstentions = 0;
  #shortUntilMs: number = Number.NEGATIVE_INFINITY;
  /** What the detector has thrown since it was last asked without that; and has that been told? */
  #detectorError: { readonly error: unknown; isTold: boolean } | undefined;
  readonly #wakeUp = (): void => this.#wake();

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
    this.#detector = sourceOf(detector, (error) => this.#noteDetectorError(error));
    this.#machine = new SupervisorMachine(this.#detector, rules);
    this.#observer = observer ?? new ObserverHealth();
    this.#stallToleranceMs = checked("LivenessSupervisor", "stallToleranceMs", stallToleranceMs, DURATION_MS);
    this.#maxAbstentionMs = checked("LivenessSupervisor", "maxAbstentionMs", maxAbstentionMs, DURATION_MS);
  }

  /**
   * Tells `listener` of each change of liveness, after all changes of one evaluation are in force;
   * it may watch, unwatch and ask. `together`: all of them, for listeners that need a consistent
   * view. Dispose to stop. What a listener throws surfaces as an uncaught exception, and stops
   * nothing.
   */
  onLivenessChange(listener: (change: LivenessChange, together: readonly LivenessChange[]) => void): Disposable {
    checkListener("LivenessSupervisor.onLivenessChange", listener);
    return this.#changes.add(({ change, together }) => listener(change, together));
  }

  /** Tells `listener` of each abstention; dispose to stop. */
  onAbstention(listener: (abstention: Abstention) => void): Disposable {
    return this.#abstained.add(listener);
  }

  /** How often it has abstained. */
  get abstentions(): number {
    return this.#abstentions;
  }

  /**
   * Abstains for `forMs` from now (0 or more), reason `own-shortage`: heartbeats that are asked for
   * could not be, for want of a descriptor, a port or memory. The caller says so at each such
   * attempt; it is told as one abstention while it lasts.
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
   * What was last declared of `node`; `unknown` before that, and for a node that is not watched.
   */
  liveness(node: string): Liveness {
    return this.#machine.liveness(node);
  }

  /**
   * Watches until `signal` is aborted, then resolves and leaves no timer behind. Rejects where
   * `signal` is none, or it is running already.
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
    await new Promise<void>((resolve) => {
      const abort = (): void => {
        source[Symbol.dispose]();
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
    // Overdue: that it comes late is yet to be noticed.
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
    const late = this.#abstainIfLate(lateByMs, nowMs);
    const failedBefore = this.#detectorError;
    const accusations = this.#machine.accusations(nowMs);
    if (accusations.length > 0 && !this.#reading) {
      this.#reading = true;
      this.#wakeAt(nowMs);
      return;
    }
    this.#reading = false;
    // A row ends where it could judge, not with any wake on time: the look that would accuse may be
    // the late one each time.
    if (late === undefined && !this.#machine.isAbstaining(nowMs)) this.#abstentionsInRow = 0;
    const abstention = late ?? this.#doubtObserver(accusations, lateByMs, nowMs);
    const together = this.#machine.evaluate(nowMs);
    // It was asked twice without throwing.
    if (this.#detectorError === failedBefore) this.#detectorError = undefined;
    this.#arm(nowMs);
    if (abstention !== undefined) this.#abstained.tell(abstention);
    this.#tellDetectorError(nowMs);
    for (const change of together) this.#changes.tell({ change, together });
  }

  /**
   * A detector that throws says nothing of a node: nobody is accused before it has been asked
   * again.
   */
  #noteDetectorError(error: unknown): void {
    this.#machine.abstainUntil(this.#clock.nowMs() + this.#machine.options.recheckMs);
    this.#detectorError = { error, isTold: this.#detectorError?.isTold === true };
  }

  /** Told once, for as long as it throws whenever it is asked. */
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
   * Withholds declarations while nobody at all is heard: for as long again as the last of the
   * accused to fall silent has been silent, not past the detector's ceiling. One wait for all, once
   * for each time that everybody falls silent; whoever is heard ends it. Says so when it begins.
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
    // Looked at again in between: whoever is heard meanwhile ends the wait.
    this.#machine.withholdUntil(this.#deaf === undefined ? nowMs : Math.min(nowMs + recheckMs, this.#deaf.untilMs));
    if (!begins || this.#deaf === undefined) return undefined;
    this.#abstentions++;
    return { reason: "observer-isolated", atMs: nowMs, lateByMs: Math.max(0, lateByMs), untilMs: this.#deaf.untilMs };
  }

  /**
   * Of those who are to be declared down; who has reached the detector's ceiling is declared
   * without doubt.
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
   * By when others like `node`, silent since `lastMs`, would have spoken once more if they lived.
   * If all fell silent together, each had spoken for the last time within one interval of that one;
   * an interval is over when its next beat was clearly missing, and at half of its silence anyway.
   */
  #wouldHaveSpokenMs(node: string, lastMs: number, nowMs: number): number {
    const missingMs = this.#detector.whenLevel?.(node, this.#machine.options.clearThreshold) ?? lastMs;
    return Math.max(missingMs, lastMs + (nowMs - lastMs) / 2);
  }
}

/** Throws `ConfigurationError` where `detector`, an option of `part`, is none. */
export function checkDetector(part: string, detector: unknown): void {
  const methods = ["noteHeartbeat", "suspicionLevel", "isAlive"];
  const what = "a FailureDetector, which has noteHeartbeat, suspicionLevel and isAlive: new PhiAccrualDetector()";
  if (detector === undefined) throw refusal(part, "detector", detector, what);
  checkMethods(part, "detector", detector, methods, what);
}

/**
 * One that cannot tell when anybody was last heard is taken to hear, so that it never doubts that.
 * `failed` is told what one of somebody else's making throws; it knows nothing then.
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
 * The level that `detector` says; throws what it throws, and `ConfigurationError` where it says
 * none, or promises one.
 */
export function levelOf(detector: FailureDetector, node: string): number {
  const level: unknown = detector.suspicionLevel(node);
  if (typeof level === "number" && !Number.isNaN(level)) return level;
  // Nobody else hears it reject.
  if (level instanceof Promise) level.catch(() => undefined);
  throw refusal("detector", `suspicionLevel("${node}")`, level, "a number, and no promise of one");
}
