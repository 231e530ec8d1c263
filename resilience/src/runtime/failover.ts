/**
 * Primary and backups behind one `call`. Heartbeats and the outcomes of calls are weighed as they come in
 * (`lane.ts`), the machine in `core/failover.ts` decides, and this carries it out: raises the epoch, moves the calls
 * that are out, lets the waiting ones in at the pace of the ramp, and says what it did and on what evidence.
 *
 * Calls that arrive while nobody can take them wait in one queue, bounded in number and time; so do calls that come
 * back from a lost station. It guards one process's decisions: several gateways need a shared lease (`lease`), and no
 * caller can tell what a killed station did with a call that it had in hand (see `failover-call.ts`).
 */
import type { Deadline } from "../core/deadline.ts";
import { checkedDeadline, NO_DEADLINE } from "../core/deadline.ts";
import { ConfigurationError, NoStationFitError } from "../core/errors.ts";
import { FailoverMachine } from "../core/failover.ts";
import { COUNT, checked, DURATION_MS, WAIT_MS } from "../core/options.ts";
import { ambientDeadline } from "./ambient-deadline.ts";
import type { CallOptions } from "./call-options.ts";
import type { Clock } from "./clock.ts";
import { ClockedDetector } from "./detectors.ts";
import { FailoverCall } from "./failover-call.ts";
import type { FailoverOperation } from "./failover-operation.ts";
import type { FailoverEvent, FailoverOptions, FailoverStatus } from "./failover-options.ts";
import { KeyQuestion } from "./key-question.ts";
import type { Lane, NamedStation } from "./lane.ts";
import { lanesOf, stationsOf } from "./lanes.ts";
import { Listeners } from "./listeners.ts";
import type { FailoverDesk } from "./pending-call.ts";
import { LivenessSupervisor } from "./supervisor.ts";
import { systemClock } from "./system-clock.ts";
import { Takeover } from "./takeover.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** A lease says nothing when it is renewed: calls that wait for that look again this soon. */
const LEASE_RECHECK_MS = 10;
const NO_OPTIONS: CallOptions = {};
const NO_OPERATION = "PrimaryBackupFailover: call needs an operation, a function, as its first argument.";

export class PrimaryBackupFailover<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #options: FailoverOptions<S>;
  readonly #lanes: ReadonlyMap<string, Lane<S>>;
  readonly #machine: FailoverMachine;
  readonly #supervisor: LivenessSupervisor;
  readonly #room: WaitingRoom<S>;
  readonly #takeover: Takeover<S>;
  readonly #desk: FailoverDesk<S>;
  readonly #listeners: Listeners<FailoverEvent> = new Listeners();
  readonly #deadlineMs: number;
  readonly #drainMs: number;

  constructor(options: FailoverOptions<S>) {
    const part = "PrimaryBackupFailover";
    this.#options = options;
    this.#clock = options.clock ?? (options.detector instanceof ClockedDetector ? options.detector.clock : systemClock);
    this.#deadlineMs = checked(part, "deadlineMs", options.deadlineMs ?? NO_DEADLINE, { ...WAIT_MS, aboveMin: true });
    this.#drainMs = checked(part, "failback.drainMs", options.failback?.drainMs ?? 2_000, DRAIN_MS);
    this.#lanes = lanesOf(options, this.#clock);
    const [primary, ...others] = stationsOf(options);
    const names: [string, ...string[]] = [primary.name, ...others.map((station) => station.name)];
    this.#machine = new FailoverMachine(names, options.initialEpoch ?? 1, options.failback);
    this.#supervisor = this.#makeSupervisor(names);
    this.#room = new WaitingRoom({
      clock: this.#clock,
      maxWaiting: checked(part, "maxWaiting", options.maxWaiting ?? 10_000, { ...COUNT, min: 0 }),
      maxWaitMs: checked(part, "maxWaitMs", options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS, WAIT_MS),
      active: () => (this.#mayServe() ? this.#takeover.active : undefined),
      mayServeAtMs: (nowMs) => this.#mayServeAtMs(nowMs),
      epoch: () => this.#machine.epoch,
    });
    this.#takeover = this.#makeTakeover();
    this.#desk = this.#makeDesk();
    for (const lane of this.#lanes.values()) {
      lane.client.breaker?.onTransition((transition) => {
        this.#tell({ type: "breaker", station: lane.name, transition });
        this.#takeover.evaluate();
      });
    }
  }

  /** Which role serves now: `primary`, or `backup` for any of the others. */
  get currentActive(): "primary" | "backup" {
    return this.#takeover.active.role;
  }

  /** The station that serves now. */
  get activeStation(): S {
    return this.#takeover.active.station;
  }

  /** Raised by every promotion; travels with every command. */
  get epoch(): number {
    return this.#machine.epoch;
  }

  /** Numbers and reasons of the moment, for status pages. Looking changes nothing. */
  get status(): FailoverStatus {
    const nowMs = this.#clock.nowMs();
    const { active } = this.#takeover;
    return {
      active: active.name,
      role: active.role,
      epoch: this.#machine.epoch,
      preferred: this.#machine.preferred,
      waiting: this.#room.waiting,
      held: this.#room.held,
      handover: this.#takeover.handingOverTo?.name,
      stations: [...this.#lanes.values()].map((lane) => ({
        name: lane.name,
        role: lane.role,
        active: lane === active,
        standing: this.#supervisor.standing(lane.name),
        level: this.#options.detector.suspicionLevel(lane.name),
        assessment: this.#takeover.assess(lane, nowMs),
        inFlight: lane.inFlight.size,
        breaker: lane.client.breaker?.status,
        budget: lane.client.budget?.status,
        bulkhead: lane.client.bulkhead?.slots.status,
        ramp: { ramping: lane.ramp.ramping, limit: lane.ramp.limit, inFlight: lane.ramp.inFlight },
        maintenance: lane.maintenance,
        holdDownMs: this.#machine.holdDownMs(lane.name, nowMs),
      })),
    };
  }

  /**
   * Supervises until `signal` is aborted, then resolves. Without it calls work, but nothing is ever promoted, so failed
   * ones are not held for a promotion either.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#takeover.running)
      throw new ConfigurationError("already-running", "PrimaryBackupFailover: run was called while running.");
    if (signal.aborted) return;
    this.#takeover.start();
    try {
      await this.#supervisor.run(signal);
    } finally {
      this.#takeover.stop();
    }
  }

  /**
   * Runs `operation` on whoever is active. It may be run again, on the same or another station, only where that is safe
   * (`idempotencyKey`, `idempotent`, or provably never sent). Rejects as a client does, with `NoStationFitError` when
   * nobody became fit in time, and with `AmbiguousOutcomeError` when nobody can say whether the call ran. Never throws.
   */
  call<R>(operation: FailoverOperation<S, R>, options: CallOptions = NO_OPTIONS): Promise<R> {
    const sink = Promise.withResolvers<R>();
    const nowMs = this.#clock.nowMs();
    try {
      if (typeof operation !== "function") throw new ConfigurationError("no-operation", NO_OPERATION);
      const own = options.deadline === undefined ? nowMs + this.#deadlineMs : checkedDeadline(options.deadline, nowMs);
      const deadline: Deadline = Math.min(own, ambientDeadline());
      new FailoverCall<S, R>(this.#desk, operation, options, deadline, sink).start();
    } catch (error) {
      sink.reject(error);
    }
    return sink.promise;
  }

  /**
   * Makes `name` active on request: new calls wait, those in flight get `drainMs` (default: `failback.drainMs`) to
   * finish, then it is promoted. Resolves with the new epoch; rejects with a sentence where the station is not fit or the
   * request was overtaken. Failback returns to `name` from then on.
   */
  async switchover(name: string, reason: string, drainMs: number = this.#drainMs): Promise<number> {
    checked("PrimaryBackupFailover.switchover", "drainMs", drainMs, DRAIN_MS);
    const lane = this.#takeover.lane(name);
    this.#takeover.evaluate();
    if (!this.#takeover.running) throw new NoStationFitError("nobody supervises, so nothing is known: call run first");
    if (!this.#leaseHeld()) throw new NoStationFitError("the lease is not held: somebody else decides");
    return this.#takeover.handOver(lane, "switchover", reason, drainMs);
  }

  /**
   * Takes `name` out of service until `untilMs` (default: until it is put back by calling this with `reason` undefined).
   * An active one is drained and replaced if somebody else is fit.
   */
  setMaintenance(name: string, reason: string | undefined, untilMs: number = NO_DEADLINE): void {
    checked("PrimaryBackupFailover.setMaintenance", "untilMs", untilMs, WAIT_MS);
    this.#takeover.lane(name).maintenance = reason === undefined ? undefined : { reason, untilMs };
    this.#tell({ type: "maintenance", station: name, reason, untilMs, atMs: this.#clock.nowMs() });
    this.#takeover.evaluate();
  }

  /** A station reports the newest epoch that it has seen: ours goes above it, so that a restarted sender is not refused for ever. */
  noteEpochSeen(epoch: number): void {
    if (this.#machine.noteEpochSeen(epoch)) {
      this.#tell({ type: "epoch-adopted", epoch: this.#machine.epoch, atMs: this.#clock.nowMs() });
    }
  }

  /** Tells `listener` what happens, with numbers and evidence; dispose to stop. */
  onEvent(listener: (event: FailoverEvent) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Not between handovers, and only while the lease (if there is one) is ours for long enough. */
  #mayServe(): boolean {
    return this.#takeover.handingOverTo === undefined && this.#leaseHeld();
  }

  #mayServeAtMs(nowMs: number): number {
    if (this.#takeover.handingOverTo !== undefined) return Number.POSITIVE_INFINITY;
    return this.#leaseHeld() ? nowMs : nowMs + LEASE_RECHECK_MS;
  }

  #leaseHeld(): boolean {
    const { lease } = this.#options;
    return lease === undefined || this.#clock.nowMs() < lease.validUntilMs() - (lease.marginMs ?? 0);
  }

  #makeSupervisor(names: readonly string[]): LivenessSupervisor {
    const supervisor = new LivenessSupervisor({
      ...this.#options.supervisor,
      detector: this.#options.detector,
      clock: this.#clock,
      onDeclaration: (declaration, together) => {
        // Nothing is weighed before all of it is known: half of the news can name a station that fell silent, too.
        if (declaration === together[0]) for (const one of together) this.#takeover.lane(one.node).declared(one);
        const { evidence } = this.#takeover.assess(this.#takeover.lane(declaration.node), declaration.atMs);
        this.#tell({ type: "declaration", ...declaration, evidence });
        if (declaration === together.at(-1)) this.#takeover.evaluate();
      },
      onAbstention: (abstention) => {
        // Nobody being heard says nothing about calls: what they show stands.
        if (abstention.reason === "late-wake")
          for (const lane of this.#lanes.values()) lane.distrustUntilMs = abstention.untilMs;
        this.#tell({ type: "abstention", ...abstention });
        this.#takeover.evaluate();
      },
    });
    for (const name of names) supervisor.watch(name);
    return supervisor;
  }

  #makeTakeover(): Takeover<S> {
    const { probe, probeIntervalMs, detector, failback } = this.#options;
    const part = "PrimaryBackupFailover";
    const intervalMs = checked(part, "probeIntervalMs", probeIntervalMs ?? 1_000, DURATION_MS);
    return new Takeover<S>({
      clock: this.#clock,
      machine: this.#machine,
      lanes: this.#lanes,
      room: this.#room,
      standing: (name) => this.#supervisor.standing(name),
      lastHeardMs: (name) => (detector instanceof ClockedDetector ? detector.lastHeartbeatMs(name) : undefined),
      leaseHeld: () => this.#leaseHeld(),
      probe: probe === undefined ? undefined : { run: probe, intervalMs },
      automatic: failback?.mode === "automatic",
      drainMs: this.#drainMs,
      tell: (event) => this.#tell(event),
    });
  }

  #makeDesk(): FailoverDesk<S> {
    const { keyStatus, keyStatusTimeoutMs, ambiguousKeyed } = this.#options;
    const question =
      keyStatus === undefined ? undefined : new KeyQuestion<S>(this.#clock, keyStatusTimeoutMs ?? 250, keyStatus);
    return {
      clock: this.#clock,
      ambiguousKeyed: ambiguousKeyed ?? "resend",
      maxWaitMs: this.#options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      epoch: () => this.#machine.epoch,
      isActive: (lane) => lane === this.#takeover.active,
      leaseLost: () => !this.#leaseHeld(),
      enqueue: (call, front) => this.#room.enqueue(call, front),
      hold: (call) => this.#room.hold(call),
      forget: (call) => this.#room.forget(call),
      attemptEnded: (lane) => this.#takeover.attemptEnded(lane),
      epochSeen: (error) => this.noteEpochSeen(error.seenEpoch ?? 0),
      ask: (lane, key, deadline) => question?.ask(lane.station, key, deadline),
    };
  }

  #tell(event: FailoverEvent): void {
    this.#listeners.tell(event);
  }
}

/** The take-over objective. */
const DEFAULT_MAX_WAIT_MS = 30_000;
/** Draining has an end. */
const DRAIN_MS = { ...DURATION_MS, aboveMin: false };
