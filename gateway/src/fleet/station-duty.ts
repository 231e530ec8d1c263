/**
 * Whether a load balancer beside the gateway should send traffic to a station: the gateway's
 * decision in one word, for data planes that carry what the gateway does not. It follows the active
 * role and what is known of the station, and adds nothing to the decision. Patroni answers the
 * health checks of balancers in the same way.
 */
import type { Group } from "./group.ts";

/**
 * - `serving`: the active station, and it may be sent commands.
 * - `standby`: another station serves; this one could take over.
 * - `draining`: the active station of a group that takes no new commands, by order.
 * - `maintenance`: out of service by order.
 * - `ineligible`: heartbeats or calls speak against it; the active one of a group that has no
 *   other, too.
 * - `unheard`: nothing is known yet, because the gateway has just started.
 */
export type StationDuty = "serving" | "standby" | "draining" | "maintenance" | "ineligible" | "unheard";

/** What is needed of a group. */
export type DutyGroup = Pick<Group, "activeStation" | "status" | "drain" | "settings">;

/** The duty of `station`; undefined if the group has no such station. */
export function dutyOf(group: DutyGroup, station: string): StationDuty | undefined {
  const found = group.status.stations.find(({ name }) => name === station);
  if (found === undefined) return undefined;
  const { active, liveness, maintenance, assessment } = found;
  const against = assessment.evidence.filter(({ verdict }) => verdict === "ineligible");
  const isEligible = against.every(({ kind }) => kind === "maintenance");
  if (active) {
    // Without another eligible station, the one in maintenance goes on serving.
    if (!isEligible) return "ineligible";
    if (liveness === "unknown") return "unheard";
    return group.drain === undefined ? "serving" : "draining";
  }
  if (maintenance !== undefined) return "maintenance";
  if (liveness === "unknown") return "unheard";
  return assessment.eligible ? "standby" : "ineligible";
}

/**
 * True if `station` is `serving`. For stations that are not active, which is most of them, this is
 * much cheaper than {@link dutyOf}.
 */
export function isServing(group: DutyGroup, station: string): boolean {
  return group.activeStation === station && dutyOf(group, station) === "serving";
}
