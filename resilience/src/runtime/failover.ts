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
import { ConfigurationError, NoStationFitError, type StaleEpochError } from "../core/errors.ts";
import type { Promotion } from "../core/failover.ts";
import { FailoverMachine } from "../core/failover.ts";
import { COUNT, checked, DURATION_MS, WAIT_MS } from "../core/options.ts";
import type { CallOptions } from "./call.ts";
import type { Clock } from "./clock.ts";
import { ClockedDetector } from "./detectors.ts";
import { FailoverCall, type FailoverDesk, type FailoverOperation, type KeyStatus } from "./failover-call.ts";
import type { FailoverEvent, FailoverOptions, FailoverStatus } from "./failover-options.ts";
import { Handover } from "./handover.ts";
import { Lane, type NamedStation } from "./lane.ts";
import { Listeners } from "./listeners.ts";
import { LivenessSupervisor } from "./supervisor.ts";
import { systemClock } from "./system-clock.ts";
import { WaitingRoom } from "./waiting-room.ts";

export class PrimaryBackupFailover<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #options: FailoverOptions<S>;
  readonly #lanes: ReadonlyMap<string, Lane<S>>;
  readonly #machine: FailoverMachine;
  readonly #supervisor: LivenessSupervisor;
  readonly #room: WaitingRoom<S>;
  readonly #desk: FailoverDesk<S>;
  readonly #handover: Handover<S>;
  readonly #listeners: Listeners<FailoverEvent> = new Listeners();
  readonly #deadlineMs: number;
  readonly #probeIntervalMs: number;
  #active: Lane<S>;
  #running = false;
  #evaluating = false;
  #evaluateAgain = false;
  #wake: Disposable | undefined = undefined;
  #nextProbeMs = 0;

  constructor(options: FailoverOptions<S>) {
    const stations = [
      options.primary,
      ...(options.backup === undefined ? [] : [options.backup]),
      ...(options.backups ?? []),
    ];
    const names = stations.map((station) => station.name) as [string, ...string[]];
    refuseStations(names);
    this.#options = options;
    this.#clock = options.clock ?? (options.detector instanceof ClockedDetector ? options.detector.clock : systemClock);
    const part = "PrimaryBackupFailover";
    this.#deadlineMs = checked(part, "deadlineMs", options.deadlineMs ?? NO_DEADLINE, { ...WAIT_MS, aboveMin: true });
    this.#probeIntervalMs = checked(part, "probeIntervalMs", options.probeIntervalMs ?? 1_000, DURATION_MS);
    this.#lanes = new Map(stations.map((station, place) => [station.name, this.#laneOf(station, place === 0)]));
    this.#active = this.#lane(names[0]);
    this.#machine = new FailoverMachine(names, options.initialEpoch ?? 1, options.failback);
    this.#supervisor = new LivenessSupervisor({
      ...options.supervisor,
      detector: options.detector,
      clock: this.#clock,
      onDeclaration: (declaration) => {
        this.#lane(declaration.node).beatRule = declaration.rule;
        this.#tell({ type: "declaration", ...declaration });
        this.#evaluate();
      },
      onAbstention: (abstention) => this.#tell({ type: "abstention", ...abstention }),
    });
    for (const name of names) this.#supervisor.watch(name);
    this.#room = new WaitingRoom({
      clock: this.#clock,
      maxWaiting: checked(part, "maxWaiting", options.maxWaiting ?? 10_000, { ...COUNT, min: 0 }),
      maxWaitMs: checked(part, "maxWaitMs", options.maxWaitMs ?? 30_000, WAIT_MS),
      active: () => (this.#mayServe() ? this.#active : undefined),
      mayServeAtMs: (nowMs) => this.#mayServeAtMs(nowMs),
      epoch: () => this.#machine.epoch,
    });
    this.#handover = new Handover(this.#clock, (station, cause, reason) => this.#handOver(station, cause, reason));
    this.#desk = this.#makeDesk();
  }

  /** Which role serves now: `primary`, or `backup` for any of the others. */
  get currentActive(): "primary" | "backup" {
    return this.#active.role;
  }

  /** The station that serves now. */
  get activeStation(): S {
    return this.#active.station;
  }

  /** Raised by every promotion; travels with every command. */
  get epoch(): number {
    return this.#machine.epoch;
  }

  /** Numbers and reasons of the moment, for status pages. */
  get status(): FailoverStatus {
    const nowMs = this.#clock.nowMs();
    return {
      active: this.#active.name,
      role: this.#active.role,
      epoch: this.#machine.epoch,
      preferred: this.#machine.preferred,
      waiting: this.#room.waiting,
      held: this.#room.held,
      handover: this.#handover.to,
      stations: [...this.#lanes.values()].map((lane) => ({
        name: lane.name,
        role: lane.role,
        active: lane === this.#active,
        standing: this.#supervisor.standing(lane.name),
        level: this.#options.detector.suspicionLevel(lane.name),
        assessment: lane.assess(this.#supervisor.standing(lane.name), lane === this.#active, nowMs),
        inFlight: lane.inFlight.size,
        breaker: lane.client.breaker?.status,
        budget: lane.client.budget?.status,
        ramp: { ramping: lane.ramp.ramping, limit: lane.ramp.limit, inFlight: lane.ramp.inFlight },
        maintenance: lane.maintenance,
        holdDownMs: this.#machine.holdDownMs(lane.name, nowMs),
      })),
    };
  }

  /** Supervises until `signal` is aborted, then resolves; calls work without it, but nothing is ever promoted. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running)
      throw new ConfigurationError("already-running", "PrimaryBackupFailover: run was called while running.");
    this.#running = true;
    try {
      this.#evaluate();
      await this.#supervisor.run(signal);
    } finally {
      this.#running = false;
      this.#wake?.[Symbol.dispose]();
      this.#wake = undefined;
    }
  }

  /**
   * Runs `operation` on whoever is active. It may be run again, on the same or another station, only where that is safe
   * (`idempotencyKey`, `idempotent`, or provably never sent). Rejects as a client does, with `NoStationFitError` when
   * nobody became fit in time, and with `AmbiguousOutcomeError` when nobody can say whether the call ran.
   */
  call<R>(operation: FailoverOperation<S, R>, options: CallOptions = {}): Promise<R> {
    const nowMs = this.#clock.nowMs();
    const deadline: Deadline =
      options.deadline === undefined ? nowMs + this.#deadlineMs : checkedDeadline(options.deadline, nowMs);
    const sink = Promise.withResolvers<R>();
    new FailoverCall<S, R>(this.#desk, operation, options, deadline, sink).start();
    return sink.promise;
  }

  /**
   * Makes `name` active on request: new calls wait, those in flight get `drainMs` (default 2,000) to finish, then it is
   * promoted. Resolves with the new epoch; rejects with a sentence where the station is not fit or the request was
   * overtaken. Failback returns to `name` from then on.
   */
  switchover(name: string, reason: string, drainMs = 2_000): Promise<number> {
    this.#evaluate();
    const lane = this.#lanes.get(name);
    if (lane === undefined)
      return Promise.reject(
        new RangeError(`there is no station "${name}"; there are ${[...this.#lanes.keys()].join(", ")}`),
      );
    const refusal = this.#machine.refusal(name);
    if (refusal !== undefined) return Promise.reject(new NoStationFitError(refusal));
    return this.#beginHandover(lane, "switchover", reason, drainMs);
  }

  /** Takes `name` out of service until `untilMs` (default: until undefined is set); an active one is replaced as if it had failed. */
  setMaintenance(name: string, reason: string | undefined, untilMs: number = NO_DEADLINE): void {
    const lane = this.#lane(name);
    lane.maintenance = reason === undefined ? undefined : { reason, untilMs };
    this.#tell({ type: "maintenance", station: name, reason, untilMs, atMs: this.#clock.nowMs() });
    this.#evaluate();
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

  // ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Weighs everything anew and carries out what follows; evidence that comes in meanwhile is weighed right after. */
  #evaluate(): void {
    if (!this.#running) return;
    this.#evaluateAgain = true;
    if (this.#evaluating) return;
    this.#evaluating = true;
    const nowMs = this.#clock.nowMs();
    try {
      while (this.#evaluateAgain) {
        this.#evaluateAgain = false;
        this.#weigh(nowMs);
      }
    } finally {
      this.#evaluating = false;
    }
    this.#arm(nowMs);
    this.#room.pump();
  }

  #weigh(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      const standing = this.#supervisor.standing(lane.name);
      this.#machine.assess(lane.name, lane.assess(standing, lane === this.#active, nowMs), nowMs);
    }
    const decision = this.#machine.decide(nowMs);
    if (decision?.type === "promote") this.#promote(decision);
    else if (decision?.type === "keep") this.#tell({ ...decision, type: "kept" });
    else if (decision?.type === "failback-due") this.#failBack(decision.station, decision.reason);
  }

  #promote(decision: Promotion): void {
    const { from, station, atMs, cause } = decision;
    const old = this.#lane(from);
    const next = this.#lane(station);
    if (cause === "failure") {
      old.demoted(atMs);
      this.#handover.overtaken(`${from} failed, and ${station} was promoted`);
    }
    this.#active = next;
    next.ramp.begin();
    next.commandPath.clear();
    const inFlight = [...old.inFlight];
    this.#tell({
      ...decision,
      type: "promoted",
      waiting: this.#room.waiting + this.#room.held,
      inFlight: inFlight.length,
    });
    for (const call of inFlight) call.stationLost();
    this.#room.resumeAll();
  }

  #failBack(station: string, reason: string): void {
    if (this.#handover.to !== undefined) return;
    this.#beginHandover(this.#lane(station), "failback", reason, this.#options.failback?.drainMs ?? 2_000).catch(
      (error: Error) =>
        this.#tell({ type: "handover-ended", station, reason: error.message, atMs: this.#clock.nowMs() }),
    );
  }

  #beginHandover(lane: Lane<S>, cause: "switchover" | "failback", reason: string, drainMs: number): Promise<number> {
    this.#tell({ type: "handover-begun", station: lane.name, cause, reason, atMs: this.#clock.nowMs() });
    return this.#handover.begin(lane, this.#active, cause, reason, drainMs);
  }

  /** The old station is drained, or has had its time. */
  #handOver(station: string, cause: "switchover" | "failback", reason: string): number | string {
    const nowMs = this.#clock.nowMs();
    const decision = this.#machine.handOver(station, cause, reason, nowMs);
    if (typeof decision === "string") {
      this.#room.pump();
      return decision;
    }
    this.#promote(decision);
    this.#evaluate();
    return decision.epoch;
  }

  /** Asks to be woken when time alone could change a verdict. */
  #arm(nowMs: number): void {
    this.#wake?.[Symbol.dispose]();
    this.#wake = undefined;
    if (!this.#running) return;
    let atMs = this.#machine.nextWakeMs();
    for (const lane of this.#lanes.values()) atMs = Math.min(atMs, lane.nextWakeMs(nowMs));
    if (this.#options.probe !== undefined && this.#unproven().length > 0) {
      this.#nextProbeMs = Math.max(this.#nextProbeMs, nowMs);
      atMs = Math.min(atMs, this.#nextProbeMs);
    }
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#clock.at(Math.max(atMs, nowMs), () => {
      this.#probeUnproven();
      this.#evaluate();
    });
  }

  // ── probing stations that were replaced ─────────────────────────────────────────────────────────────────────────

  #unproven(): Lane<S>[] {
    return [...this.#lanes.values()].filter(
      (lane) => lane.needsProof && lane !== this.#active && this.#supervisor.standing(lane.name) === "alive",
    );
  }

  #probeUnproven(): void {
    const { probe } = this.#options;
    const nowMs = this.#clock.nowMs();
    if (probe === undefined || nowMs < this.#nextProbeMs) return;
    this.#nextProbeMs = nowMs + this.#probeIntervalMs;
    for (const lane of this.#unproven()) {
      const giveUp = new AbortController();
      const timer = this.#clock.at(nowMs + this.#probeIntervalMs, () => giveUp.abort());
      // Any answer but a clean one leaves the station unproven; the next probe is due anyway.
      Promise.resolve()
        .then(() => probe(lane.station, giveUp.signal))
        .then(
          () => {
            if (!giveUp.signal.aborted) lane.proved();
          },
          () => undefined,
        )
        .finally(() => {
          timer[Symbol.dispose]();
          this.#evaluate();
        });
    }
  }

  // ── serving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Between handovers, and while the lease (if there is one) is ours for long enough. */
  #mayServe(): boolean {
    return this.#handover.to === undefined && this.#clock.nowMs() < this.#leaseEndsMs();
  }

  #mayServeAtMs(nowMs: number): number {
    if (this.#handover.to !== undefined) return Number.POSITIVE_INFINITY;
    // A lease says nothing when it is renewed: look again soon.
    return nowMs < this.#leaseEndsMs() ? nowMs : nowMs + LEASE_RECHECK_MS;
  }

  #leaseEndsMs(): number {
    const lease = this.#options.lease;
    return lease === undefined ? Number.POSITIVE_INFINITY : lease.validUntilMs() - (lease.marginMs ?? 0);
  }

  #makeDesk(): FailoverDesk<S> {
    return {
      clock: this.#clock,
      epoch: () => this.#machine.epoch,
      ambiguousKeyed: this.#options.ambiguousKeyed ?? "resend",
      enqueue: (call, front) => this.#room.enqueue(call, front),
      hold: (call) => this.#room.hold(call),
      forget: (call) => this.#room.forget(call),
      attemptEnded: (lane) => this.#attemptEnded(lane),
      epochSeen: (error: StaleEpochError) => this.noteEpochSeen(error.seenEpoch ?? 0),
      ask: (lane, key, deadline) => this.#ask(lane, key, deadline),
    };
  }

  #attemptEnded(lane: Lane<S>): void {
    if (lane.commandPath.inDoubt) this.#evaluate();
    this.#handover.drained();
    this.#room.pump();
  }

  #ask<R>(lane: Lane<S>, key: string, deadline: Deadline): Promise<KeyStatus<R>> | undefined {
    const { keyStatus } = this.#options;
    if (keyStatus === undefined) return undefined;
    const giveUp = new AbortController();
    const answer = Promise.withResolvers<KeyStatus<R>>();
    const atMs = Math.min(deadline, this.#clock.nowMs() + (this.#options.keyStatusTimeoutMs ?? 250));
    const timer = this.#clock.at(atMs, () => {
      answer.resolve("unknown");
      giveUp.abort();
    });
    Promise.resolve()
      .then(() => keyStatus(lane.station, key, giveUp.signal))
      .then(
        (status) => answer.resolve(status as KeyStatus<R>),
        () => answer.resolve("unknown"),
      )
      .finally(() => timer[Symbol.dispose]());
    return answer.promise;
  }

  #laneOf(station: S, primary: boolean): Lane<S> {
    const options = this.#options;
    const client = typeof options.client === "function" ? options.client(station) : (options.client ?? {});
    const capacity = typeof options.ramp === "function" ? options.ramp(station) : (options.ramp ?? {});
    const lane = new Lane<S>(
      station,
      primary ? "primary" : "backup",
      {
        client,
        ramp: capacity,
        commandPath: options.commandPath ?? {},
        doubtMs: checked("PrimaryBackupFailover", "doubtMs", options.doubtMs ?? 30_000, WAIT_MS),
        proofRequired: options.probe !== undefined,
      },
      this.#clock,
      options.random?.fork(station.name),
    );
    lane.client.breaker?.onTransition((transition) => {
      this.#tell({ type: "breaker", station: station.name, transition });
      this.#evaluate();
    });
    return lane;
  }

  #lane(name: string): Lane<S> {
    const lane = this.#lanes.get(name);
    if (lane === undefined)
      throw new RangeError(`there is no station "${name}"; there are ${[...this.#lanes.keys()].join(", ")}`);
    return lane;
  }

  #tell(event: FailoverEvent): void {
    this.#listeners.tell(event);
  }
}

const LEASE_RECHECK_MS = 10;

function refuseStations(names: readonly string[]): void {
  if (names.length < 2) {
    throw new ConfigurationError(
      "no-backup",
      "PrimaryBackupFailover: there is a primary and no backup; give `backup` or `backups`.",
    );
  }
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) {
    throw new ConfigurationError(
      "duplicate-station",
      `PrimaryBackupFailover: two stations are named "${twice}"; names must differ.`,
    );
  }
}
