/**
 * Decides which station is active and which could be. It has every station assessed when something
 * may have changed, asks the machine in `failover.ts` what follows, and keeps the planned changes.
 * It changes the active station; the dispatcher decides what happens to the calls then
 * (`dispatch.ts`).
 *
 * It decides nothing while no supervisor runs (`isRunning`), just after this process was paused, or
 * while another process holds the lease.
 */
import { Failback, type UsualLoad } from "./failback.ts";
import type { Assessment, FailoverDecision, FailoverMachine, PlannedCause, Promotion } from "./failover.ts";
import { Race } from "./learned/slowness.ts";
import type { Station } from "./station.ts";

export interface RolesOptions {
  readonly stations: readonly Station[];
  readonly machine: FailoverMachine;
  /** When a station was last heard from; undefined if the detector does not say. */
  readonly lastHeardMs: (name: string) => number | undefined;
  /** Until when this process may decide and send; undefined if it needs no lease. */
  readonly leaseEndsMs?: (() => number) | undefined;
  /** True if failback is automatic. */
  readonly automatic: boolean;
  /** True if something probes idle stations. */
  readonly probes: boolean;
  /** How long a failback waits for a repeatable call before it takes any call. */
  readonly quietMs: number;
}

/**
 * How soon to check again if nothing signals a change: a heartbeat of a candidate
 * (`CONFIRM_INTERVAL_MS`), or the lease becoming free (`LEASE_INTERVAL_MS`).
 */
const CONFIRM_INTERVAL_MS = 10;
const LEASE_INTERVAL_MS = 250;

export class Roles {
  stations: readonly Station[];
  readonly machine: FailoverMachine;
  #options: RolesOptions;
  #byName: ReadonlyMap<string, Station>;
  #active: Station;
  isRunning = false;
  /** Failures until then are this process's own fault: it was paused, and answers wait unread. */
  distrustUntilMs: number = Number.NEGATIVE_INFINITY;
  /** The planned handover that is under way. */
  failback: Failback | undefined = undefined;

  constructor(options: RolesOptions) {
    this.#options = options;
    this.stations = options.stations;
    this.machine = options.machine;
    this.#byName = new Map(options.stations.map((station) => [station.name, station]));
    this.#active = this.station(options.machine.active);
  }

  /**
   * Follows `options` from now on. Its stations include the active one; its machine is not used,
   * the one of this group stays.
   */
  useSettings(options: RolesOptions): void {
    this.#options = options;
    this.stations = options.stations;
    this.#byName = new Map(options.stations.map((station) => [station.name, station]));
  }

  get active(): Station {
    return this.#active;
  }

  get epoch(): number {
    return this.machine.epoch;
  }

  station(name: string): Station {
    const station = this.#byName.get(name);
    if (station === undefined) throw new RangeError(`there is no station "${name}" here`);
    return station;
  }

  isLeaseHeld(nowMs: number): boolean {
    const { leaseEndsMs } = this.#options;
    return leaseEndsMs === undefined || nowMs < leaseEndsMs();
  }

  /** May calls be sent to `station`, as far as is known? */
  isUsable(station: Station, nowMs: number): boolean {
    return station.isUsable(station === this.#active, nowMs);
  }

  /**
   * Is there another station that may take calls and is not in doubt? A station that is being
   * tested with a single call does not count, if `station` at least answers: that call may take
   * long, and all others would wait for it.
   */
  hasAlternative(station: Station, nowMs: number): boolean {
    const isMute = station.evidence.isSilent || station.evidence.isRefusing;
    for (const other of this.stations) {
      if (other === station || other.isDoubted || !this.isUsable(other, nowMs)) continue;
      if (isMute || !other.admission.isTrial || other.admission.working === 0) return true;
    }
    return false;
  }

  /** Does anything count against any station other than `station`? Asked with every answer. */
  isAnyBlamedBeside(station: Station): boolean {
    for (let place = 0; place < this.stations.length; place++) {
      const other = this.stations[place] as Station;
      if (!other.evidence.isClear && other !== station) return true;
    }
    return false;
  }

  /** Assesses every station and returns what follows, if anything. */
  decide(nowMs: number): FailoverDecision | undefined {
    if (!this.isRunning) return undefined;
    for (const station of this.stations) {
      if (station !== this.#active) station.setAsideIfFailing(nowMs);
      const assessment = this.assess(station, nowMs);
      station.assessed(assessment, nowMs);
      this.machine.assess(station.name, assessment, nowMs);
    }
    if (!this.isLeaseHeld(nowMs) || nowMs < this.distrustUntilMs) return undefined;
    return this.machine.decide(nowMs);
  }

  assess(station: Station, nowMs: number): Assessment {
    const { silentSinceMs } = this.#active;
    const heardMs = station === this.#active ? undefined : this.#options.lastHeardMs(station.name);
    const confirmed = silentSinceMs === undefined || heardMs === undefined || heardMs > silentSinceMs;
    return station.assess(station === this.#active, confirmed, this.distrustUntilMs, nowMs);
  }

  /**
   * Begins to hand over to `name`; if the cause is `slowness`, begins a race with it. Does nothing
   * while a handover is under way.
   */
  beginFailback(name: string, cause: PlannedCause, reason: string, usualInFlight: number, nowMs: number): boolean {
    if (this.failback !== undefined) return false;
    const to = this.station(name);
    to.admission.begin(1, nowMs);
    const usual = usualLoad(this.#active, usualInFlight);
    const race = cause === "slowness" ? new Race(nowMs) : undefined;
    const { usualMs } = this.#active.answerTimes;
    this.failback = new Failback(to, cause, reason, { quietMs: this.#options.quietMs, usual, race, usualMs }, nowMs);
    return true;
  }

  /** Why the handover that is under way cannot go on; undefined if it can, or if there is none. */
  failbackRefusal(): string | undefined {
    const { failback } = this;
    return failback && this.machine.refusal(failback.to.name, failback.cause);
  }

  /** Makes the promoted station active, and informs both stations. */
  carryOut(
    { from, station, atMs, cause }: Promotion,
    usualInFlight: number,
  ): { readonly from: Station; readonly to: Station } {
    const old = this.station(from);
    const active = this.station(station);
    this.#active = active;
    old.demoted(atMs, cause === "failure");
    active.slowness.restart(cause === "switchover", atMs);
    old.slowness.wasReplaced = cause === "slowness";
    // In a planned change, the station has already served a share of the calls.
    const borne = cause === "failure" ? 0 : active.admission.borne;
    active.promoted(Math.max(usualInFlight, borne), atMs, usualLoad(old, usualInFlight).perMs);
    return { from: old, to: active };
  }

  /** Idle stations whose command path is to be probed. */
  toProbe(): Station[] {
    if (!this.#options.probes || !this.isRunning) return [];
    return this.stations.filter((station) => {
      if (station === this.#active || station.liveness !== "alive") return false;
      return station.needsProbe || (this.#options.automatic && station.name === this.machine.preferred);
    });
  }

  /** When time alone could change the result of {@link decide}. */
  nextWakeMs(nowMs: number): number {
    if (!this.isRunning) return Number.POSITIVE_INFINITY;
    let nextMs = this.#nextDecisionMs(nowMs);
    for (const station of this.stations) nextMs = Math.min(nextMs, station.nextWakeMs(nowMs));
    return Math.min(nextMs, this.failback?.nextStepMs ?? nextMs);
  }

  #nextDecisionMs(nowMs: number): number {
    if (!this.isLeaseHeld(nowMs)) return nowMs + LEASE_INTERVAL_MS;
    if (nowMs < this.distrustUntilMs) return this.distrustUntilMs;
    if (this.#active.assessment?.eligible === false && this.#someUnconfirmed()) return nowMs + CONFIRM_INTERVAL_MS;
    // A handover that is due and under way is not requested twice.
    return this.failback === undefined ? this.machine.nextWakeMs() : Number.POSITIVE_INFINITY;
  }

  #someUnconfirmed(): boolean {
    return this.stations.some(({ assessment }) => assessment?.eligible === true && !assessment.confirmed);
  }
}

function usualLoad({ answerTimes: { usualMs } }: Station, inFlight: number): UsualLoad {
  return { inFlight, perMs: usualMs === 0 ? 0 : inFlight / usualMs };
}
