/**
 * The fleet's world: the shipped gateway, several groups of stations behind it with a spacecraft
 * behind each station, and the sources that send commands, all from one plan. Only the adapters are
 * replaced: `compose`, the parser of the configuration, the station's guard and heartbeats, and
 * everything below them are the production files.
 *
 *   source ──► gateway ──► station ──► spacecraft       each a process on a machine of its own,
 *                 ▲            │                        with the simulated network between them
 *                 └─heartbeats─┘
 *
 * There is one gateway, because several need a shared lease; it may crash and restart. When the
 * product has a lease store and durable journals, they get nodes and disks here.
 */
import type { Program, SimNode, World } from "ground-station-failover/sim";
import { inject } from "ground-station-failover/sim";
import { ConfigurationProblems } from "../../gateway/src/config/problems.ts";
import { checksOf } from "../checks/index.ts";
import { Fleet, parsedSettings } from "./fleet.ts";
import { gatewayProgram } from "./gateway-node.ts";
import { type FleetObserver, LOOK_EVERY_MS } from "./observer.ts";
import type { FleetPlan, GroupPlan } from "./plan.ts";
import {
  ADVERSARY,
  endsAtMs,
  GATEWAY,
  hasTwin,
  healedAtMs,
  sourceNode,
  spacecraftNode,
  stationNode,
  twinNode,
} from "./plan.ts";
import { sourceProgram } from "./source-node.ts";
import { spacecraftProgram } from "./spacecraft-node.ts";
import { stationProgram, twinProgram } from "./station-node.ts";

/** What may replace the gateway, and the checks for it: to run another system on the same plan. */
export interface SystemUnderTest {
  readonly gateway: (fleet: Fleet) => Program;
  readonly checks: (fleet: Fleet) => readonly FleetObserver[];
}

const OURS: SystemUnderTest = { gateway: gatewayProgram, checks: checksOf };

/** Creates everything in `world` that `plan` names, starts it, and adds the checks. */
export function buildFleet(world: World, plan: FleetPlan, { gateway, checks }: SystemUnderTest = OURS): Fleet {
  const fleet = new Fleet(world, plan);
  for (const check of checks(fleet)) fleet.observers.add(check);
  refusesBroken(fleet);
  world.network.setDefaults(plan.network);
  for (const node of nodesOf(fleet, gateway(fleet))) {
    if (plan.disks !== undefined) node.disk.impose(plan.disks);
    const rate = plan.clockRates[node.name];
    if (rate !== undefined) node.drift(rate);
    node.start();
  }
  inject(world, fleet.faults.ofTheEngine());
  fleet.faults.schedule();
  const tick = (): void => {
    fleet.observers.tell("tick");
    world.at(world.nowMs + LOOK_EVERY_MS, tick);
  };
  world.at(LOOK_EVERY_MS, tick);
  world.at(healedAtMs(plan), () => world.trace.note(world.nowMs, "world", "healed", ""));
  world.at(endsAtMs(plan), () => fleet.observers.tell("ended"));
  return fleet;
}

function nodesOf(fleet: Fleet, gateway: Program): SimNode[] {
  const { world } = fleet;
  const adversary = world.node(ADVERSARY, (env) => {
    fleet.adversary = env;
  });
  const nodes = [adversary, world.node(GATEWAY, gateway)];
  for (const [place, settings] of fleet.settings.groups.entries()) {
    const plan = fleet.plan.groups[place] as GroupPlan;
    nodes.push(world.node(spacecraftNode(settings.name), spacecraftProgram(fleet, settings.name)));
    for (const station of settings.stations) {
      nodes.push(world.node(stationNode(settings.name, station.name), stationProgram(fleet, settings, station, plan)));
      // A twin begins with its fault.
      if (hasTwin(fleet.plan, settings.name, station.name))
        world.node(twinNode(settings.name, station.name), twinProgram(fleet, settings, station));
    }
    for (let source = 0; source < plan.sources; source++) {
      nodes.push(world.node(sourceNode(settings.name, source), sourceProgram(fleet, settings, plan, source)));
    }
  }
  return nodes;
}

/**
 * The parser refuses every configuration that is wrong on purpose, with a sentence, before anything
 * runs on it.
 */
function refusesBroken({ world, plan }: Fleet): void {
  for (const text of plan.brokenConfigurations) {
    try {
      parsedSettings(text);
      world.violate("broken-settings-refused", `accepted: ${text}`);
    } catch (error) {
      world.sometimes("broken settings refused");
      if (!(error instanceof ConfigurationProblems)) throw error;
    }
  }
}
