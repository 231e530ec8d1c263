/**
 * Everything that runs before the incident begins: five processes, started in the order in which
 * they need each other, and a view of the gateway as an operator has it.
 */

import { GatewayView } from "../adapters/control/gateway-view.ts";
import type { Child } from "../adapters/process/children.ts";
import { freePorts } from "../adapters/process/free-ports.ts";
import type { Wait } from "../adapters/process/waiting.ts";
import {
  BACKUP,
  type FleetProcesses,
  type GatewayAddresses,
  GROUP,
  type Load,
  PRIMARY,
  type Station,
} from "./fleet-processes.ts";
import type { Timeline } from "./timeline.ts";

export interface Stage {
  readonly spacecraft: { readonly child: Child; readonly url: string };
  readonly gateway: { readonly child: Child; readonly addresses: GatewayAddresses };
  readonly primary: Station;
  readonly backup: Station;
  readonly view: GatewayView;
  readonly load: Load;
}

const HEARTBEATS_LIMIT_MS = 20_000;

/** Starts everything, and reports the processes and their addresses. */
export async function setStage(
  fleet: FleetProcesses,
  wait: Wait,
  timeline: Timeline,
  ratePerSecond: number,
): Promise<Stage> {
  timeline.title("Starting five processes");
  const ports = await freePorts(2);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`) as [primary: string, backup: string];
  const [spacecraft, gateway] = await Promise.all([fleet.startSpacecraft(), fleet.startGateway(urls)]);
  timeline.event(`spacecraft     pid ${spacecraft.child.pid}  ${spacecraft.url}`);
  timeline.event(`gateway        pid ${gateway.child.pid}  ${gateway.addresses.listener}`);
  const { heartbeats, control, listener } = gateway.addresses;
  const [primary, backup] = await Promise.all([
    fleet.startStation(PRIMARY, urls[0], spacecraft.url, heartbeats),
    fleet.startStation(BACKUP, urls[1], spacecraft.url, heartbeats),
  ]);
  for (const { name, child, url } of [primary, backup]) {
    timeline.event(`station ${name.padEnd(7)}pid ${child.pid}  ${url}`);
  }
  const view = new GatewayView(control, GROUP);
  await wait.until("heartbeats of both stations to be accepted", HEARTBEATS_LIMIT_MS, async () => {
    const { stations } = await view.status();
    return stations.every((station) => station.liveness === "alive") || undefined;
  });
  timeline.event("heartbeats of both stations are accepted");
  const load = await fleet.startLoad(listener, ratePerSecond, "c");
  timeline.event(`load           pid ${load.child.pid}  ${ratePerSecond} commands a second`);
  return { spacecraft, gateway, primary, backup, view, load };
}
