/**
 * Our gateway with three files. The minimum file says only what nobody can know for the operator:
 * where to listen, who the stations are, and where the health page is. The tuned file is what an
 * operator writes who has read the guide and knows the stations' capacity and the callers'
 * patience. The contract file is the minimum file plus what the stations offer: a status page for
 * each key and a deadline header.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { burstOf, capacityPerSecond } from "../setting.ts";
import type { Place, Program, StationAddress } from "./front.ts";

/** How a gateway is told of the stations' contract; see `station.ts` for what they offer. */
const CONTRACT = `
    commands:
      keyStatus: { path: "/commands/{key}" }
      deadlineHeader: { name: X-Deadline, format: epoch-ms }`;

/**
 * What is no part of the minimum file: a control port of its own, because several gateways run at
 * once here.
 */
const BESIDE = (place: Place): string => `
control: { listen: "127.0.0.1:${place.controlPort}" }
drainDelay: 0s
drain: 1s
`;

export const gsfMinimum = (place: Place): Program => program(place, minimumFile(place));

export const gsfContract = (place: Place): Program => program(place, minimumFile(place, CONTRACT));

export function gsfTuned(place: Place): Program {
  const { setting } = place;
  const patience = `${setting.patienceMs}ms`;
  const timeoutMs = Math.min(setting.patienceMs, 5 * setting.latencyMs);
  return program(
    place,
    `
groups:
  - name: uplink
    listen: 127.0.0.1:${place.listenPort}
    stations:
      - { name: primary, url: "${urlOf(place.primary)}" }
      - { name: backup, url: "${urlOf(place.backup)}", capacityPerSecond: ${Math.round(capacityPerSecond(setting))}, burst: ${Math.max(1, Math.floor(0.96 * burstOf(setting)))} }
    heartbeat: { kind: http, path: /health, interval: 50ms }
    probePath: /health
    detector: { minDeviation: 10ms, ceiling: 200ms }
    commands: { timeout: ${timeoutMs}ms, deadline: ${patience}, maxWait: ${patience}, ambiguousKeyed: resend, errorBody: true }
    commandPath: { failingFor: 150ms, minFailures: 3 }
    breaker: { failureRateThreshold: 0.25, window: 1s, openDuration: 3s }
    failback: { mode: automatic, holdDown: 3s }${BESIDE(place)}`,
  );
}

function minimumFile(place: Place, more = ""): string {
  return `
groups:
  - name: uplink
    listen: 127.0.0.1:${place.listenPort}
    stations:
      - { name: primary, url: "${urlOf(place.primary)}" }
      - { name: backup, url: "${urlOf(place.backup)}" }
    heartbeat: { kind: http, path: /health }${more}${BESIDE(place)}`;
}

function urlOf({ host, port }: StationAddress): string {
  return `http://${host}:${port}`;
}

function program({ folder, gateway }: Place, yaml: string): Program {
  const file = join(folder, "fleet.yaml");
  writeFileSync(file, yaml);
  return {
    command: process.execPath,
    args: [join(gateway, "gateway/bin/gsf.js"), "run", "--config", file, "--json"],
    settleMs: 1_500,
  };
}
