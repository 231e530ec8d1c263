/**
 * The faults of a seed of the swarm: the engine's families of faults over gateway, stations and
 * links, and the fleet's own (services that fail, operator actions, replayed heartbeats, surges).
 * Machines of spacecraft and sources are spared; their links may suffer. A seed has few families or
 * many, and each family draws from a stream of its own.
 */
import type { Random } from "ground-station-failover";
import type { Fault, FaultFamily, Link } from "ground-station-failover/sim";
import {
  between,
  chance,
  drawFaults,
  FAULT_FAMILIES,
  logUniform,
  pick,
  shuffled,
  wholeBetween,
} from "ground-station-failover/sim";
import type {
  FleetFault,
  GroupPlan,
  OperatorAction,
  Replayed,
  ServiceFault,
  Surge,
  WrittenConfiguration,
} from "../fleet/plan.ts";
import { GATEWAY, sourceNode, spacecraftNode, stationNode } from "../fleet/plan.ts";

/** What the faults of a seed may strike, and when. */
export interface Stage {
  readonly configuration: WrittenConfiguration;
  /** Those that are not calm. */
  readonly groups: readonly GroupPlan[];
  /** No fault may touch the gateway if a group is calm: that group would be affected. */
  readonly sparesGateway: boolean;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Families that strike a machine or its process. The fleet has no disks yet. */
const OF_MACHINES: readonly FaultFamily[] = ["kill", "power", "pause", "slow", "drift", "wall-step", "door"];
const OF_LINKS: readonly FaultFamily[] = FAULT_FAMILIES.filter(
  (family) => !OF_MACHINES.includes(family) && !family.startsWith("disk"),
);

export function drawAllFaults(random: Random, stage: Stage): FleetFault[] {
  const engine = drawEngineFaults(random.fork("engine"), stage);
  return [
    ...engine,
    ...family(random.fork("service"), (draws) => drawServiceFaults(draws, stage)),
    ...family(random.fork("operator"), (draws) => drawOperator(draws, stage, engine)),
    ...family(random.fork("replayed-beats"), (draws) => drawReplays(draws, stage, "replayed-beats")),
    ...family(random.fork("replayed-challenges"), (draws) => drawReplays(draws, stage, "replayed-challenges")),
    ...family(random.fork("surge"), (draws) => drawSurges(draws, stage)),
  ];
}

export const MODES: readonly ServiceFault["mode"][] = [
  "errors",
  "busy",
  "errors-after",
  "lying-200",
  "hang",
  "hang-after",
  "slow",
];
/** As in the engine: off in four seeds of ten. */
export function family<F extends FleetFault>(random: Random, draw: (random: Random) => F[]): F[] {
  return chance(random, 0.4) ? [] : draw(random);
}

export function drawEngineFaults(random: Random, stage: Stage): Fault[] {
  const { configuration, groups, sparesGateway, fromMs, untilMs } = stage;
  const machines = [
    ...(sparesGateway ? [] : [GATEWAY]),
    ...groups.flatMap(({ name }) => stationsOf(configuration, name).map((station) => stationNode(name, station))),
  ];
  const links = groups.flatMap((group) => linksOf(configuration, group));
  const ends = [...new Set(links.map(({ from }) => from))].filter((node) => node !== GATEWAY || !sparesGateway);
  // If all families are on at once, they hide each other's effects. So the number of families is
  // drawn from one to all of them, each order of magnitude equally likely.
  const breadth = random.fork("breadth");
  const some = shuffled(breadth, [...OF_MACHINES, ...OF_LINKS]).slice(0, Math.round(logUniform(breadth, 1, 20)));
  const times = { fromMs, untilMs };
  const ofMachines = drawFaults(random, {
    nodes: machines,
    links,
    ...times,
    families: some.filter((one) => OF_MACHINES.includes(one)),
  });
  const ofLinks = drawFaults(random, {
    nodes: ends,
    links,
    ...times,
    families: some.filter((one) => OF_LINKS.includes(one)),
  });
  const fewer = new Set(shuffled(random.fork("most"), ofLinks).slice(0, MOST_LINK_FAULTS));
  return [
    ...ofMachines,
    ...unclogged(
      ofLinks.filter((fault) => fewer.has(fault)),
      untilMs,
    ),
  ];
}

/** A partition alone is a fault of each line that it cuts; more than this many add nothing. */
const MOST_LINK_FAULTS = 300;

export function stationsOf({ groups }: WrittenConfiguration, name: string): string[] {
  return groups.find((group) => group.name === name)?.stations.map((station) => station.name) ?? [];
}

/** Every line that messages of `group` take, in both directions. */
function linksOf(configuration: WrittenConfiguration, { name, sources }: GroupPlan): Link[] {
  const stations = stationsOf(configuration, name).map((station) => stationNode(name, station));
  const pairs = [
    ...stations.map((station) => [GATEWAY, station] as const),
    ...stations.map((station) => [station, spacecraftNode(name)] as const),
    ...Array.from({ length: sources }, (_, place) => [sourceNode(name, place), GATEWAY] as const),
  ];
  return pairs.flatMap(([one, other]) => [
    { from: one, to: other },
    { from: other, to: one },
  ]);
}

/** How long after the healing the last clogged message may arrive. */
const CLOG_AFTER_HEALING_MS = 2_000;

/**
 * Messages sent behind a clog wait for it, also when the fault is over. So the total of all clogs
 * of a line must end with the chaos.
 */
function unclogged(faults: readonly Fault[], healedAtMs: number): Fault[] {
  const clogsOn = new Map<string, number>();
  const clogMsOf = (fault: Fault): number => (fault.kind === "link" ? (fault.conditions.clogMs ?? 0) : 0);
  const lineOf = (fault: Fault): string => (fault.kind === "link" ? `${fault.from}->${fault.to}` : "");
  for (const fault of faults)
    if (clogMsOf(fault) > 0) clogsOn.set(lineOf(fault), (clogsOn.get(lineOf(fault)) ?? 0) + 1);
  return faults.map((fault) => {
    if (fault.kind !== "link" || clogMsOf(fault) === 0) return fault;
    const endsMs = Math.min(healedAtMs, fault.atMs + (fault.forMs ?? Number.POSITIVE_INFINITY));
    const roomMs = Math.floor((healedAtMs + CLOG_AFTER_HEALING_MS - endsMs) / (clogsOn.get(lineOf(fault)) ?? 1));
    return { ...fault, conditions: { ...fault.conditions, clogMs: Math.min(clogMsOf(fault), roomMs) } };
  });
}

function drawServiceFaults(random: Random, stage: Stage): ServiceFault[] {
  const count = Math.round(logUniform(random, 1, 12));
  const worst = logUniform(random, 0.01, 1);
  return Array.from({ length: count }, () => {
    const mode = pick(random, MODES);
    const delayMs = milliseconds(logUniform(random, 5, 10_000));
    return {
      kind: "service",
      ...drawStation(random, stage),
      ...drawTimes(random, stage),
      mode,
      rate: Math.round(pick(random, [1, worst]) * 1_000) / 1_000,
      ...(mode === "slow" ? { delayMs } : {}),
    };
  });
}

/**
 * Operators act at any time, or just when something else goes wrong: while a handover is under way,
 * or before the fault is known.
 */
export function drawOperator(random: Random, stage: Stage, others: readonly Fault[]): OperatorAction[] {
  const count = Math.round(logUniform(random, 1, 8));
  return Array.from({ length: count }, () => {
    const times = drawTimes(random, stage);
    const apartMs = logUniform(random, 1, 4_000);
    const before = chance(random, 0.5);
    const bad = chance(random, 0.6) && others.length > 0;
    const other = others[Math.floor(random.next() * others.length)];
    const badMs = (other?.atMs ?? 0) + (before ? -apartMs : apartMs);
    const atMs = bad ? milliseconds(Math.min(Math.max(badMs, stage.fromMs), stage.untilMs - 1)) : times.atMs;
    const action = chance(random, 0.6) ? ("switchover" as const) : ("maintenance" as const);
    const during = action === "maintenance" ? { forMs: times.forMs } : {};
    return { kind: "operator", ...drawStation(random, stage), atMs, action, ...during };
  });
}

function drawReplays(random: Random, stage: Stage, kind: Replayed["kind"]): Replayed[] {
  const count = Math.round(logUniform(random, 1, 20));
  return Array.from({ length: count }, () => ({
    kind,
    ...drawStation(random, stage),
    atMs: drawTimes(random, stage).atMs,
    count: wholeBetween(random, 1, 64),
  }));
}

/** The most that a group's sources send a second during a surge. */
const MOST_PER_SECOND = 250;
/**
 * Bound for surge factors times their lengths: the backlog must be worked off before the
 * verification begins.
 */
const MOST_SURGE_MS = 40_000;

export function drawSurges(random: Random, stage: Stage): Surge[] {
  const groups = shuffled(random, stage.groups);
  return groups.slice(0, wholeBetween(random, 1, 2)).map(({ name, commandsPerSecond }) => {
    const factor = Math.min(logUniform(random, 1.2, 50), MOST_PER_SECOND / commandsPerSecond);
    const { atMs, forMs } = drawTimes(random, stage);
    return {
      kind: "surge",
      group: name,
      atMs,
      forMs: Math.min(forMs, Math.round(MOST_SURGE_MS / factor)),
      factor: Number(factor.toPrecision(3)),
    };
  });
}

export function drawStation(
  random: Random,
  { configuration, groups }: Stage,
): { readonly group: string; readonly station: string } {
  const { name } = pick(random, groups);
  const [primary, ...others] = stationsOf(configuration, name) as [string, ...string[]];
  return { group: name, station: pick(random, [primary, pick(random, [primary, ...others])]) };
}

/** Within the chaos; short and long times are equally likely. */
export function drawTimes(
  random: Random,
  { fromMs, untilMs }: Stage,
): { readonly atMs: number; readonly forMs: number } {
  const atMs = milliseconds(between(random, fromMs, untilMs - 2));
  const forMs = milliseconds(Math.min(logUniform(random, 10, untilMs - fromMs), untilMs - atMs));
  return { atMs, forMs };
}

/** Whole, and at least 1. */
export function milliseconds(value: number): number {
  return Math.max(1, Math.round(value));
}
