/**
 * Seeds in which every station is well, and ordinary trouble comes from elsewhere: a route on which
 * every command is wrong by its own fault, a route that is slower than a timeout, callers that hang
 * up, slow uploads, uploads that are cut off, a gateway machine without free descriptors, ports or
 * name service, pauses of the gateway's process. None of this is a reason for a role change, and
 * none of it may harm other requests. In one seed of ten a station fails as well; most checks
 * cannot judge that.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick, wholeBetween } from "ground-station-failover/sim";
import { DEFAULT_DEADLINE_MS } from "../checks/documented.ts";
import type {
  BreakingPoint,
  CallerHabits,
  FleetFault,
  FleetPlan,
  GroupPlan,
  RoutePlan,
  Shortage,
} from "../fleet/plan.ts";
import { GATEWAY } from "../fleet/plan.ts";
import { drawTimes } from "./faults.ts";
import { drawLoneCallers } from "./lone-callers.ts";
import {
  drawBreakingPoint,
  drawCallers,
  drawSlowRoute,
  drawSpread,
  drawWideLoad,
  drawWrongRoute,
} from "./wide-load.ts";
import { drawWideSettings } from "./wide-settings.ts";
import { configurationOf } from "./written.ts";

const GROUP = "atlantic";
/** Share of the seeds in which a few callers come together, and then none. */
const LONE_SHARE = 1 / 15;
const QUIET_MS = 5_000;

export function drawOrdinaryDay(random: Random): FleetPlan {
  if (chance(random.fork("lone"), LONE_SHARE)) return drawLoneCallers(random.fork("lone-callers"));
  const draws = random.fork("ordinary");
  const rates = draws.fork("rates");
  const day = pick(draws.fork("day"), DAYS);
  const serviceMs = day === "mixed" ? logUniform(rates, 2, 200) : logUniform(rates, 50, 1_500);
  const perSecond = day === "stalled" ? between(rates, 10, 40) : logUniform(rates, 0.2, 30);
  const bare = drawWideLoad(draws, GROUP, perSecond, serviceMs);
  const breaks = draws.fork("breaks");
  const loads = [between(breaks, 0.02, 0.25), between(breaks, 0.02, 0.25)] as const;
  const breakingPoints = {
    primary: roomy(drawBreakingPoint(breaks.fork("primary"), bare, loads[0])),
    backup: roomy(drawBreakingPoint(breaks.fork("backup"), bare, loads[1])),
  };
  const { callers, patienceMs } = drawHabits(draws.fork("callers"), serviceMs, day);
  const routes = day === "stalled" ? [] : drawRoutes(draws.fork("routes"));
  const group: GroupPlan = {
    ...bare,
    // A body under a key is read whole before it goes anywhere: only the other bodies keep a
    // station waiting.
    ...(callers.uploads === undefined ? {} : { keyedRatio: bare.keyedRatio / 4, readRatio: bare.readRatio / 2 }),
    callers,
    breakingPoints,
    ...drawSpread(draws.fork("spread")),
    ...(patienceMs === undefined ? {} : { patienceMs }),
    ...(routes.length === 0 ? {} : { routes }),
  };
  const configuration = configurationOf([{ name: GROUP, ...drawWideSettings(draws.fork("settings"), group) }]);
  const commands = (configuration.groups[0]?.["commands"] ?? {}) as { readonly deadline?: number };
  const warmUpMs = Math.round(between(draws.fork("warm-up"), 6_000, 9_000));
  const chaosMs = Math.round(logUniform(draws.fork("chaos"), 15_000, 60_000));
  const phases = {
    warmUpMs,
    chaosMs,
    drainMs: 1_000,
    verifyMs: (commands.deadline ?? DEFAULT_DEADLINE_MS) + QUIET_MS + 1_000,
  };
  const [fromMs, untilMs] = [warmUpMs, warmUpMs + chaosMs];
  return {
    phases,
    faults: [
      ...(day === "stalled" ? [] : drawShortages(draws.fork("shortages"), fromMs, untilMs)),
      ...drawStalls(draws.fork("stalls"), fromMs, untilMs, day),
      ...drawTrouble(draws.fork("trouble"), configuration, group, fromMs, untilMs),
    ],
    configuration,
    brokenConfigurations: [],
    groups: [group],
    network: {},
    clockRates: {},
    lostForEver: [],
  };
}

/**
 * Room for the commands that the sources may have out at once, also on the slowest route, and for
 * those that they may send at once.
 */
function roomy(point: BreakingPoint): BreakingPoint {
  const { acceptsPerSecond, burst = 0, parallelism } = point;
  const wide = { ...point, parallelism: Math.max(20, parallelism) };
  if (acceptsPerSecond === undefined) return wide;
  return { ...wide, acceptsPerSecond: Math.max(20, acceptsPerSecond), burst: Math.max(40, burst) };
}

/**
 * `hasty`: callers do not wait for as long as a command takes. `stalled`: many commands are under
 * way, and the gateway's process stands still.
 */
type Day = "mixed" | "hasty" | "stalled";

const DAYS: readonly Day[] = ["mixed", "mixed", "mixed", "mixed", "mixed", "hasty", "hasty", "stalled"];

/** Hasty callers wait for a short time, some of them not even for as long as a command takes. */
function drawHabits(
  random: Random,
  serviceMs: number,
  day: Day,
): { readonly callers: CallerHabits; readonly patienceMs?: number } {
  const hasty = chance(random, 0.3);
  const [leastMs, mostMs] =
    day === "hasty" ? [0.3 * serviceMs, 1.2 * serviceMs] : hasty && day === "mixed" ? [200, 2_000] : [10_000, 30_000];
  const drawn = drawCallers(random, leastMs, mostMs);
  if (day === "stalled") return drawn;
  const uploads = random.fork("uploads");
  if (chance(uploads, 0.5)) return drawn;
  const slow = {
    ratio: Number(between(uploads, 0.05, 0.6).toPrecision(2)),
    forMs: Math.round(logUniform(uploads, 200, 10_000)),
    cutRatio: pick(uploads, [0, 0, 0.5, 1]),
  };
  return { ...drawn, callers: { ...drawn.callers, uploads: slow } };
}

function drawRoutes(random: Random): RoutePlan[] {
  const wrong = chance(random, 0.5) ? [drawWrongRoute(random.fork("wrong"))] : [];
  const slow = chance(random, 0.3) ? [drawSlowRoute(random.fork("slow"))] : [];
  return [...slow, ...wrong];
}

const RESOURCES: readonly Shortage["resource"][] = ["descriptors", "ports", "names"];

function drawShortages(random: Random, fromMs: number, untilMs: number): Shortage[] {
  if (chance(random, 0.7)) return [];
  return Array.from({ length: wholeBetween(random, 1, 3) }, () => {
    const atMs = Math.round(between(random, fromMs, untilMs - 500));
    const forMs = Math.min(Math.round(logUniform(random, 200, 15_000)), untilMs - atMs);
    return { kind: "shortage", resource: pick(random, RESOURCES), atMs, forMs, rate: pick(random, [1, 1, 0.5]) };
  });
}

/** The gateway's process stands still, with unread answers of stations. */
function drawStalls(random: Random, fromMs: number, untilMs: number, day: Day): FleetFault[] {
  if (chance(random, 0.85) && day !== "stalled") return [];
  return Array.from({ length: wholeBetween(random, 1, 4) }, () => ({
    kind: "pause",
    node: GATEWAY,
    atMs: Math.round(between(random, fromMs, untilMs - 5_000)),
    forMs: Math.round(logUniform(random, 100, 3_000)),
  }));
}

function drawTrouble(
  random: Random,
  configuration: FleetPlan["configuration"],
  group: GroupPlan,
  fromMs: number,
  untilMs: number,
): FleetFault[] {
  if (chance(random, 0.9)) return [];
  const stage = { configuration, groups: [group], sparesGateway: true, fromMs, untilMs };
  const mode = pick(random, ["errors", "slow", "hang"] as const);
  const station = pick(random, ["primary", "backup"]);
  const delayMs = mode === "slow" ? { delayMs: 3_000 } : {};
  return [{ kind: "service", group: group.name, station, ...drawTimes(random, stage), mode, rate: 1, ...delayMs }];
}
