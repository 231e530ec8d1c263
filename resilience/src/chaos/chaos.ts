/**
 * Injects faults on purpose, inside one process. A `Chaos` wraps operations. A fault that is set on
 * it affects the calls that pass through, with the given probability and blast radius, until the
 * fault is taken off or the `Chaos` is disposed. It affects only what it wraps: no global is
 * patched, and two of them are independent. Clock and random numbers are arguments, so an
 * experiment can run in virtual time, and the same seed injects the same faults. The table in
 * `fault.ts` defines each kind exactly. It does not break sockets, processes or disks; use drills
 * on real stations for that.
 *
 * Source: Basiri et al., "Chaos Engineering" (IEEE Software, 2016): minimise the blast radius, and
 * be able to stop.
 */
import { ConfigurationError } from "../core/errors.ts";
import { checkFunction, checkMethods, checkNames, type Names, noOperation, shown } from "../core/options.ts";
import type { Random } from "../core/random.ts";
import { seededRandom } from "../core/random.ts";
import { type Clock, checkClock } from "../runtime/time/clock.ts";
import { systemClock } from "../runtime/time/system-clock.ts";
import type { Distribution } from "./distribution.ts";
import { durationSource } from "./distribution.ts";
import type { Fault, FaultKind } from "./fault.ts";
import {
  FAULT_KINDS,
  failure,
  latency,
  lostAnswer,
  lostRequest,
  lyingSuccess,
  refusedConnection,
  slowBody,
} from "./fault.ts";
import type { FaultStatus } from "./injector.ts";
import { Injector } from "./injector.ts";
import { SCHEDULE_NAMES, type ScheduleOptions } from "./schedule.ts";

/** Options of a Chaos: its random numbers and its clock. */
export interface ChaosOptions {
  /**
   * Random numbers of all faults; forked for each kind. Default: the stream of the seed "chaos", so
   * that two runs of a program have the same faults.
   */
  readonly random?: Random | undefined;
  /** For ramps and waits. Default: the system's monotonic clock. */
  readonly clock?: Clock | undefined;
}

/** Options of added latency: a delay before each request. */
export interface LatencyOptions extends ScheduleOptions {
  /**
   * How long the request is delayed, in ms or as a distribution; 0 … 3,600,000. No default. A
   * distribution's draws are cut off at these bounds.
   */
  readonly ms: number | Distribution;
}

/** Options of injected errors. */
export interface ErrorOptions extends ScheduleOptions {
  /**
   * Creates the error that the call rejects with, from its key. Default: `FaultInjectedError`,
   * which says that chaos caused it.
   */
  readonly error?: ((key: string | undefined) => unknown) | undefined;
}

/** Options of dropped requests: the request is not sent. */
export interface DropOptions extends ScheduleOptions {
  /**
   * `silence`: the caller waits until it gives up. `refused`: the caller learns at once that
   * nothing was sent (the platform's `ECONNREFUSED`, with `FaultInjectedError` as its cause).
   * Default `silence`: it is harder to handle.
   */
  readonly as?: "silence" | "refused" | undefined;
}

/** Options of false successes: an answer of status 200, although the operation did not run. */
export interface LyingSuccessOptions extends ScheduleOptions {
  /**
   * Creates the answer, from the call's key. Default:
   * `{ status: 200, body: { error: "injected by chaos" } }`, a failure that only its body shows.
   */
  readonly answer?: ((key: string | undefined) => unknown) | undefined;
}

/** Options of slow bodies: a wait before each chunk of an answer's body. */
export interface SlowBodyOptions extends ScheduleOptions {
  /**
   * The wait before each chunk, in ms or as a distribution; 0 … 3,600,000. No default. A
   * distribution's draws are cut off at these bounds.
   */
  readonly chunkDelayMs: number | Distribution;
}

/**
 * The part of a wrapped operation's context that chaos uses: a client's `AttemptContext`, or your
 * own.
 */
export interface FaultContext {
  /** Ends injected waits. Read only if there is a wait. */
  readonly signal?: AbortSignal | undefined;
}

const NAMES: Names<ChaosOptions> = { random: true, clock: true };
/** The options of each kind of fault. */
const FAULT_NAMES: Readonly<Record<FaultKind, Readonly<Record<string, true>>>> = {
  latency: { ...SCHEDULE_NAMES, ms: true } satisfies Names<LatencyOptions>,
  drops: { ...SCHEDULE_NAMES, as: true } satisfies Names<DropOptions>,
  errors: { ...SCHEDULE_NAMES, error: true } satisfies Names<ErrorOptions>,
  hangs: SCHEDULE_NAMES,
  "lying-success": { ...SCHEDULE_NAMES, answer: true } satisfies Names<LyingSuccessOptions>,
  "slow-body": { ...SCHEDULE_NAMES, chunkDelayMs: true } satisfies Names<SlowBodyOptions>,
};

const lie = (): unknown => ({ status: 200, body: { error: "injected by chaos" } });

/**
 * Injects faults into your own operations. Disposing it ends all faults.
 *
 * @example
 * ```ts
 * import { type AttemptContext, ResilientClient, seededRandom } from "ground-station-failover";
 * import { Chaos } from "ground-station-failover/chaos";
 *
 * using chaos = new Chaos({ random: seededRandom(7) });
 * const client = new ResilientClient({ name: "north", retry: { baseMs: 1 } });
 * const read = chaos.wrap(async (_: AttemptContext) => "telemetry");
 * chaos.setErrors({ probability: 0.5 });
 * const calls = Array.from({ length: 8 }, () => client.call(read, { idempotent: true }));
 * console.log((await Promise.allSettled(calls)).length); // 8
 * chaos.off("errors");
 * console.log(await client.call(read)); // telemetry
 * ```
 */
export class Chaos implements Disposable {
  readonly #clock: Clock;
  readonly #injectors: ReadonlyMap<FaultKind, Injector>;
  /** The kinds that are set, in the order in which they surround a call; usually empty. */
  #armed: readonly Injector[] = [];
  #disposed = false;

  constructor(options: ChaosOptions = {}) {
    checkNames("Chaos", options, NAMES);
    checkMethods(
      "Chaos",
      "random",
      options.random,
      ["next", "fork"],
      "a Random, which has next and fork: seededRandom(seed)",
    );
    checkClock("Chaos", options.clock);
    const random = options.random ?? seededRandom("chaos");
    const clock = options.clock ?? systemClock;
    const keys = random.fork("keys");
    this.#clock = clock;
    this.#injectors = new Map(FAULT_KINDS.map((kind) => [kind, new Injector(kind, clock, random.fork(kind), keys)]));
  }

  /** Delays requests before they are sent. Setting a kind again replaces its settings. */
  setLatency(options: LatencyOptions): void {
    checkFault("latency", options);
    this.#set("latency", latency(durationSource("Chaos latency", "ms", options.ms)), options);
  }

  /** Fails calls without sending them. */
  setErrors(options: ErrorOptions = {}): void {
    checkFault("errors", options);
    checkFunction("Chaos errors", "error", options.error);
    this.#set("errors", failure(options.error), options);
  }

  /**
   * Loses requests: the operation does not run, and the caller waits until it gives up or is
   * refused.
   */
  setDrops(options: DropOptions = {}): void {
    checkFault("drops", options);
    const as: string = options.as ?? "silence";
    if (as !== "silence" && as !== "refused") {
      throw new ConfigurationError(
        "out-of-range",
        `Chaos drops: as is ${shown(as)}; it must be "silence" or "refused".`,
      );
    }
    this.#set("drops", as === "silence" ? lostRequest : refusedConnection, options);
  }

  /** Loses answers: the operation runs, and the caller waits until it gives up. */
  setHangs(options: ScheduleOptions = {}): void {
    checkFault("hangs", options);
    this.#set("hangs", lostAnswer, options);
  }

  /** Answers 200 with an error in the body, without running the operation. */
  setLyingSuccess(options: LyingSuccessOptions = {}): void {
    checkFault("lying-success", options);
    checkFunction("Chaos lying-success", "answer", options.answer);
    this.#set("lying-success", lyingSuccess(options.answer ?? lie), options);
  }

  /** Delays each chunk of a streamed body (`slow-body.ts` says which bodies). */
  setSlowBody(options: SlowBodyOptions): void {
    checkFault("slow-body", options);
    this.#set("slow-body", slowBody(durationSource("Chaos slow-body", "chunkDelayMs", options.chunkDelayMs)), options);
  }

  /**
   * Takes off one kind, or all, and ends its waits: delayed requests are sent, lost answers
   * delivered.
   */
  off(kind?: FaultKind): void {
    if (kind !== undefined && !FAULT_KINDS.includes(kind)) {
      throw new ConfigurationError(
        "out-of-range",
        `Chaos: there is no fault ${shown(kind)}; there are ${FAULT_KINDS.join(", ")}.`,
      );
    }
    for (const injector of this.#injectors.values()) {
      if (kind === undefined || injector.kind === kind) injector.disarm();
    }
    this.#arrange();
  }

  /**
   * Takes everything off permanently: nothing is injected any more, and setting a fault is refused.
   */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.off();
  }

  /** The faults that are set, and those that have been set and had calls; a copy. */
  get status(): readonly FaultStatus[] {
    return [...this.#injectors.values()].map((injector) => injector.status).filter((at) => at.armed || at.calls > 0);
  }

  /**
   * Returns `operation` with the faults of this Chaos around it. `key` names its target (a station,
   * a host), for blast radii. While nothing is set, the operation's own promise is returned and
   * nothing else happens.
   */
  wrap<Context extends FaultContext, Result>(
    operation: (context: Context) => Result,
    key?: string,
  ): (context: Context) => Result | Promise<Awaited<Result>> {
    if (typeof operation !== "function") throw noOperation("Chaos.wrap", operation);
    return (context) => {
      if (this.#armed.length === 0) return operation(context);
      const send = this.#surround(() => operation(context), context, key);
      return send === undefined ? operation(context) : (send() as Promise<Awaited<Result>>);
    };
  }

  /**
   * `send` within every fault that affects this call, the first of {@link FAULT_KINDS} outermost;
   * undefined if none does.
   */
  #surround(send: () => unknown, context: FaultContext, key: string | undefined): (() => unknown) | undefined {
    const nowMs = this.#clock.nowMs();
    const signalOf = (): AbortSignal | undefined => context?.signal;
    // All kinds draw before any acts: a request that one fault drops still counts for the others.
    const struck = this.#armed.map((injector) => injector.strike(nowMs, key));
    let outer: (() => unknown) | undefined;
    for (const [place, injector] of [...this.#armed.entries()].reverse()) {
      const fault = struck[place];
      if (fault === undefined) continue;
      const inner = outer ?? send;
      outer = () => injector.act(fault, inner, key, signalOf);
    }
    return outer;
  }

  #set(kind: FaultKind, fault: Fault, options: ScheduleOptions): void {
    if (this.#disposed) throw new ConfigurationError("chaos-disposed", `Chaos ${kind}: this Chaos was disposed of.`);
    this.#injectors.get(kind)?.arm(fault, options);
    this.#arrange();
  }

  #arrange(): void {
    this.#armed = [...this.#injectors.values()].filter((injector) => injector.armed);
  }
}

function checkFault(kind: FaultKind, options: unknown): void {
  checkNames(`Chaos ${kind}`, options, FAULT_NAMES[kind]);
}
