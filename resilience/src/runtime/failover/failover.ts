/**
 * Primary and backups behind one `call`. Heartbeats and results of calls are evaluated as they
 * arrive, the machines in `core/failover` decide which station is active and what happens to each
 * call, and the driver does it. This file is the public face of that: it reads options, creates the
 * parts and connects them.
 *
 * Calls that arrive while no station can take them wait in one queue, bounded in number and time.
 * It controls one process: several gateways need a shared lease (`lease`). If a station is killed,
 * its calls have an unknown outcome (`core/failover/dispatch.ts` says what happens then). It is one
 * file because each method needs all the parts that the constructor connects.
 */
import { checkedDeadline, NO_DEADLINE } from "../../core/deadline.ts";
import { CallAbortedError, ConfigurationError, NoEligibleStationError } from "../../core/errors.ts";
import { Call } from "../../core/failover/call.ts";
import type { CallTerms } from "../../core/failover/call-terms.ts";
import { Dispatcher, type DispatchOptions } from "../../core/failover/dispatch.ts";
import type { FailoverEvent } from "../../core/failover/events.ts";
import { FailoverMachine } from "../../core/failover/failover.ts";
import { type CallSource, CallSources } from "../../core/failover/learned/call-sources.ts";
import { Roles, type RolesOptions } from "../../core/failover/roles.ts";
import { COUNT, checked, checkSignal, DURATION_MS, noOperation, WAIT_MS } from "../../core/options.ts";
import { ClockedDetector } from "../detection/detectors.ts";
import { LivenessSupervisor, levelOf } from "../detection/supervisor.ts";
import { type CallOptions, checkCallOptions } from "../guard/call-options.ts";
import { guarded, Listeners } from "../listeners.ts";
import { ambientDeadline, earlier } from "../time/ambient-deadline.ts";
import type { Clock } from "../time/clock.ts";
import { hasWholeInstants, systemClock } from "../time/system-clock.ts";
import { changeStations, refuseOtherKinds, refuseOtherParts, successorOf } from "./change.ts";
import { createStations, type StationHandle, type UsualShares, unknownShares } from "./create-stations.ts";
import { FailoverDriver } from "./driver.ts";
import { stationExamples } from "./examples.ts";
import type { FailoverOperation } from "./operation.ts";
import { checkFailoverOptions, PART } from "./option-checks.ts";
import type { FailoverOptions, FailoverStatus, Lease, NamedStation, StationStatus } from "./options.ts";
import { OutcomeQueries } from "./outcome-query.ts";
import { Prober } from "./prober.ts";
import { FailoverRequest } from "./request.ts";

const NO_OPTIONS: CallOptions = {};
/** The objective for a takeover. */
const DEFAULT_MAX_WAIT_MS = 30_000;

/**
 * Sends calls to the active station, which is the primary or one of its backups, and promotes
 * another station when the active one fails. `call` sends a call. Decisions are made only while
 * `run` runs.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatDetector, PrimaryBackupFailover } from "ground-station-failover";
 * import { VirtualClock } from "ground-station-failover/sim";
 *
 * const clock = new VirtualClock();
 * const detector = new FixedHeartbeatDetector({ clock, timeoutMs: 150 });
 * const stations = { primary: { name: "north" }, backup: { name: "south" } };
 * const failover = new PrimaryBackupFailover({ ...stations, detector });
 * const stop = new AbortController();
 * void failover.run(stop.signal);
 * for (let beat = 0; beat < 40; beat++, await clock.advanceBy(50)) {
 *   detector.noteHeartbeat("south");
 *   if (beat < 20) detector.noteHeartbeat("north"); // then it falls silent
 * }
 * console.log(await failover.call(({ station }) => station.name), failover.epoch); // south 2
 * stop.abort();
 * ```
 */
export class PrimaryBackupFailover<S extends NamedStation, T = unknown> {
  readonly #clock: Clock;
  #options: FailoverOptions<S>;
  /** In order of priority. */
  #stations: readonly StationHandle<S>[];
  /** By number, with those that have left while calls are out there. */
  #byNumber: readonly StationHandle<S>[];
  readonly #usual: UsualShares = unknownShares();
  readonly #roles: Roles;
  readonly #dispatcher: Dispatcher;
  readonly #driver: FailoverDriver<S>;
  readonly #supervisor: LivenessSupervisor;
  readonly #listeners: Listeners<FailoverEvent> = new Listeners();
  readonly #sources: CallSources;
  /** The source of calls that name none. */
  readonly #noSource: CallSource;
  #deadlineMs: number;
  readonly #hasWholeInstants: boolean;
  #calls = 0;

  constructor(options: FailoverOptions<S, T>) {
    checkFailoverOptions(options);
    this.#options = options;
    this.#clock = options.clock ?? (options.detector instanceof ClockedDetector ? options.detector.clock : systemClock);
    this.#deadlineMs = checked(PART, "deadlineMs", options.deadlineMs ?? NO_DEADLINE, { ...WAIT_MS, aboveMin: true });
    this.#hasWholeInstants = hasWholeInstants(this.#clock);
    const examples = stationExamples();
    this.#stations = createStations(options, this.#clock, this.#usual);
    this.#byNumber = this.#stations;
    this.#sources = new CallSources(this.#stations.length);
    this.#noSource = this.#sources.of("");
    this.#roles = new Roles(this.#rolesOptionsOf());
    this.#dispatcher = new Dispatcher({ roles: this.#roles, ...dispatchSettings(options) });
    this.#driver = this.#makeDriver(examples);
    this.#supervisor = this.#makeSupervisor();
    for (const handle of this.#stations) this.#listenTo(handle);
  }

  /** The role that serves now: `primary`, or `backup` for any other station. */
  get currentActive(): "primary" | "backup" {
    return this.#roles.active.parts.role;
  }

  /** The station that serves now. */
  get activeStation(): S {
    return (this.#byNumber[this.#roles.active.number] as StationHandle<S>).station;
  }

  /** Every promotion raises it, and every command carries it. */
  get epoch(): number {
    return this.#roles.epoch;
  }

  /** Calls that wait for a station; cheaper to read than `status`. */
  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  /** The present numbers and reasons, for status pages. Reading it changes nothing. */
  get status(): FailoverStatus {
    const nowMs = this.#clock.nowMs();
    const { active, machine, failback } = this.#roles;
    return {
      active: active.name,
      role: active.parts.role,
      epoch: machine.epoch,
      preferred: machine.preferred,
      waiting: this.#dispatcher.waiting,
      parked: this.#dispatcher.parked,
      handover: failback?.to.name,
      patienceMs: this.#dispatcher.patience.estimateMs,
      overloaded: this.#dispatcher.goodput.isCollapsed,
      ended: { ...this.#dispatcher.goodput.totals },
      attempts: { ...this.#dispatcher.sent },
      stations: this.#stations.map((handle) => this.#statusOf(handle, nowMs)),
    };
  }

  /**
   * Supervises until `signal` is aborted, then resolves. Without it calls work, but no station is
   * ever promoted.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#roles.isRunning)
      throw new ConfigurationError("already-running", `${PART}: run was called while running.`);
    checkSignal(`${PART}.run`, signal);
    if (signal.aborted) return;
    this.#driver.input({ type: "supervised", isRunning: true });
    try {
      await this.#supervisor.run(signal);
    } finally {
      this.#driver.prober?.stop();
      this.#driver.input({ type: "supervised", isRunning: false });
    }
  }

  /**
   * Runs `operation` on the active station. It may run again, on the same or another station, only
   * if that is safe (`idempotencyKey`, `idempotent`, or provably never sent). Rejects with the
   * operation's own error, or with an error of this library (table in `errors.ts`):
   * `NoEligibleStationError` if no station could take it in time, `OverloadedError` if it could not
   * be answered in time, `AmbiguousOutcomeError` if it is unknown whether it ran. Never throws.
   */
  call<R extends T = T>(operation: FailoverOperation<S, R>, options: CallOptions = NO_OPTIONS): Promise<R> {
    // If the executor throws (for a bad argument), the promise rejects.
    return new Promise<R>((resolve, reject) => this.#submit(operation, options, resolve, reject));
  }

  #submit<R>(
    operation: FailoverOperation<S, R>,
    options: CallOptions,
    resolve: (value: R) => void,
    reject: (error: unknown) => void,
  ): void {
    if (typeof operation !== "function") throw noOperation(PART, operation);
    if (options !== NO_OPTIONS) checkCallOptions(PART, options);
    const { signal, deadline, source } = options;
    // An empty key identifies nothing.
    const key = options.idempotencyKey === "" ? undefined : options.idempotencyKey;
    const isIdempotent = options.idempotent === true;
    const nowMs = this.#clock.nowMs();
    if (signal?.aborted === true) throw new CallAbortedError(signal.reason);
    const terms: CallTerms = {
      deadline:
        deadline === undefined
          ? earlier(nowMs + this.#deadlineMs, ambientDeadline())
          : checkedDeadline(deadline, nowMs, this.#hasWholeInstants),
      idempotencyKey: key,
      isRepeatable: isIdempotent || key !== undefined,
      isIdempotent,
      source: source === undefined ? this.#noSource : this.#sources.of(source),
    };
    const request = new FailoverRequest<S, R>(operation, resolve, reject);
    if (deadline !== undefined) request.outlivesAmbient = ambientDeadline() < deadline;
    const call = new Call(++this.#calls, terms, nowMs, request);
    if (signal !== undefined) request.listen(signal, call, this.#driver);
    this.#driver.submit(call, nowMs);
  }

  /**
   * Makes `name` active on request; calls that are out at the old station may finish there.
   * Resolves with the new epoch; rejects with the reason if the station is not eligible. Failback
   * returns to `name` from then on.
   */
  async switchover(name: string, reason: string): Promise<number> {
    this.#handle(name);
    if (!this.#roles.isRunning)
      throw new NoEligibleStationError("nobody supervises, so nothing is known: call run first");
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#driver.input((nowMs) => {
      const result = this.#dispatcher.switchover(name, "switchover", reason, nowMs);
      if (typeof result === "number") resolve(result);
      else reject(new NoEligibleStationError(result));
      this.#driver.look();
    });
    return promise;
  }

  /**
   * Returns to the primary on request, in steps: one repeatable call first, then a growing share of
   * the calls, then all of them. It takes about a second, and up to `failback.canaryWaitMs` more if
   * no repeatable call arrives. Resolves with the new epoch. Rejects with the reason if the primary
   * is not eligible or not proven healthy, or if it failed a call on the way. Failback returns to
   * the primary from then on.
   */
  async failback(reason: string): Promise<number> {
    if (!this.#roles.isRunning)
      throw new NoEligibleStationError("nobody supervises, so nothing is known: call run first");
    const { name } = (this.#stations[0] as StationHandle<S>).station;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#driver.input((nowMs) => {
      const refusal = this.#dispatcher.failback(name, reason, nowMs);
      if (refusal === undefined) this.#whenReturned(name, resolve, reject);
      else reject(new NoEligibleStationError(refusal));
      this.#driver.look();
    });
    return promise;
  }

  /**
   * Takes `name` out of service until `untilMs` (default: until this is called again with `reason`
   * undefined). An active station is replaced if another one is eligible; calls that are out there
   * may finish.
   */
  setMaintenance(name: string, reason: string | undefined, untilMs: number = NO_DEADLINE): void {
    checked(`${PART}.setMaintenance`, "untilMs", untilMs, WAIT_MS);
    const { machine } = this.#handle(name);
    this.#listeners.tell({ type: "maintenance", station: name, reason, untilMs, atMs: this.#clock.nowMs() });
    this.#driver.input({ type: "maintenance", station: machine, reason, untilMs });
  }

  /**
   * Heartbeats could not be requested, because this machine lacks a descriptor, a port or memory:
   * for `forMs` no silence counts against a station. Call this at each attempt that fails in this
   * way, with the time that the next attempt may take.
   */
  noteOwnShortage(forMs: number): void {
    this.#supervisor.abstain(forMs);
  }

  /**
   * A station reports the newest epoch that it has seen. If this process cannot have sent under
   * that epoch, its own epoch is raised above it. So a restarted sender is not refused for ever,
   * and commands of the earlier run that are still under way are refused.
   */
  noteEpochSeen(epoch: number): void {
    if (!this.#roles.machine.isEpochKnown(epoch)) this.#driver.input({ type: "epoch-seen", epoch });
  }

  /** Calls `listener` for each event, with numbers and evidence; dispose to stop. */
  onEvent(listener: (event: FailoverEvent) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Settles when the handover to `name` that has just been planned has ended. */
  #whenReturned(name: string, resolve: (epoch: number) => void, reject: (error: unknown) => void): void {
    // Another handover, which this one replaces, may end first; its event names a station, too.
    const { failback } = this.#roles;
    const heard = this.onEvent(({ type, ...event }) => {
      if (type !== "promoted" && (type !== "handover-ended" || this.#roles.failback === failback)) return;
      heard[Symbol.dispose]();
      // If the active station failed, the end is reported before the promotion that follows it.
      this.#driver.input(() => {
        if (this.#roles.active.name === name) resolve(this.#roles.epoch);
        else reject(new NoEligibleStationError("reason" in event ? `${event.reason}` : "another station was promoted"));
      });
    });
  }

  /**
   * Follows `options` from now on. What is known of stations, who is active, the epoch, and calls
   * that wait or are out stay. A station that is not in `options` any more gets no more calls; if
   * it is active, another one is made active first. A new station begins as at the start. Calls
   * that are under way keep their deadlines. Throws what {@link checkReconfiguration} throws, and
   * changes nothing then.
   */
  reconfigure(options: FailoverOptions<S, T>): void {
    const { next, successor } = this.#checked(options);
    this.#driver.input((nowMs) => {
      if (successor !== undefined) {
        const reason = `${this.#roles.active.name} was taken out of the configuration`;
        this.#dispatcher.switchover(successor, "switchover", reason, nowMs);
      }
      this.#follow(next, nowMs);
    });
  }

  /**
   * Throws `ConfigurationError` if `reconfigure` could not follow `options` now: if they are not
   * valid, if they give another detector, clock, lease or observer, if the active station would be
   * removed and no remaining one can take over, or while an event is being reported. Changes
   * nothing.
   */
  checkReconfiguration(options: FailoverOptions<S, T>): void {
    this.#checked(options);
  }

  /** A failover made from `options`, and the station that has to be made active before. */
  #checked(options: FailoverOptions<S, T>): {
    readonly next: PrimaryBackupFailover<S, T>;
    readonly successor: string | undefined;
  } {
    refuseOtherParts(this.#options, options, this.#clock);
    const next = new PrimaryBackupFailover<S, T>({ ...options, clock: this.#clock });
    refuseOtherKinds(this.#stations, next.#stations);
    if (this.#driver.isBusy)
      throw new ConfigurationError("busy", `${PART}.reconfigure: call it after the listener has returned.`);
    const names = next.#stations.map(({ station }) => station.name);
    return { next, successor: successorOf(this.#roles, names) };
  }

  #follow(next: PrimaryBackupFailover<S, T>, nowMs: number): void {
    const old = { stations: this.#stations, byNumber: this.#byNumber };
    const changed = changeStations(next.#options, old, next.#stations, {
      clock: this.#clock,
      usual: this.#usual,
      nowMs,
    });
    this.#options = next.#options;
    this.#deadlineMs = next.#deadlineMs;
    this.#stations = changed.stations;
    this.#byNumber = changed.byNumber;
    for (const { machine, station } of changed.removed) {
      this.#dispatcher.releaseStation(machine, nowMs);
      this.#supervisor.unwatch(station.name);
    }
    for (const { machine } of changed.added) {
      this.#sources.forgetStation(machine.number, this.#noSource);
      this.#dispatcher.admitStation(machine);
    }
    this.#roles.machine.useSettingsOf(next.#roles.machine);
    this.#roles.useSettings(this.#rolesOptionsOf());
    this.#dispatcher.useSettings(dispatchSettings(this.#options), nowMs);
    this.#driver.useStations(this.#byNumber);
    this.#driver.useQuery(this.#queries());
    this.#useProber();
    for (const handle of changed.added) {
      this.#listenTo(handle);
      this.#supervisor.watch(handle.station.name);
    }
    this.#supervisor.useOptionsOf(next.#supervisor);
    this.#driver.look();
  }

  #listenTo({ parts, station }: StationHandle<S>): void {
    parts.breaker?.onTransition((transition) => {
      this.#listeners.tell({ type: "breaker", station: station.name, transition });
      this.#driver.look();
    });
  }

  #handle(name: string): StationHandle<S> {
    const handle = this.#stations.find(({ station }) => station.name === name);
    if (handle !== undefined) return handle;
    const names = this.#stations.map(({ station }) => station.name).join(", ");
    throw new ConfigurationError("unknown-station", `there is no station "${name}"; there are ${names}`);
  }

  #statusOf({ machine, parts, role }: StationHandle<S>, nowMs: number): StationStatus {
    const { admission, answerTimes } = machine;
    const { limit, ratePerSecond } = admission;
    const limited = limit < Number.POSITIVE_INFINITY;
    return {
      name: machine.name,
      role,
      active: machine === this.#roles.active,
      liveness: machine.liveness,
      level: this.#levelOf(machine.name),
      assessment: this.#roles.assess(machine, nowMs),
      inFlight: machine.inFlight,
      breaker: parts.breaker?.status,
      budget: parts.budget?.status,
      bulkhead: parts.bulkhead?.slots.status,
      ramp: { ramping: limited, limit, ratePerSecond, inFlight: admission.inFlight },
      doubted: machine.isDoubted,
      usualAnswerMs: answerTimes.usualMs,
      overdueAfterMs: answerTimes.overdueAfterMs(),
      maintenance: machine.maintenance,
      holdDownMs: this.#roles.machine.holdDownMs(machine.name, nowMs),
    };
  }

  /** A detector written by others that throws knows nothing; the supervisor reports that. */
  #levelOf(name: string): number {
    try {
      return levelOf(this.#options.detector, name);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  #rolesOptionsOf(): RolesOptions {
    const { detector, failback, lease, initialEpoch, initialActive, probe } = this.#options;
    const [primary, ...others] = this.#stations.map(({ station }) => station.name) as [string, ...string[]];
    const machine = new FailoverMachine([primary, ...others], initialEpoch ?? 1, failback);
    if (initialActive !== undefined) machine.startWith(this.#handle(initialActive).station.name);
    return {
      stations: this.#stations.map((handle) => handle.machine),
      machine,
      lastHeardMs: (name) => (detector instanceof ClockedDetector ? detector.lastHeartbeatMs(name) : undefined),
      leaseEndsMs: lease && (() => endOf(lease)),
      automatic: failback?.mode === "automatic",
      probes: probe !== undefined,
      quietMs: checked(PART, "failback.canaryWaitMs", failback?.canaryWaitMs ?? 2_000, {
        ...DURATION_MS,
        aboveMin: false,
      }),
    };
  }

  #queries(): OutcomeQueries<S> | undefined {
    const { keyStatus, keyStatusTimeoutMs } = this.#options;
    const timeoutMs = checked(PART, "keyStatusTimeoutMs", keyStatusTimeoutMs ?? 250, DURATION_MS);
    return keyStatus === undefined ? undefined : new OutcomeQueries<S>(this.#clock, timeoutMs, keyStatus);
  }

  #makeDriver(examples: readonly unknown[]): FailoverDriver<S> {
    const driver = new FailoverDriver<S>({
      clock: this.#clock,
      dispatcher: this.#dispatcher,
      stations: this.#stations,
      query: this.#queries(),
      listeners: this.#listeners,
      examples,
    });
    this.#useProber(driver);
    return driver;
  }

  #useProber(driver: FailoverDriver<S> = this.#driver): void {
    const { probe, probeIntervalMs } = this.#options;
    const intervalMs = checked(PART, "probeIntervalMs", probeIntervalMs ?? 1_000, DURATION_MS);
    if (probe === undefined) {
      driver.prober?.stop();
      driver.prober = undefined;
    } else if (driver.prober !== undefined) driver.prober.useSettings(intervalMs, probe);
    else
      driver.prober = new Prober<S>(this.#clock, intervalMs, probe, (station, isWell) => {
        // A station that has left the group meanwhile is not looked for.
        const machine = this.#stations.find((handle) => handle.station.name === station.name)?.machine;
        if (machine !== undefined) driver.input({ type: "probed", station: machine, isWell });
      });
  }

  #makeSupervisor(): LivenessSupervisor {
    const supervisor = new LivenessSupervisor({
      ...this.#options.supervisor,
      detector: this.#options.detector,
      clock: this.#clock,
    });
    supervisor.onLivenessChange((change, together) => {
      // Nothing is decided before all changes are known: half of them may name a station that fell
      // silent, too.
      if (change === together.at(-1)) this.#driver.input({ type: "declared", declarations: together });
    });
    supervisor.onAbstention((abstention) => {
      this.#listeners.tell({ type: "abstention", ...abstention });
      // Missing heartbeats do not invalidate call results.
      if (abstention.reason === "observer-stall") this.#driver.input({ type: "stalled", untilMs: abstention.untilMs });
      else this.#driver.look();
    });
    for (const { station } of this.#stations) supervisor.watch(station.name);
    return supervisor;
  }
}

function dispatchSettings<S extends NamedStation>(options: FailoverOptions<S>): Omit<DispatchOptions, "roles"> {
  return {
    maxWaiting: checked(PART, "maxWaiting", options.maxWaiting ?? 10_000, { ...COUNT, min: 0 }),
    maxWaitMs: checked(PART, "maxWaitMs", options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS, WAIT_MS),
    resendsKeyed: (options.ambiguousKeyed ?? "resend") === "resend",
    canAsk: options.keyStatus !== undefined,
  };
}

/**
 * Until when `lease` may be used. A lease that throws, or returns no instant, is not held: without
 * a valid lease nothing is sent.
 */
function endOf(lease: Lease): number {
  let untilMs = Number.NEGATIVE_INFINITY;
  guarded(() => {
    untilMs = lease.validUntilMs();
  });
  return untilMs > Number.NEGATIVE_INFINITY ? untilMs - (lease.marginMs ?? 0) : Number.NEGATIVE_INFINITY;
}
