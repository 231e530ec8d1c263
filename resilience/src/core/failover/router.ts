/**
 * Decides where a call goes:
 * - to the active station, unless it is in doubt or ineligible and another station can take the
 *   call;
 * - to the station that a failback is trying out;
 * - if no station is usable, to one that may have recovered, one call at a time.
 *
 * A failed call goes to another station at once. Which station is active is decided elsewhere
 * (`roles.ts`): routing reacts to three overdue attempts, and a role change needs proof.
 */
import type { Call } from "./call.ts";
import type { Spillover } from "./overload/spillover.ts";
import type { Roles } from "./roles.ts";
import type { Station } from "./station.ts";

/**
 * Interval at which a station in doubt is tried again, with a repeatable call, while another
 * station serves.
 */
const TRIAL_INTERVAL_MS = 250;
/**
 * While the active station fails calls of a source, a new call of that source is compared at
 * another station at this interval, one at a time.
 */
const COMPARISON_INTERVAL_MS = 250;
/**
 * Interval at which a station that refuses connections is tried if no other station serves. It is
 * short because a refused connection costs nothing.
 */
const REFUSED_TRIAL_INTERVAL_MS = 50;
/**
 * A station that is not usable but served a call within this time is given more than one call at a
 * time.
 */
const SERVED_LATELY_MS = 1_000;
/**
 * A lease gives no signal when it is renewed, so calls that wait for it are checked again after
 * this long.
 */
const LEASE_RECHECK_MS = 10;

export class Router {
  readonly #roles: Roles;
  readonly #spillover: Spillover;
  #nextComparisonMs: number = Number.NEGATIVE_INFINITY;

  constructor(roles: Roles, spillover: Spillover) {
    this.#roles = roles;
    this.#spillover = spillover;
  }

  /** The station that takes `call` now; undefined if the call has to wait. */
  route(call: Call, nowMs: number): Station | undefined {
    const { active, failback } = this.#roles;
    if (!this.#roles.isLeaseHeld(nowMs)) return undefined;
    // Nearly every call ends here.
    if (failback === undefined && active.isWell(nowMs) && active.admits(nowMs)) return active;
    return this.#routeWithCare(call, nowMs);
  }

  #routeWithCare(call: Call, nowMs: number): Station | undefined {
    const roles = this.#roles;
    const { active, failback } = roles;
    if (failback?.takes(call) === true && roles.isUsable(failback.to, nowMs) && failback.to.admits(nowMs)) {
      return failback.to;
    }
    const isActiveUsable = roles.isUsable(active, nowMs);
    if (isActiveUsable) {
      if (!active.isDoubted) {
        const other = active.evidence.hasUncompared ? this.#toCompare(call, nowMs) : undefined;
        if (other !== undefined) return other;
        if (active.admits(nowMs)) return active;
        // While the station serves nothing and has asked for a pause, other stations may take the
        // call.
        if (nowMs >= active.admission.pausedUntilMs && !this.#spillover.allows(active, nowMs)) return undefined;
      }
      if (!roles.hasAlternative(active, nowMs)) return active.admits(nowMs) ? active : undefined;
      if (this.#isTrialDue(active, call, nowMs)) return active;
    }
    const isAnyTrusted = this.#isAnyTrusted(nowMs);
    for (const station of roles.stations) {
      // If all usable stations are in doubt, none is better. Without calls, a doubt could never
      // end.
      if (station === active || (station.isDoubted && isAnyTrusted) || !roles.isUsable(station, nowMs)) continue;
      if (station.admits(nowMs)) return station;
    }
    // The other stations have no room, so this one gets the calls that it can take.
    if (isActiveUsable && active.evidence.isDoubtedForLoad && active.admits(nowMs)) return active;
    return this.isAnyUsable(nowMs) ? undefined : this.#failOpen(call, nowMs);
  }

  /** Is any station usable and not in doubt? */
  #isAnyTrusted(nowMs: number): boolean {
    return this.#roles.stations.some((station) => !station.isDoubted && this.#roles.isUsable(station, nowMs));
  }

  /** For a call that failed: a station that it has not tried. Undefined if none can take it now. */
  next(call: Call, nowMs: number): Station | undefined {
    const roles = this.#roles;
    if (!roles.isLeaseHeld(nowMs)) return undefined;
    for (const station of roles.stations) {
      if (!this.#isFresh(call, station, nowMs)) continue;
      if (station.admits(nowMs)) return station;
    }
    return undefined;
  }

  /**
   * Is there a usable station that `call` has not tried, whether or not it can take the call now?
   */
  hasNext(call: Call, nowMs: number): boolean {
    return this.#roles.stations.some((station) => this.#isFresh(call, station, nowMs));
  }

  /** A station without calls that could take calls of `station`. */
  idleBeside(station: Station, nowMs: number): Station | undefined {
    return this.#roles.stations.find((other) => {
      if (other === station || other.isDoubted || other.inFlight > 0) return false;
      return this.#roles.isUsable(other, nowMs) && other.admits(nowMs);
    });
  }

  isAnyUsable(nowMs: number): boolean {
    return this.#roles.stations.some((station) => this.#roles.isUsable(station, nowMs));
  }

  /** When time alone lets a waiting call go; `Infinity` if something else has to happen first. */
  opensAtMs(nowMs: number): number {
    const roles = this.#roles;
    if (!roles.isLeaseHeld(nowMs)) return nowMs + LEASE_RECHECK_MS;
    let opensMs = Number.POSITIVE_INFINITY;
    const anyUsable = this.isAnyUsable(nowMs);
    const isAnyTrusted = this.#isAnyTrusted(nowMs);
    for (const station of roles.stations) {
      if (station.maintenance !== undefined && !this.#isKept(station)) continue;
      if (anyUsable && !roles.isUsable(station, nowMs)) continue;
      let atMs = station.admitsAtMs(nowMs);
      const isOtherTaken = station === roles.active ? roles.hasAlternative(station, nowMs) : isAnyTrusted;
      const tried = !anyUsable || (station.isDoubted && isOtherTaken);
      if (tried && !this.#servedLately(station, nowMs) && !this.#isKept(station))
        atMs = Math.max(atMs, station.nextTrialMs);
      opensMs = Math.min(opensMs, atMs);
    }
    return Math.max(opensMs, nowMs);
  }

  /** A call that tested whether `station` serves came back without success. */
  trialFailed(station: Station, refused: boolean, nowMs: number): void {
    station.nextTrialMs = nowMs + (refused ? REFUSED_TRIAL_INTERVAL_MS : TRIAL_INTERVAL_MS);
  }

  #isFresh(call: Call, station: Station, nowMs: number): boolean {
    if (station.isDoubted || call.isOutAt(station) || !this.#roles.isUsable(station, nowMs)) return false;
    return call.visitAt(station) === undefined;
  }

  /**
   * An idle station for a call of a source that the active station does not serve: it shows whether
   * such calls are served elsewhere.
   */
  #toCompare(call: Call, nowMs: number): Station | undefined {
    const { active } = this.#roles;
    if (!active.evidence.isWorthComparing(call.terms.source) || nowMs < this.#nextComparisonMs) return undefined;
    if (call.visits !== undefined) return undefined;
    const idle = this.idleBeside(active, nowMs);
    if (idle !== undefined) this.#nextComparisonMs = nowMs + COMPARISON_INTERVAL_MS;
    return idle;
  }

  #isTrialDue(station: Station, call: Call, nowMs: number): boolean {
    if (!call.terms.isRepeatable || nowMs < station.nextTrialMs || !station.admits(nowMs)) return false;
    if (call.visitAt(station) !== undefined) return false;
    station.nextTrialMs = nowMs + TRIAL_INTERVAL_MS;
    return true;
  }

  /**
   * No station is usable. Tries each station that is not in maintenance; stations whose heartbeats
   * arrive come first.
   */
  #failOpen(call: Call, nowMs: number): Station | undefined {
    const { active, stations } = this.#roles;
    const ordered = [active, ...stations.filter((station) => station !== active)];
    ordered.sort((one, other) => silence(one) - silence(other));
    for (const station of ordered) {
      const isKept = this.#isKept(station);
      if ((station.maintenance !== undefined && !isKept) || !station.admits(nowMs)) continue;
      if (isKept || this.#servedLately(station, nowMs)) return station;
      // If a station was declared down, its heartbeats tell when it lives again, so a command
      // without a key is not risked to find that out. If a station sends heartbeats but has not
      // answered commands, only a command can show whether it serves. A command that is already out
      // there would show nothing new.
      if (nowMs < station.nextTrialMs || station.admission.working > 0 || call.isOutAt(station)) continue;
      if (station.liveness === "down" && !call.terms.isRepeatable && !station.evidence.isRefusing) continue;
      station.nextTrialMs = nowMs + TRIAL_INTERVAL_MS;
      return station;
    }
    return undefined;
  }

  /**
   * Is this the active station, well except for its maintenance? It goes on serving if no other
   * station can replace it.
   */
  #isKept(station: Station): boolean {
    if (station !== this.#roles.active || station.maintenance === undefined) return false;
    return station.liveness !== "down" && !station.evidence.isSuspect;
  }

  #servedLately(station: Station, nowMs: number): boolean {
    return nowMs - station.evidence.lastServedMs < SERVED_LATELY_MS && !station.evidence.isRefusing;
  }
}

function silence(station: Station): number {
  return station.liveness === "down" || station.evidence.isSilent ? 1 : 0;
}
