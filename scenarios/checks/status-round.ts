/**
 * Reads the status of the running gateway, one group at a time. A status costs more than all other
 * checks of one round, so each round asks for the next group only, and all checks of the round
 * share the answer.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../fleet/fleet.ts";
import type { GatewayProcess } from "../fleet/observer.ts";
import { GATEWAY } from "../fleet/plan.ts";

/** A group as its gateway sees it now. */
export interface StatusLook {
  readonly group: string;
  readonly process: GatewayProcess;
  readonly status: FailoverStatus;
}

interface Round {
  place: number;
  atMs: number;
  look: StatusLook | undefined;
}

const rounds: WeakMap<Fleet, Round> = new WeakMap();

/** The gateway process that runs now; undefined while none does. */
export function livingGateway({ world, gateway }: Fleet): GatewayProcess | undefined {
  const node = world.nodes.get(GATEWAY);
  return node?.up === true && gateway?.incarnation === node.incarnation ? gateway : undefined;
}

/** The group whose turn it is in this round; undefined while no gateway runs. */
export function lookAround(fleet: Fleet): StatusLook | undefined {
  const round = rounds.get(fleet) ?? { place: -1, atMs: Number.NEGATIVE_INFINITY, look: undefined };
  rounds.set(fleet, round);
  if (round.atMs === fleet.world.nowMs) return round.look;
  round.atMs = fleet.world.nowMs;
  round.place++;
  const process = livingGateway(fleet);
  const { groups } = fleet.plan;
  const group = groups[round.place % groups.length]?.name ?? "";
  const status = process?.gateway.groups.get(group)?.status;
  round.look = process === undefined || status === undefined ? undefined : { group, process, status };
  return round.look;
}
