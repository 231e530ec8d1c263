/**
 * Plans with simple arithmetic. Either one station is lost for ever and nothing else happens, so
 * that a take-over can be timed. Or an outage heals and then a loss lasts for ever, so that a
 * detector is late if it has learned the outage as normal. The faults cover everything that can end
 * a primary's service, from a machine without power to one that answers 200 with an error in the
 * body.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick } from "ground-station-failover/sim";
import type { FleetFault } from "../fleet/plan.ts";
import { GATEWAY, spacecraftNode, stationNode } from "../fleet/plan.ts";

/** The station that is struck. */
export interface Victim {
  readonly group: string;
  readonly station: string;
}

type Loss = (victim: Victim, times: { readonly atMs: number; readonly forMs?: number }) => FleetFault;

const node = ({ group, station }: Victim): string => stationNode(group, station);
const service =
  (mode: "errors" | "errors-after" | "lying-200" | "hang" | "hang-after"): Loss =>
  (victim, times) => ({ kind: "service", ...victim, ...times, mode, rate: 1 });

/** Heartbeats stop. */
const SILENT: readonly Loss[] = [
  (victim, times) => ({ kind: "crash", node: node(victim), how: "power", ...times }),
  (victim, times) => ({ kind: "pause", node: node(victim), ...times }),
  (victim, times) => ({ kind: "link", from: node(victim), to: GATEWAY, conditions: { cut: true }, ...times }),
  (victim, times) => ({ kind: "link", from: node(victim), to: "*", conditions: { cut: true }, ...times }),
  (victim, times) => ({ kind: "link", from: node(victim), to: GATEWAY, conditions: { held: true }, ...times }),
];

/** Heartbeats may go on, commands do not. */
const DEAF: readonly Loss[] = [
  (victim, times) => ({ kind: "crash", node: node(victim), how: "kill", ...times }),
  (victim, times) => ({ kind: "link", from: GATEWAY, to: node(victim), conditions: { cut: true }, ...times }),
  (victim, times) => ({ kind: "link", from: GATEWAY, to: node(victim), conditions: { held: true }, ...times }),
  (victim, times) => ({
    kind: "link",
    from: node(victim),
    to: spacecraftNode(victim.group),
    conditions: { cut: true },
    ...times,
  }),
  (victim, times) => ({
    kind: "link",
    from: spacecraftNode(victim.group),
    to: node(victim),
    conditions: { cut: true },
    ...times,
  }),
  service("errors"),
  service("errors-after"),
  service("lying-200"),
  service("lying-200"),
  service("hang"),
  service("hang-after"),
];

/** Losses that a probe of the station's command path detects. */
const FOUND_BY_PROBES: readonly Loss[] = [
  (victim, times) => ({ kind: "link", from: GATEWAY, to: node(victim), conditions: { cut: true }, ...times }),
  (victim, times) => ({ kind: "link", from: GATEWAY, to: node(victim), conditions: { held: true }, ...times }),
  service("errors"),
  service("lying-200"),
  service("hang"),
];

/** `victim` is lost at some instant of the chaos, for ever. */
export function drawLoss(random: Random, victim: Victim, fromMs: number): FleetFault {
  return pick(random, [...SILENT, ...DEAF])(victim, { atMs: Math.round(between(random, fromMs, fromMs + 5_000)) });
}

/**
 * In one seed of five the gateway stands still a moment after `loss`: the evidence that it has by
 * then may come from its own stall.
 */
export function drawOwnStall(random: Random, loss: FleetFault): FleetFault[] {
  if (chance(random, 0.8)) return [];
  const atMs = loss.atMs + Math.round(between(random, 0, 800));
  return [{ kind: "pause", node: GATEWAY, atMs, forMs: Math.round(logUniform(random, 200, 3_000)) }];
}

/**
 * A second process sends heartbeats as `victim` until the chaos ends. In half of the seeds the true
 * station loses its power, or stands still, meanwhile.
 */
export function drawTwin(random: Random, victim: Victim, fromMs: number, untilMs: number): FleetFault[] {
  const atMs = Math.round(between(random, fromMs, (fromMs + untilMs) / 2));
  const twin: FleetFault = { kind: "twin", ...victim, atMs, forMs: Math.ceil(untilMs - atMs) };
  if (chance(random, 0.5)) return [twin];
  const times = { atMs: Math.round(between(random, (atMs + untilMs) / 2, untilMs - 1)) };
  const how = pick(random, ["power", "pause"] as const);
  const struck = node(victim);
  return [
    twin,
    how === "power" ? { kind: "crash", node: struck, how, ...times } : { kind: how, node: struck, ...times },
  ];
}

/** How long an outage that heals lasts at most. */
export const LONGEST_OUTAGE_MS = 20_000;

/**
 * `first` has an outage that heals; `againAfterMs` later, when all is well again, `second` is lost
 * for ever. If that is the same station, the gateway goes back on its own, and would go back again
 * and again to a station that still sends heartbeats, unless it probes (`probed`).
 */
export function drawRelapse(
  random: Random,
  { first, second }: { readonly first: Victim; readonly second: Victim },
  fromMs: number,
  { againAfterMs, probed }: { readonly againAfterMs: number; readonly probed: boolean },
): [outage: FleetFault, loss: FleetFault] {
  const forMs = Math.round(logUniform(random, 2_000, LONGEST_OUTAGE_MS));
  const atMs = Math.round(between(random, fromMs, fromMs + 1_000));
  const again = { atMs: atMs + forMs + Math.round(againAfterMs) };
  const alone = probed ? [...SILENT, ...FOUND_BY_PROBES] : SILENT;
  const losses = first === second ? alone : [...SILENT, ...SILENT, ...DEAF];
  // An outage that heals may leave the heartbeats going: then only a probe can tell when it is
  // over.
  return [pick(random, probed ? alone : SILENT)(first, { atMs, forMs }), pick(random, losses)(second, again)];
}

/**
 * How a station that is up again may still fail a part of its commands: its heartbeats show nothing
 * of it.
 */
const BY_HALVES = ["errors", "errors", "lying-200", "hang"] as const;

/**
 * In half of the seeds: when its outage is over, `victim` fails a part of the commands and probes
 * for a while longer. The gateway finds that out when it goes back to the station, once and again.
 */
export function drawHalfWell(random: Random, victim: Victim, outage: FleetFault, loss: FleetFault): FleetFault[] {
  if (chance(random, 0.5)) return [];
  const atMs = outage.atMs + ("forMs" in outage ? (outage.forMs ?? 0) : 0);
  const forMs = Math.round((loss.atMs - atMs) * between(random, 0.3, 0.7));
  const rate = Number(pick(random, [1, logUniform(random, 0.1, 1), logUniform(random, 0.1, 0.4)]).toPrecision(2));
  return [{ kind: "service", ...victim, atMs, forMs, mode: pick(random, BY_HALVES), rate }];
}
