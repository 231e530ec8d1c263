/**
 * A fleet, as its parts and its checks see it: the plan, the settings that its gateway got, the
 * observers, the faults in force now, and the commands of its sources. `build.ts` creates one from
 * a plan.
 */
import type { NodeEnv, World } from "ground-station-failover/sim";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import type { GatewaySettings, GroupSettings } from "../../gateway/src/fleet/settings.ts";
import { FaultInjector } from "./fault-injector.ts";
import type { Command, GatewayProcess } from "./observer.ts";
import { Observers } from "./observer.ts";
import type { FleetPlan, GroupPlan } from "./plan.ts";

/** A world under construction or running. */
export class Fleet {
  readonly world: World;
  readonly plan: FleetPlan;
  readonly settings: GatewaySettings;
  readonly observers: Observers = new Observers();
  readonly faults: FaultInjector;
  /** By id, oldest first. */
  readonly commands: Map<string, Command> = new Map();
  /** The gateway process that runs now; undefined while none does. */
  gateway: GatewayProcess | undefined = undefined;
  /** The node of an adversary on the network path. */
  adversary: NodeEnv | undefined = undefined;

  constructor(world: World, plan: FleetPlan) {
    this.world = world;
    this.plan = plan;
    this.settings = parsedSettings(JSON.stringify(plan.configuration));
    this.faults = new FaultInjector(this);
  }

  /** Settings and plan of a group. */
  group(name: string): { readonly settings: GroupSettings; readonly plan: GroupPlan } {
    const settings = this.settings.groups.find((group) => group.name === name);
    const plan = this.plan.groups.find((group) => group.name === name);
    if (settings === undefined || plan === undefined) throw new Error(`the plan has no group "${name}"`);
    return { settings, plan };
  }
}

const SECRET = "GSF_HEARTBEAT_SECRET";

/** The settings that the gateway parses from a configuration; throws its problems. */
export function parsedSettings(text: string): GatewaySettings {
  const environment = { [SECRET]: "a secret of more than sixteen bytes" };
  return parseConfiguration(text, "plan", { environment, readFile: () => "" }).settings;
}
