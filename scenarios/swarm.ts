/**
 * The swarm: each seed is another fleet on another network, with other settings, another load and
 * other faults (swarm testing: what is left out matters as much as what is there). Everything is
 * drawn before the run, each concern from a stream of its own, and is data in the plan. The phases
 * are warm-up, chaos, healing of everything that is not lost for ever, drain, and a verification in
 * which every command must be served.
 *
 *   kind of seed   share   what happens
 *   overload        20 %   what is left after a loss has little room, or none, and callers do not wait for ever; or there is
 *                          room, and stations become 5 to 20 times slower for good
 *   ordinary        20 %   every station is well: errors of single commands, slow routes, uploads, callers that hang up,
 *                          a machine of our own without descriptors, ports or names; or a few callers come together, and
 *                          then none for a while
 *
 * In these most operators write the minimum configuration. The other six of ten:
 *
 *   storm           40 %   families of faults from harmless to absurd, stations lost for ever in some
 *   pressure        15 %   one group with little room, whose stations fail and delay a part of the calls
 *   calm neighbour   5 %   the same, beside a group that no fault touches
 *   loss            20 %   one primary is lost for ever, and nothing else; in some the gateway stands still just then
 *   relapse         10 %   an outage that heals, then a loss for ever
 *   healthy         10 %   nothing goes wrong, so nothing may happen; but in some a second process sends heartbeats as the
 *                          primary
 */
import type { Random } from "ground-station-failover";
import type { Simulation } from "ground-station-failover/sim";
import { between, chance, logUniform, pick, shuffled, wholeBetween } from "ground-station-failover/sim";
import { FLEET_SITUATIONS } from "./checks/failover/coverage-points.ts";
import { buildFleet } from "./fleet/build.ts";
import type { FleetFault, FleetPlan, GroupPlan, Phases, WrittenConfiguration } from "./fleet/plan.ts";
import { endsAtMs, GATEWAY, sourceNode, stationNode } from "./fleet/plan.ts";
import { drawBroken } from "./swarm/broken.ts";
import { drawAllFaults } from "./swarm/faults.ts";
import { withState } from "./swarm/kept-state.ts";
import type { LoadLimits } from "./swarm/load.ts";
import { drawLoad } from "./swarm/load.ts";
import { drawOrdinaryDay } from "./swarm/ordinary-day.ts";
import { drawOverload } from "./swarm/overload.ts";
import type { KindOfSeed } from "./swarm/phases.ts";
import { drawPhases, recoveryMs } from "./swarm/phases.ts";
import { drawPressingFaults } from "./swarm/pressing-faults.ts";
import { drawModestSettings, drawSettings, drawTightSettings } from "./swarm/settings.ts";
import { simplerPlans } from "./swarm/simpler.ts";
import type { Victim } from "./swarm/single-fault.ts";
import {
  drawHalfWell,
  drawLoss,
  drawOwnStall,
  drawRelapse,
  drawTwin,
  LONGEST_OUTAGE_MS,
} from "./swarm/single-fault.ts";
import type { Surroundings } from "./swarm/surroundings.ts";
import { drawClockRates, drawSurroundings, PLAIN } from "./swarm/surroundings.ts";
import type { WrittenSections } from "./swarm/written.ts";
import { configurationOf } from "./swarm/written.ts";

/** `narrow`: stations never break and callers are careful. `wide`: only seeds in which they may. */
export type Width = "all" | "narrow" | "wide";

export const swarm: Simulation<FleetPlan> = swarmOf("swarm", "all");
export const narrowSwarm: Simulation<FleetPlan> = swarmOf("narrow-swarm", "narrow");
export const wideSwarm: Simulation<FleetPlan> = swarmOf("wide-swarm", "wide");

function swarmOf(name: string, width: Width): Simulation<FleetPlan> {
  return {
    name,
    plan: (random) => withState(random.fork("state"), drawPlan(random, width)),
    build: (world, plan) => void buildFleet(world, plan),
    untilMs: endsAtMs,
    faultsFromMs: ({ phases }) => phases.warmUpMs,
    ...(width === "all" ? { sometimes: FLEET_SITUATIONS } : {}),
    simplify: simplerPlans,
  };
}

/** The kind of the seed of `random`. A seed that is in two of the swarms is the same in both. */
export function drawKind(random: Random, width: Width = "all"): KindOfSeed {
  const wide = random.fork("wide").next();
  const isWide = width === "wide" || (width === "all" && wide < WIDE_SHARE);
  const among = wide < WIDE_SHARE ? wide / WIDE_SHARE : (wide - WIDE_SHARE) / (1 - WIDE_SHARE);
  if (isWide) return among < 0.5 ? "overload" : "ordinary";
  const share = random.fork("kind").next();
  if (share < 0.4) return "storm";
  if (share < 0.55) return "pressure";
  if (share < 0.6) return "calm-neighbour";
  if (share < 0.8) return "loss";
  return share < 0.9 ? "relapse" : "healthy";
}

/** Share of the healthy seeds with pushed heartbeats in which a second process sends them, too. */
const TWIN_SHARE = 0.3;
/** Share of the seeds that belong to the wide world. */
const WIDE_SHARE = 0.4;
const NAMES: readonly string[] = ["atlantic", "baltic", "caspian"];
const ANY_LOAD: LoadLimits = { fewestPerSecond: 1, mostPerSecond: 10, longestServiceMs: 200, mayRest: true };
/** Enough load to fill windows, use up budgets and form queues. */
const PRESSING_LOAD: LoadLimits = {
  fewestPerSecond: 6,
  mostPerSecond: 25,
  longestServiceMs: 100,
  impatient: true,
  mayRest: true,
};
/** Enough commands to notice a dead command path by them. */
const STEADY_LOAD: LoadLimits = { fewestPerSecond: 5, mostPerSecond: 12, longestServiceMs: 50 };

/** The groups of a plan, before anything goes wrong. */
interface Fleet {
  readonly path: Surroundings;
  readonly groups: readonly GroupPlan[];
  readonly configuration: WrittenConfiguration;
}

function drawPlan(random: Random, width: Width): FleetPlan {
  const kind = drawKind(random, width);
  if (kind === "overload") return drawOverload(random);
  if (kind === "ordinary") return drawOrdinaryDay(random);
  const fleet = drawFleet(random, kind);
  if (kind === "storm" || kind === "calm-neighbour") return drawStorm(random, kind, fleet);
  if (kind === "pressure") return drawPressure(random, fleet);
  if (kind === "relapse") return relapse(random, fleet);
  const { configuration } = fleet;
  const first = configuration.groups[0] as WrittenConfiguration["groups"][number];
  const victim = { group: first.name, station: first.stations[0]?.name as string };
  const phases = drawPhases(random.fork("phases"), configuration, kind);
  if (kind === "healthy") return drawHealthy(random, fleet, phases, victim);
  const loss = drawLoss(random.fork("loss"), victim, phases.warmUpMs);
  return planOf(random, fleet, {
    phases,
    faults: [loss, ...drawOwnStall(random.fork("own-stall"), loss)],
    lostForEver: [stationNode(victim.group, victim.station)],
    calm: (name) => name !== victim.group,
  });
}

/**
 * Nothing goes wrong, except that the primary may have a twin. If the primary is struck beside its
 * twin, it is lost for ever.
 */
function drawHealthy(random: Random, fleet: Fleet, phases: Phases, victim: Victim): FleetPlan {
  const draws = random.fork("twin");
  const group = fleet.configuration.groups[0] as WrittenSections;
  const hasTwin = group.heartbeat?.kind !== "http" && chance(draws, TWIN_SHARE);
  if (!hasTwin) return planOf(random, fleet, { phases, faults: [], calm: () => true });
  const faults = drawTwin(draws, victim, phases.warmUpMs, phases.warmUpMs + phases.chaosMs);
  const lostForEver = faults.length > 1 ? [stationNode(victim.group, victim.station)] : [];
  return planOf(random, fleet, { phases, faults, lostForEver, calm: (name) => name !== victim.group });
}

/**
 * An outage of the primary that heals, in some seeds only partly at first. When it is over and
 * proven, the station that is active then is lost.
 */
function relapse(random: Random, fleet: Fleet): FleetPlan {
  const draws = random.fork("relapse");
  const [first, ...others] = fleet.configuration.groups as [WrittenConfiguration["groups"][number]];
  const [primary, backup] = first.stations.map(({ name }) => ({ group: first.name, station: name }));
  if (primary === undefined || backup === undefined) throw new Error("a group has two stations");
  const automatic = chance(draws, 0.5);
  const holdDown = Math.round(logUniform(draws, 500, 5_000));
  const group = { ...first, failback: automatic ? { mode: "automatic", holdDown } : { mode: "manual" } };
  const again = { ...fleet, configuration: { ...fleet.configuration, groups: [group, ...others] } };
  const second = automatic ? primary : backup;
  const wellAgainMs = recoveryMs(again.configuration, LONGEST_OUTAGE_MS) + between(draws, 5_000, 10_000);
  const phases = drawPhases(random.fork("phases"), again.configuration, "relapse");
  const { probePath } = group as WrittenSections;
  const heals = { againAfterMs: wellAgainMs, probed: probePath !== undefined };
  const [outage, loss] = drawRelapse(draws, { first: primary, second }, phases.warmUpMs, heals);
  const faults = [outage, ...(automatic ? drawHalfWell(random.fork("half-well"), primary, outage, loss) : []), loss];
  const lastMs = loss.atMs;
  return planOf(random, again, {
    phases: { ...phases, chaosMs: lastMs - phases.warmUpMs + 1_000 },
    faults,
    lostForEver: [stationNode(second.group, second.station)],
    calm: (name) => name !== first.name,
  });
}

function drawStorm(random: Random, kind: "storm" | "calm-neighbour", fleet: Fleet): FleetPlan {
  const { configuration } = fleet;
  const spared = kind === "calm-neighbour" ? fleet.groups.at(-1)?.name : undefined;
  const groups = fleet.groups.filter(({ name }) => name !== spared);
  const phases = drawPhases(random.fork("phases"), configuration, kind);
  const [fromMs, untilMs] = [phases.warmUpMs, phases.warmUpMs + phases.chaosMs];
  const stage = { configuration, groups, sparesGateway: spared !== undefined, fromMs, untilMs };
  const lost = drawLost(random.fork("lost"), configuration, groups);
  const lostAt = random.fork("lost-at");
  const losses = lost.map((node): FleetFault => {
    const atMs = Math.round(between(lostAt, fromMs, untilMs));
    return { kind: "crash", node, how: pick(lostAt, ["kill", "power"]), atMs };
  });
  return planOf(random, fleet, {
    phases,
    faults: [...drawAllFaults(random.fork("faults"), stage), ...losses],
    lostForEver: lost,
    calm: (name) => name === spared,
  });
}

/**
 * Stations that fail some calls and delay others, surges, and at times a fault of a machine or a
 * line.
 */
function drawPressure(random: Random, fleet: Fleet): FleetPlan {
  const { configuration, groups } = fleet;
  const phases = drawPhases(random.fork("phases"), configuration, "pressure");
  const [fromMs, untilMs] = [phases.warmUpMs, phases.warmUpMs + phases.chaosMs];
  const stage = { configuration, groups, sparesGateway: true, fromMs, untilMs };
  const lost = drawAllButOne(random.fork("alone"), configuration);
  const losses = lost.map((node): FleetFault => ({ kind: "crash", node, how: "power", atMs: Math.round(fromMs) }));
  return planOf(random, fleet, {
    phases,
    faults: [...drawPressingFaults(random.fork("faults"), stage), ...losses],
    lostForEver: lost,
    calm: () => false,
  });
}

/**
 * If no other station can take calls, a circuit has to open, probe and close in the middle of the
 * traffic.
 */
function drawAllButOne(random: Random, { groups }: WrittenConfiguration): string[] {
  const some = chance(random, 0.6);
  const lost = groups.flatMap(({ name, stations }) =>
    shuffled(random, stations)
      .slice(1)
      .map((station) => stationNode(name, station.name)),
  );
  return some ? [] : lost;
}

/** In three of ten storms some stations die for ever, up to all but one of a group. */
function drawLost(random: Random, configuration: WrittenConfiguration, groups: readonly GroupPlan[]): string[] {
  const none = chance(random, 0.7);
  const lost = groups.flatMap(({ name }) => {
    const stations = configuration.groups.find((group) => group.name === name)?.stations ?? [];
    const most = wholeBetween(random, 0, stations.length - 1);
    return shuffled(random.fork(name), stations)
      .slice(0, most)
      .map((station) => stationNode(name, station.name));
  });
  return none ? [] : lost;
}

/** Modest settings and an ordinary network for plans that are timed. */
function drawFleet(random: Random, kind: KindOfSeed): Fleet {
  const modest = kind === "loss" || kind === "relapse";
  const pressing = kind === "pressure";
  const most = pressing ? 1 : wholeBetween(random.fork("groups"), 1, 3);
  const count = kind === "calm-neighbour" ? Math.max(2, most) : most;
  const ordinary = modest && chance(random.fork("ordinary"), 0.6);
  const path = ordinary ? PLAIN : drawSurroundings(random.fork("network"));
  const groups: GroupPlan[] = [];
  const drafts = NAMES.slice(0, count).map((name) => {
    const draws = random.fork(`group/${name}`);
    const load = drawLoad(draws.fork("load"), name, path, pressing ? PRESSING_LOAD : modest ? STEADY_LOAD : ANY_LOAD);
    groups.push(load);
    const draw = pressing ? drawTightSettings : modest ? drawModestSettings : drawSettings;
    return { name, stations: wholeBetween(draws.fork("stations"), 2, 4), ...draw(draws.fork("settings"), load, path) };
  });
  return { path, groups, configuration: configurationOf(drafts) };
}

type Happening = Pick<FleetPlan, "phases" | "faults"> & {
  readonly lostForEver?: readonly string[];
  readonly calm: (group: string) => boolean;
};

function planOf(random: Random, { path, groups, configuration }: Fleet, happening: Happening): FleetPlan {
  const { calm, lostForEver = [], ...rest } = happening;
  const exact = lostForEver.length > 0 && rest.faults.length <= 2;
  const machines = configuration.groups.flatMap(({ name, stations }, place) => [
    ...stations.map((station) => stationNode(name, station.name)),
    ...Array.from({ length: groups[place]?.sources ?? 0 }, (_, source) => sourceNode(name, source)),
  ]);
  return {
    ...rest,
    configuration,
    brokenConfigurations: drawBroken(random.fork("broken"), configuration),
    groups: groups.map((group) => ({ ...group, calm: calm(group.name) })),
    network: path.network,
    clockRates: exact ? {} : drawClockRates(random.fork("clocks"), [GATEWAY, ...machines]),
    lostForEver,
  };
}
