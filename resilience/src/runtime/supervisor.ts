/**
 * The supervisor at work: it watches nodes through a detector and tells of each change of standing. One timer waits for
 * the next instant at which silence could lead to a declaration; there is no polling where the detector can tell that
 * instant, and no timer while nothing is watched.
 *
 * It distrusts itself first: a wake that comes much later than planned means that this process, not the node, stood
 * still, and that heartbeats wait unread in the socket. Then it abstains for a moment and judges after reading them.
 * It does not notice a stall of the network, which looks like the silence of every node behind it.
 */
import type { SuspicionSource } from "../core/detector.ts";
import { ConfigurationError } from "../core/errors.ts";
import { checked, DURATION_MS } from "../core/options.ts";
import { type Declaration, type Standing, SupervisorMachine, type SupervisorOptions } from "../core/supervisor.ts";
import type { Clock } from "./clock.ts";
import { ClockedDetector, type FailureDetector } from "./detectors.ts";
import { systemClock } from "./system-clock.ts";

/** The supervisor's own process stood still, so it makes no accusation for a moment. */
export interface Abstention {
  readonly atMs: number;
  /** How much later than planned it woke. */
  readonly lateByMs: number;
  /** Until when it accuses nobody. */
  readonly untilMs: number;
}

export interface LivenessSupervisorOptions extends SupervisorOptions {
  /**
   * Whose levels are read. One of this library is waited on by timers; one of your own with just the three methods of
   * {@link FailureDetector} is polled every recheckMs.
   */
  readonly detector: FailureDetector;
  /** Default: the detector's clock if it has one, otherwise the system's. */
  readonly clock?: Clock;
  /**
   * Told of each change of standing after all of them are in force; it may watch, unwatch and ask. `together`: all that
   * were found in the same look, this one among them, for whoever must not act on half of the news.
   */
  readonly onDeclaration?: (declaration: Declaration, together: readonly Declaration[]) => void;
  /** Told of each abstention. */
  readonly onAbstention?: (abstention: Abstention) => void;
  /**
   * How much later than planned in ms a wake may come before the supervisor abstains, for recheckMs. Default 50: one beat
   * of the fastest path planned for; a shorter stall rarely makes a regular node look silent for long enough.
   */
  readonly stallToleranceMs?: number;
}

/** Late wakes in a row that it abstains for. After them it judges, or a process that is always late would never declare. */
const ABSTENTIONS_IN_A_ROW = 3;

export class LivenessSupervisor {
  readonly #machine: SupervisorMachine;
  readonly #clock: Clock;
  readonly #stallToleranceMs: number;
  readonly #onDeclaration: LivenessSupervisorOptions["onDeclaration"];
  readonly #onAbstention: ((abstention: Abstention) => void) | undefined;
  #fail: ((reason: unknown) => void) | undefined;
  #timer: Disposable | undefined;
  #plannedMs: number = Number.POSITIVE_INFINITY;
  #abstentionsInRow = 0;
  #abstentions = 0;
  readonly #wakeUp = (): void => this.#wake();

  constructor(options: LivenessSupervisorOptions) {
    const { detector } = options;
    const own = detector instanceof ClockedDetector ? detector.clock : undefined;
    if (own !== undefined && options.clock !== undefined && options.clock !== own) {
      throw new ConfigurationError(
        "two-clocks",
        "LivenessSupervisor: clock is not the detector's clock; leave it out.",
      );
    }
    this.#clock = options.clock ?? own ?? systemClock;
    this.#machine = new SupervisorMachine(sourceOf(detector), options);
    this.#stallToleranceMs = checked(
      "LivenessSupervisor",
      "stallToleranceMs",
      options.stallToleranceMs ?? 50,
      DURATION_MS,
    );
    this.#onDeclaration = options.onDeclaration;
    this.#onAbstention = options.onAbstention;
  }

  /** How often it has abstained. */
  get abstentions(): number {
    return this.#abstentions;
  }

  /** Begins to watch `node`; its grace period starts now. */
  watch(node: string): void {
    const nowMs = this.#clock.nowMs();
    this.#machine.watch(node, nowMs);
    this.#arm(nowMs);
  }

  unwatch(node: string): void {
    this.#machine.unwatch(node);
    this.#arm(this.#clock.nowMs());
  }

  /** What was last declared of `node`; `unknown` before that, and for a node that is not watched. */
  standing(node: string): Standing {
    return this.#machine.standing(node);
  }

  /**
   * Watches until `signal` is aborted, then resolves and leaves no timer behind. Rejects, and stops watching, with what a
   * listener throws: a supervisor whose word does not arrive must not look as if it were at work.
   */
  run(signal: AbortSignal): Promise<void> {
    if (this.#fail !== undefined) {
      return Promise.reject(
        new ConfigurationError("already-running", "LivenessSupervisor: run was called while running."),
      );
    }
    if (signal.aborted) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        signal.removeEventListener("abort", abort);
        this.#fail = undefined;
        this.#disarm();
      };
      const abort = (): void => {
        stop();
        resolve();
      };
      this.#fail = (reason) => {
        stop();
        reject(reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#arm(this.#clock.nowMs());
    });
  }

  #arm(nowMs: number): void {
    if (this.#fail === undefined) return;
    const wakeMs = this.#machine.nextWakeMs(nowMs);
    if (wakeMs === this.#plannedMs && this.#timer !== undefined) return;
    this.#disarm();
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    this.#plannedMs = wakeMs;
    this.#timer = this.#clock.at(wakeMs, this.#wakeUp);
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
    const abstention = this.#abstainIfLate(lateByMs, nowMs);
    const declarations = this.#machine.evaluate(nowMs);
    this.#arm(nowMs);
    try {
      if (abstention !== undefined) this.#onAbstention?.(abstention);
      for (const declaration of declarations) this.#onDeclaration?.(declaration, declarations);
    } catch (error) {
      this.#fail?.(error);
    }
  }

  #abstainIfLate(lateByMs: number, nowMs: number): Abstention | undefined {
    if (lateByMs <= this.#stallToleranceMs) {
      this.#abstentionsInRow = 0;
      return undefined;
    }
    if (this.#abstentionsInRow === ABSTENTIONS_IN_A_ROW) return undefined;
    this.#abstentionsInRow++;
    this.#abstentions++;
    const untilMs = nowMs + this.#machine.options.recheckMs;
    this.#machine.abstainUntil(untilMs);
    return { atMs: nowMs, lateByMs, untilMs };
  }
}

function sourceOf(detector: FailureDetector): SuspicionSource {
  if (detector instanceof ClockedDetector) return detector.machine;
  return { suspicionLevel: (node) => detector.suspicionLevel(node) };
}
