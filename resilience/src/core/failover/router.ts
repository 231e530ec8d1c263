/**
 * Where a call goes: to the active station, unless that one is in doubt or ineligible and another
 * can take it; to the station that a failback tries out; where nobody is usable, to one that may
 * have become well again, one call at a time. A failed call goes on to another station at once. The
 * active role is another question (`roles.ts`): routing reacts to three overdue attempts, a role
 * change needs proof.
 */
import type { Call } from "./call.ts";
import type { Roles } from "./roles.ts";
import type { Station } from "./station.ts";

/** A station in doubt is tried again this often, with a repeatable call, while another serves. */
const TRIAL_INTERVAL_MS = 250;
/**
 * A new call is compared at another station this often, one at a time, while the active one does
 * not serve its kind.
 */
const COMPARISON_INTERVAL_MS = 250;
/**
 * A station that refuses connections is tried this often where nobody else serves: a refused
 * connection costs nothing.
 */
const REFUSED_TRIAL_INTERVAL_MS = 50;
/**
 * A station that nobody would call usable, but that served within this time, is given more than one
 * call at a time.
 */
const SERVED_LATELY_MS = 1_000;
/** A lease says nothing when it is renewed: calls that wait for that look again this soon. */
const LEASE_RECHECK_MS = 10;

export class Router {
  readonly #roles: Roles;
  #nextComparisonMs: number = Number.NEGATIVE_INFINITY;

  constructor(roles: Roles) {
    this.#roles = roles;
  }

  /** The station that takes `call` now; undefined where it has to wait. */
  route(call: Call, nowMs: number): Station | undefined {
    const { active, failback } = this.#roles;
    if (!this.#roles.isLeaseHeld(nowMs)) return undefined;
    // So it is for nearly every call; what follows otherwise is for the others.
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
        // It serves nothing and asked to be left alone: others need not wait for that.
        if (nowMs >= active.admission.pausedUntilMs) return undefined;
      }
      if (!roles.hasAlternative(active, nowMs)) return active.admits(nowMs) ? active : undefined;
      if (this.#isTrialDue(active, call, nowMs)) return active;
    }
    const isAnyTrusted = this.#isAnyTrusted(nowMs);
    for (const station of roles.stations) {
      // Where all that are usable are in doubt, nobody is better: a doubt that nothing was sent to
      // could never end.
      if (station === active || (station.isDoubted && isAnyTrusted) || !roles.isUsable(station, nowMs)) continue;
      if (station.admits(nowMs)) return station;
    }
    // The others have no room: what this one can take it may have.
    if (isActiveUsable && active.evidence.isDoubtedForLoad && active.admits(nowMs)) return active;
    return this.isAnyUsable(nowMs) ? undefined : this.#failOpen(call, nowMs);
  }

  /** Is a station usable and not in doubt? */
  #isAnyTrusted(nowMs: number): boolean {
    return this.#roles.stations.some((station) => !station.isDoubted && this.#roles.isUsable(station, nowMs));
  }

  /**
   * Another station than those where `call` has been, for a call that failed; undefined where none
   * can take it now.
   */
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
   * Is there another usable station where `call` has not been, whether it can take it now or not?
   */
  hasNext(call: Call, nowMs: number): boolean {
    return this.#roles.stations.some((station) => this.#isFresh(call, station, nowMs));
  }

  /** A station that could take calls of `station`, and has none. */
  idleBeside(station: Station, nowMs: number): Station | undefined {
    return this.#roles.stations.find((other) => {
      if (other === station || other.isDoubted || other.inFlight > 0) return false;
      return this.#roles.isUsable(other, nowMs) && other.admits(nowMs);
    });
  }

  isAnyUsable(nowMs: number): boolean {
    return this.#roles.stations.some((station) => this.#roles.isUsable(station, nowMs));
  }

  /**
   * When time alone lets a waiting call go; `Infinity` where something else has to happen first.
   */
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

  /** A call that was sent to find out whether `station` serves came back without success. */
  trialFailed(station: Station, refused: boolean, nowMs: number): void {
    station.nextTrialMs = nowMs + (refused ? REFUSED_TRIAL_INTERVAL_MS : TRIAL_INTERVAL_MS);
  }

  #isFresh(call: Call, station: Station, nowMs: number): boolean {
    if (station.isDoubted || call.isOutAt(station) || !this.#roles.isUsable(station, nowMs)) return false;
    return call.visitAt(station) === undefined;
  }

  /**
   * The station that shows whether calls like this one, which the active one did not serve, are
   * served elsewhere.
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
   * Nobody is usable: each station that is not out of service on purpose is tried, those that are
   * heard first.
   */
  #failOpen(call: Call, nowMs: number): Station | undefined {
    const { active, stations } = this.#roles;
    const ordered = [active, ...stations.filter((station) => station !== active)];
    ordered.sort((one, other) => silence(one) - silence(other));
    for (const station of ordered) {
      const isKept = this.#isKept(station);
      if ((station.maintenance !== undefined && !isKept) || !station.admits(nowMs)) continue;
      if (isKept || this.#servedLately(station, nowMs)) return station;
      // A command without a key is not spent on finding out whether a station lives that was
      // declared down: its heartbeats tell. Of one that sends heartbeats, and has not answered
      // commands, nothing else tells. A command that is out there already would find out nothing
      // new.
      if (nowMs < station.nextTrialMs || station.admission.working > 0 || call.isOutAt(station)) continue;
      if (station.liveness === "down" && !call.terms.isRepeatable && !station.evidence.isRefusing) continue;
      station.nextTrialMs = nowMs + TRIAL_INTERVAL_MS;
      return station;
    }
    return undefined;
  }

  /**
   * Is it the active one, well but for its maintenance? Where nobody can replace it, it serves on.
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
