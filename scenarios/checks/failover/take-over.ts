/**
 * L2, `takes-over`: after a fault that ends all service of the active station, and while nothing
 * else is wrong, another station serves a command that was sent after the fault. The bound is the
 * sum of the steps that the manual names: the silence (or the failing commands), sustained as
 * written; one more heartbeat of the backup; the next command and its way. All terms come from the
 * plan and the manual (`isolated-faults.ts`), none from the code. A fault is not watched if no
 * other station is eligible at its instant, by the gateway's account, unless something known from
 * outside contradicts that (`surely-fit.ts`).
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import { endsAtMs } from "../../fleet/plan.ts";
import { quietFromMs } from "../../fleet/source-node.ts";
import type { IsolatedFault } from "../detection/isolated-faults.ts";
import { isolatedFaults } from "../detection/isolated-faults.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { succeeded } from "../load/offered-load.ts";
import { livingGateway } from "../status-round.ts";
import { SurelyFit } from "./surely-fit.ts";

export function takeOver(fleet: Fleet): FleetObserver {
  return watchTakeOvers(fleet, "takes-over", isolatedFaults(fleet));
}

/**
 * The same against the bound that the product itself proves from the configuration (rule F8), for
 * the faults that its proof speaks of. After a silence another station must be active in time, too,
 * because commands that go elsewhere on a doubt would hide a late declaration.
 */
export function timingBudget(fleet: Fleet): FleetObserver {
  return watchTakeOvers(fleet, "within-the-timing-budget", isolatedFaults(fleet, "proven"));
}

function watchTakeOvers(fleet: Fleet, invariant: string, faults: readonly IsolatedFault[]): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const surelyFit = new SurelyFit(fleet);
  /** Faults after which no other station has served yet. */
  const waiting: Set<IsolatedFault> = new Set();
  /** Those that struck the active station, while another one was well. */
  const watched: Set<IsolatedFault> = new Set();
  const latestMs = Math.min(quietFromMs(fleet), endsAtMs(fleet.plan));
  const seen = invariant === "takes-over" ? "take-over" : "take-over by the timing budget";
  for (const fault of faults) {
    if (fault.atMs + fault.boundMs > latestMs) continue;
    world.at(fault.atMs, () => {
      if (!isActiveWithBackup(fleet, fault, surelyFit)) return;
      waiting.add(fault);
      watched.add(fault);
      world.sometimes(fault.again ? `${seen} watched after an earlier fault` : `${seen} watched`);
    });
    const { promotedMs } = fault;
    if (promotedMs !== undefined)
      world.at(fault.atMs + promotedMs, () => {
        const active = livingGateway(fleet)?.gateway.groups.get(fault.group)?.activeStation;
        if (watched.has(fault) && active === fault.station) world.violate(invariant, notPromoted(fault, promotedMs));
      });
    world.at(fault.atMs + fault.boundMs, () => {
      if (waiting.has(fault)) world.violate(invariant, sentence(fault));
    });
  }
  return {
    ...surelyFit.hears,
    attemptEnded(attempt) {
      surelyFit.hears.attemptEnded(attempt);
      if (waiting.size === 0) return;
      const { commands } = groups.get(attempt.group) as DocumentedGroup;
      if (!succeeded(attempt, commands.errorBody)) return;
      for (const fault of waiting) {
        const elsewhere = attempt.group === fault.group && attempt.station !== fault.station;
        if (elsewhere && attempt.command.sentAtMs >= fault.atMs) waiting.delete(fault);
      }
    },
  };
}

/** Whether the fault strikes the active station, and another station is well at this instant. */
function isActiveWithBackup(fleet: Fleet, { group, station }: IsolatedFault, surelyFit: SurelyFit): boolean {
  const status = livingGateway(fleet)?.gateway.groups.get(group)?.status;
  if (status === undefined || status.active !== station || status.handover !== undefined) return false;
  const active = status.stations.find(({ name }) => name === station);
  const isFit = ({ name, liveness, maintenance, assessment }: (typeof status.stations)[number]): boolean =>
    surelyFit.has(group, name) || (liveness === "alive" && maintenance === undefined && assessment.eligible);
  return active?.liveness === "alive" && status.stations.some((one) => one.name !== station && isFit(one));
}

function notPromoted({ group, station, atMs, terms }: IsolatedFault, promotedMs: number): string {
  return `${group}: ${station} was lost at ${atMs} ms and is still active; it should take ${Math.round(promotedMs)} ms at most (${terms})`;
}

function sentence({ group, station, atMs, boundMs, terms }: IsolatedFault): string {
  return `${group}: ${station} was lost at ${atMs} ms, and nobody else has served a command since; it should take ${Math.round(boundMs)} ms at most (${terms})`;
}
