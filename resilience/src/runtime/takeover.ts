/**
 * Deciding and carrying out: it weighs what is known of every station whenever that may have changed, asks the machine
 * in `core/failover.ts` what follows, and does it: moves the calls that are out, lets the waiting ones go to the new
 * station, drains before what is planned, probes stations that have to prove themselves, and tells of all of it. It
 * wakes by timer only for the next instant at which time alone could change a verdict.
 *
 * It decides nothing while it is not running, while this process has just stood still, or while the lease is somebody
 * else's.
 */
import { ConfigurationError, NoStationFitError } from "../core/errors.ts";
import type { Assessment, FailoverMachine, PlannedCause, Promotion } from "../core/failover.ts";
import type { Standing } from "../core/supervisor.ts";
import type { Clock } from "./clock.ts";
import type { FailoverEvent } from "./failover-options.ts";
import { Handover, type Plan } from "./handover.ts";
import type { Lane, NamedStation } from "./lane.ts";
import { Prober } from "./prober.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What a take-over needs of its failover. */
export interface TakeoverParts<S extends NamedStation> {
  readonly clock: Clock;
  readonly machine: FailoverMachine;
  /** Every station's, in order of priority, the primary's first. */
  readonly lanes: ReadonlyMap<string, Lane<S>>;
  readonly room: WaitingRoom<S>;
  /** What the supervisor holds of a station. */
  readonly standing: (name: string) => Standing;
  /** When a station was last heard from; undefined where the detector does not tell. */
  readonly lastHeardMs: (name: string) => number | undefined;
  readonly leaseHeld: () => boolean;
  readonly probe:
    | { readonly run: (station: S, signal: AbortSignal) => PromiseLike<unknown>; readonly intervalMs: number }
    | undefined;
  /** Does failback happen by itself? Then whom it would return to is probed for as long as that takes. */
  readonly automatic: boolean;
  readonly drainMs: number;
  tell(event: FailoverEvent): void;
}

/** How soon to look again where nothing tells of a change: a beat of a candidate, the lease coming back. */
const CONFIRM_INTERVAL_MS = 10;
const LEASE_INTERVAL_MS = 250;

export class Takeover<S extends NamedStation> {
  readonly #parts: TakeoverParts<S>;
  readonly #clock: Clock;
  readonly #handover: Handover<S>;
  readonly #prober: Prober<S> | undefined;
  #running = false;
  #weighing = false;
  #weighAgain = false;
  #wake: Disposable | undefined = undefined;

  constructor(parts: TakeoverParts<S>) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#handover = new Handover(parts.clock, (plan) => this.#complete(plan));
    for (const lane of parts.lanes.values()) lane.callsSpoke = () => this.#weighSoon();
    const { probe } = parts;
    if (probe !== undefined) {
      this.#prober = new Prober(parts.clock, probe.intervalMs, probe.run, (station, well) =>
        this.#probed(station, well),
      );
    }
  }

  get active(): Lane<S> {
    return this.lane(this.#parts.machine.active);
  }

  /** Who is being made active, while the old one drains. */
  get handingOverTo(): Lane<S> | undefined {
    return this.#handover.plan?.to;
  }

  get running(): boolean {
    return this.#running;
  }

  lane(name: string): Lane<S> {
    const { lanes } = this.#parts;
    const lane = lanes.get(name);
    if (lane === undefined)
      throw new ConfigurationError(
        "unknown-station",
        `there is no station "${name}"; there are ${[...lanes.keys()].join(", ")}`,
      );
    return lane;
  }

  start(): void {
    this.#running = true;
    this.#parts.room.unsupervised = false;
    this.evaluate();
  }

  stop(): void {
    this.#running = false;
    this.#disarm();
    this.#prober?.stop();
    this.#handover.overtaken("the failover was stopped");
    this.#parts.room.unsupervised = true;
    this.#parts.room.pump();
  }

  /** An attempt at `lane` has ended: evidence may have changed, and there may be room. */
  attemptEnded(lane: Lane<S>): void {
    if (lane.inQuestion && lane.callsChangedVerdict(this.#clock.nowMs())) this.evaluate();
    this.#handover.drained();
    this.#parts.room.pump();
  }

  /** Weighs everything anew and does what follows; evidence that comes in meanwhile is weighed right after. */
  evaluate(): void {
    if (!this.#running) return;
    this.#weighAgain = true;
    if (this.#weighing) return;
    this.#weighing = true;
    const nowMs = this.#clock.nowMs();
    try {
      while (this.#weighAgain) {
        this.#weighAgain = false;
        this.#weigh(nowMs);
      }
    } finally {
      this.#weighing = false;
    }
    this.#arm(nowMs);
    this.#parts.room.pump();
  }

  /** Drains the active station, then promotes `lane`. Rejects where that is refused now or overtaken meanwhile. */
  handOver(lane: Lane<S>, cause: PlannedCause, reason: string, drainMs: number): Promise<number> {
    const to = this.handingOverTo;
    const refusal =
      to === undefined
        ? this.#parts.machine.refusal(lane.name, cause)
        : `a handover to ${to.name} is under way already`;
    if (refusal !== undefined) return Promise.reject(new NoStationFitError(refusal));
    const station = lane.name;
    this.#parts.tell({ type: "handover-begun", station, cause, reason, atMs: this.#clock.nowMs() });
    const outcome = this.#handover.begin({ to: lane, from: this.active, cause, reason }, drainMs);
    outcome.catch((error: Error) =>
      this.#parts.tell({ type: "handover-ended", station, reason: error.message, atMs: this.#clock.nowMs() }),
    );
    return outcome;
  }

  // ── weighing ────────────────────────────────────────────────────────────────────────────────────────────────────

  #weigh(nowMs: number): void {
    const { machine, lanes, tell } = this.#parts;
    for (const lane of lanes.values()) {
      this.#endMaintenance(lane, nowMs);
      const assessment = this.assess(lane, nowMs);
      lane.weighed(assessment, nowMs);
      machine.assess(lane.name, assessment, nowMs);
    }
    const { plan } = this.#handover;
    const refusal = plan && machine.refusal(plan.to.name, plan.cause);
    if (refusal !== undefined) this.#handover.overtaken(refusal);
    if (!this.#parts.leaseHeld() || nowMs < this.active.distrustUntilMs) return;
    const decision = machine.decide(nowMs);
    if (decision?.type === "promote") this.#promote(decision);
    else if (decision?.type === "handover-due") this.#plan(decision.station, decision.cause, decision.reason);
    else if (decision?.type === "keep") {
      this.active.kept();
      tell({ ...decision, type: "kept" });
    }
  }

  /** What is known of `lane` by `nowMs`. */
  assess(lane: Lane<S>, nowMs: number): Assessment {
    const { active } = this;
    const silentSinceMs = active.silentSinceMs;
    const heardMs = lane === active ? undefined : this.#parts.lastHeardMs(lane.name);
    const confirmed = silentSinceMs === undefined || heardMs === undefined || heardMs > silentSinceMs;
    return lane.assess(this.#parts.standing(lane.name), lane === active, confirmed, nowMs);
  }

  #endMaintenance(lane: Lane<S>, nowMs: number): void {
    if (lane.maintenance === undefined || nowMs < lane.maintenance.untilMs) return;
    const { untilMs } = lane.maintenance;
    lane.maintenance = undefined;
    this.#parts.tell({ type: "maintenance", station: lane.name, reason: undefined, untilMs, atMs: nowMs });
  }

  /** Asks to be woken when time alone could change a verdict. */
  #arm(nowMs: number): void {
    this.#disarm();
    if (!this.#running) return;
    let atMs = this.#nextDecisionMs(nowMs);
    for (const lane of this.#parts.lanes.values()) atMs = Math.min(atMs, lane.nextWakeMs(nowMs));
    if (this.#toProbe().length > 0) atMs = Math.min(atMs, this.#prober?.nextMs(nowMs) ?? atMs);
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#clock.at(Math.max(atMs, nowMs), () => {
      const thenMs = this.#clock.nowMs();
      this.#prober?.tryIfDue(this.#toProbe(), thenMs);
      this.evaluate();
    });
  }

  /** When to ask the machine again although nothing new is known. What is due already is not asked for twice. */
  #nextDecisionMs(nowMs: number): number {
    const { machine, leaseHeld } = this.#parts;
    const { distrustUntilMs, assessment } = this.active;
    if (this.handingOverTo !== undefined) return Number.POSITIVE_INFINITY;
    if (!leaseHeld()) return nowMs + LEASE_INTERVAL_MS;
    if (nowMs < distrustUntilMs) return distrustUntilMs;
    if (assessment?.fit === false && this.#someUnconfirmed()) return nowMs + CONFIRM_INTERVAL_MS;
    return machine.nextWakeMs();
  }

  #someUnconfirmed(): boolean {
    for (const { assessment } of this.#parts.lanes.values()) {
      if (assessment?.fit === true && !assessment.confirmed) return true;
    }
    return false;
  }

  /** An attempt is being booked: what it shows is weighed when that is done. */
  #weighSoon(): void {
    if (!this.#running) return;
    this.#disarm();
    this.#wake = this.#clock.at(this.#clock.nowMs(), () => this.evaluate());
  }

  #disarm(): void {
    this.#wake?.[Symbol.dispose]();
    this.#wake = undefined;
  }

  // ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #promote(decision: Promotion): void {
    const { room, tell } = this.#parts;
    const { from, station, atMs, cause } = decision;
    const old = this.lane(from);
    old.demoted(atMs, cause === "failure");
    if (cause === "failure") this.#handover.overtaken(`${from} failed, and ${station} was promoted`);
    this.lane(station).promoted(atMs);
    const inFlight = [...old.inFlight];
    tell({ ...decision, type: "promoted", waiting: room.waiting + room.held, inFlight: inFlight.length });
    for (const call of inFlight) call.stationLost();
    room.resumeHeld();
    this.#weighAgain = true;
  }

  #plan(station: string, cause: PlannedCause, reason: string): void {
    if (this.handingOverTo !== undefined) return;
    // What became of it is told as an event.
    this.handOver(this.lane(station), cause, reason, this.#parts.drainMs).catch(() => undefined);
  }

  /** The old station is drained, or has had its time. */
  #complete({ to, cause, reason }: Plan<S>): number | string {
    const nowMs = this.#clock.nowMs();
    const decision = this.#parts.leaseHeld()
      ? this.#parts.machine.handOver(to.name, cause, reason, nowMs)
      : "the lease is not held";
    if (typeof decision === "string") this.#parts.room.pump();
    else this.#promote(decision);
    this.evaluate();
    return typeof decision === "string" ? decision : decision.epoch;
  }

  // ── proof ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #toProbe(): S[] {
    if (this.#prober === undefined) return [];
    const { lanes, machine, automatic, standing } = this.#parts;
    const stations: S[] = [];
    for (const lane of lanes.values()) {
      if (lane === this.active || standing(lane.name) !== "alive") continue;
      if (lane.needsProof || (automatic && lane.name === machine.preferred)) stations.push(lane.station);
    }
    return stations;
  }

  #probed(station: S, well: boolean): void {
    const lane = this.lane(station.name);
    if (well) lane.proved(this.#clock.nowMs());
    else lane.disproved();
    this.evaluate();
  }
}
