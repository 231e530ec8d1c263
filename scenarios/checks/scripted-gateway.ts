/**
 * A gateway for scripted events: the shipped gateway, composed on the world's clock and never run.
 * So it exists and has a status, but does nothing. Its stations can be written to and never answer.
 */
import { compose } from "../../gateway/src/compose.ts";
import type { Uplink } from "../../gateway/src/fleet/uplink.ts";
import type { GatewayProcess } from "../fleet/observer.ts";
import { GATEWAY } from "../fleet/plan.ts";
import type { Scripted } from "./scripted.ts";

/** Starts the gateway of `made` now, and reports the start to its check. */
export function startGateway(made: Scripted): GatewayProcess {
  const { world, fleet } = made;
  const gateway = compose({
    settings: fleet.settings,
    clock: world.clock,
    random: world.random.fork("gateway"),
    uplink: (_group, station) => silentUplink(station.name),
    challengeOf: () => "challenge",
  });
  const node = world.nodes.get(GATEWAY) ?? world.node(GATEWAY, () => undefined);
  node.crash();
  node.start();
  const process: GatewayProcess = {
    incarnation: node.incarnation,
    gateway,
    startedAtMs: world.nowMs,
    nowMs: () => world.nowMs,
  };
  fleet.gateway = process;
  made.tell("gatewayStarted", process);
  return process;
}

function silentUplink(name: string): Uplink {
  const never = (): Promise<never> => new Promise(() => undefined);
  return { name, send: never, probe: never };
}
