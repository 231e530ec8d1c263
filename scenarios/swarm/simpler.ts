/**
 * Smaller plans than a failing one, for the shrinker: fewer groups, stations and sources, a lower
 * rate, shorter phases, settings at their defaults, a plain network, right clocks. Faults stay,
 * except those of removed nodes: the shrinker leaves them out by itself. The largest step comes
 * first.
 */
import type { CallerHabits, FleetFault, FleetPlan, GroupPlan, WrittenGroup } from "../fleet/plan.ts";
import { sourceNode, stationNode } from "../fleet/plan.ts";
import { SECRET_ENV } from "./written.ts";

const SECTIONS: readonly string[] = [
  "detector",
  "commands",
  "retry",
  "breaker",
  "commandPath",
  "failback",
  "probePath",
  "heartbeat",
];

export function* simplerPlans(plan: FleetPlan): Iterable<FleetPlan> {
  yield* fewerGroups(plan);
  if (plan.brokenConfigurations.length > 0) yield { ...plan, brokenConfigurations: [] };
  if (Object.keys(plan.clockRates).length > 0) yield { ...plan, clockRates: {} };
  if (Object.keys(plan.network).length > 0) yield { ...plan, network: {} };
  yield* fewerStations(plan);
  // On a network with unusual conditions the defaults could fail for another reason.
  if (Object.keys(plan.network).length === 0) yield* defaultSections(plan);
  for (const place of plan.groups.keys()) {
    for (const group of plainerGroups(plan.groups[place] as GroupPlan))
      yield { ...plan, groups: plan.groups.map((other, at) => (at === place ? group : other)) };
    yield* lighterLoads(plan, place);
  }
  yield* shorterPhases(plan);
  for (const name of Object.keys(plan.network)) {
    const { [name as keyof FleetPlan["network"]]: _left, ...network } = plan.network;
    yield { ...plan, network };
  }
  for (const node of Object.keys(plan.clockRates)) {
    const { [node]: _left, ...clockRates } = plan.clockRates;
    yield { ...plan, clockRates };
  }
  for (const text of plan.brokenConfigurations) yield { ...plan, brokenConfigurations: [text] };
}

function* fewerGroups(plan: FleetPlan): Iterable<FleetPlan> {
  const { groups, configuration } = plan;
  if (groups.length < 2) return;
  for (const { name } of groups) {
    yield without(
      {
        ...plan,
        groups: groups.filter((group) => group.name !== name),
        configuration: { ...configuration, groups: configuration.groups.filter((group) => group.name !== name) },
      },
      (node) => node.startsWith(`${name}/`),
      (fault) => "group" in fault && fault.group === name,
    );
  }
}

function* fewerStations(plan: FleetPlan): Iterable<FleetPlan> {
  for (const [place, group] of plan.configuration.groups.entries()) {
    if (group.stations.length < 3) continue;
    for (const { name } of group.stations.toReversed()) {
      const stations = group.stations.filter((station) => station.name !== name);
      const gone = stationNode(group.name, name);
      const smaller = without(
        withGroup(plan, place, { ...group, stations }),
        (node) => node === gone,
        (fault) => "station" in fault && fault.group === group.name && fault.station === name,
      );
      // At least one station must be left that can serve.
      if (!stations.every((station) => smaller.lostForEver.includes(stationNode(group.name, station.name))))
        yield smaller;
    }
  }
}

/** All sections of a group at their defaults, then one by one, then field by field. */
function* defaultSections(plan: FleetPlan): Iterable<FleetPlan> {
  for (const [place, group] of plan.configuration.groups.entries()) {
    const { name, listen, stations } = group;
    const written = SECTIONS.filter((section) => group[section] !== undefined);
    if (written.length > 1) yield withGroup(plan, place, { name, listen, stations });
    for (const section of written) {
      // A ceiling is chosen for an interval.
      if (section === "heartbeat" && group["detector"] !== undefined) continue;
      const { [section]: left, ...rest } = group;
      yield withGroup(plan, place, rest as WrittenGroup);
      yield* defaultFields(plan, place, section, left);
    }
    const undeclared = stations.map(({ capacityPerSecond: _capacity, ...station }) => station);
    if (stations.some(({ capacityPerSecond }) => capacityPerSecond !== undefined))
      yield withGroup(plan, place, { ...group, stations: undeclared });
  }
}

/** Fields that bound each other are left out together. */
const TOGETHER: readonly (readonly string[])[] = [
  ["model", "windowSize"],
  ["threshold", "suspectThreshold", "clearThreshold"],
  ["timeout", "deadline", "interval"],
];
/** Fields that a section requires. */
const REQUIRED: ReadonlySet<string> = new Set(["kind", "path", "mode"]);

function* defaultFields(plan: FleetPlan, place: number, section: string, left: unknown): Iterable<FleetPlan> {
  if (typeof left !== "object" || left === null) return;
  const group = plan.configuration.groups[place] as WrittenGroup;
  const fields = Object.keys(left).filter((field) => !REQUIRED.has(field));
  for (const field of fields) {
    const leaving = TOGETHER.find((all) => all.includes(field)) ?? [field];
    const fewer = Object.fromEntries(Object.entries(left).filter(([name]) => !leaving.includes(name)));
    if (Object.keys(fewer).length > 0) yield withGroup(plan, place, { ...group, [section]: fewer });
  }
}

function* lighterLoads(plan: FleetPlan, place: number): Iterable<FleetPlan> {
  const group = plan.groups[place] as GroupPlan;
  const changed = (change: Partial<GroupPlan>): FleetPlan => ({
    ...plan,
    groups: plan.groups.map((other, at) => (at === place ? { ...group, ...change } : other)),
  });
  for (const sources of [1, group.sources - 1]) {
    if (sources < 1 || sources >= group.sources) continue;
    const gone = Array.from({ length: group.sources - sources }, (_, more) => sourceNode(group.name, sources + more));
    yield without(
      changed({ sources }),
      (node) => gone.includes(node),
      () => false,
    );
  }
  const { commandsPerSecond, patienceMs, ...restOfGroup } = group;
  const { bursts, ...restless } = group;
  if (bursts !== undefined)
    yield { ...plan, groups: plan.groups.map((other, at) => (at === place ? restless : other)) };
  for (const slower of [1, Math.round(commandsPerSecond / 2)]) {
    if (slower >= 1 && slower < commandsPerSecond) yield changed({ commandsPerSecond: slower });
  }
  if (group.keyedRatio !== 1) yield changed({ keyedRatio: 1 });
  if (group.readRatio !== 0) yield changed({ readRatio: 0 });
  if (group.sourceRetries !== 0) yield changed({ sourceRetries: 0 });
  if ((group.beatLossRate ?? 0) !== 0) yield changed({ beatLossRate: 0 });
  if (patienceMs === undefined) return;
  const patient: GroupPlan = { ...restOfGroup, commandsPerSecond };
  yield { ...plan, groups: plan.groups.map((other, at) => (at === place ? patient : other)) };
}

/**
 * Groups with less of the wide world in them: fewer routes, calmer callers, stations that refuse at
 * no cost.
 */
function* plainerGroups(group: GroupPlan): Iterable<GroupPlan> {
  const { routes = [], callers, breakingPoints = {} } = group;
  const { breakingPoints: _points, ...unbreakable } = group;
  const { routes: _routes, ...withoutRoutes } = group;
  const { callers: _callers, ...careful } = group;
  if (routes.length > 0) yield withoutRoutes;
  if (routes.length > 1)
    for (const left of routes) yield { ...group, routes: routes.filter((route) => route !== left) };
  if (callers !== undefined) {
    yield careful;
    for (const calmer of calmerCallers(callers)) yield { ...group, callers: calmer };
  }
  if (group.breakingPoints === undefined) return;
  if (callers !== undefined || routes.length > 0) yield unbreakable;
  for (const [station, { refusal, ...plainer }] of Object.entries(breakingPoints)) {
    if (refusal === undefined) continue;
    const { parallelism } = plainer;
    yield { ...group, breakingPoints: { ...breakingPoints, [station]: { parallelism } } };
    yield { ...group, breakingPoints: { ...breakingPoints, [station]: plainer } };
  }
}

function* calmerCallers({ uploads, ...callers }: CallerHabits): Iterable<CallerHabits> {
  if (uploads !== undefined) {
    yield callers;
    if (uploads.cutRatio > 0) yield { ...callers, uploads: { ...uploads, cutRatio: 0 } };
  }
  const kept = uploads === undefined ? {} : { uploads };
  if (callers.retries > 0) yield { ...callers, retries: 0, ...kept };
  if (callers.leaves === "silently") yield { ...callers, leaves: "closing", ...kept };
}

const LEAST_MS = 1_000;

/** The chaos may end when the last fault has begun; drain and verification keep their durations. */
function* shorterPhases(plan: FleetPlan): Iterable<FleetPlan> {
  const { warmUpMs, chaosMs } = plan.phases;
  const lastMs = Math.max(warmUpMs, ...plan.faults.map(({ atMs }) => atMs));
  for (const shorter of [Math.ceil(lastMs - warmUpMs + LEAST_MS), Math.ceil(chaosMs / 2)]) {
    if (shorter >= LEAST_MS && shorter < chaosMs) yield { ...plan, phases: { ...plan.phases, chaosMs: shorter } };
  }
}

function withGroup(plan: FleetPlan, place: number, group: WrittenGroup): FleetPlan {
  const groups = plan.configuration.groups.map((other, at) => (at === place ? group : other));
  // By default heartbeats are pushed, and then the gateway must listen for them.
  return { ...plan, configuration: { heartbeats: { secretEnv: SECRET_ENV }, ...plan.configuration, groups } };
}

/** `plan` without everything that names a removed node. */
function without(plan: FleetPlan, gone: (node: string) => boolean, ofGone: (fault: FleetFault) => boolean): FleetPlan {
  return {
    ...plan,
    faults: plan.faults.filter((fault) => !ofGone(fault) && !nodesIn(fault).some(gone)),
    clockRates: Object.fromEntries(Object.entries(plan.clockRates).filter(([node]) => !gone(node))),
    lostForEver: plan.lostForEver.filter((node) => !gone(node)),
  };
}

function nodesIn(fault: FleetFault): string[] {
  if ("node" in fault) return [fault.node];
  return "from" in fault ? [fault.from, fault.to] : [];
}
