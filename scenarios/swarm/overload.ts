/**
 * Seeds in which the remaining capacity is small or too small. The primary is lost, fails, hangs or
 * slows down, for a while or for ever; or both stations are gone for some seconds; or the load
 * rises up to five times; or the primary has become slower for good when it is made active again.
 * The backup has a breaking point, and callers have limited patience. In some seeds there is room
 * for everything, and one station, or each, answers 5 to 20 times slower from some instant on, for
 * any number of commands at once: no limit makes that quicker. `goodput-comes-back` says what is
 * expected.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick } from "ground-station-failover/sim";
import { DEFAULT_DEADLINE_MS } from "../checks/documented.ts";
import type { FleetFault, FleetPlan, GroupPlan, Phases, ServiceFault, WrittenConfiguration } from "../fleet/plan.ts";
import { stationNode } from "../fleet/plan.ts";
import { drawBreakingPoint, drawCallers, drawSpread, drawWideLoad } from "./wide-load.ts";
import { drawWideSettings } from "./wide-settings.ts";
import { configurationOf } from "./written.ts";

const GROUP = "atlantic";
/** If stations have room, their capacity is this many times the usual one. */
const ROOM = 20;

export function drawOverload(random: Random): FleetPlan {
  const draws = random.fork("overload");
  const rates = draws.fork("rates");
  const slowdown = drawSlowdown(draws.fork("slowdown"));
  const hasRoom = slowdown !== undefined && slowdown.awayMs === undefined;
  const usual = { perSecond: logUniform(rates, 6, 40), serviceMs: logUniform(rates, 20, 300) };
  const { perSecond, serviceMs } = slowdown ?? usual;
  const bare = drawWideLoad(draws, GROUP, perSecond, serviceMs);
  const { callers, patienceMs } = drawPatience(draws.fork("callers"), bare.serviceMs * (slowdown?.factor ?? 1));
  const loads = [between(rates, 0.3, 0.8), drawBackupLoad(rates)].map((ratio) => (hasRoom ? ratio / ROOM : ratio));
  const primary = drawBreakingPoint(draws.fork("primary"), bare, loads[0] as number);
  const backup = drawBreakingPoint(draws.fork("backup"), bare, loads[1] as number);
  const group: GroupPlan = {
    ...bare,
    callers,
    ...(patienceMs === undefined ? {} : { patienceMs }),
    breakingPoints: { primary, backup },
    ...drawSpread(draws.fork("spread")),
  };
  const settings = drawWideSettings(draws.fork("settings"), group);
  const configuration = configurationOf([{ name: GROUP, ...settings }]);
  // A third of the faults come before the gateway knows its stations well.
  const warmUp = draws.fork("warm-up");
  const warmUpMs = Math.round(chance(warmUp, 0.35) ? between(warmUp, 1_000, 6_000) : between(warmUp, 6_000, 10_000));
  const trigger = drawTrigger(draws.fork("trigger"), slowdown, warmUpMs);
  const { faults, lostForEver = [], lastsMs } = trigger;
  const phases = phasesOf(warmUpMs, lastsMs, callers.patienceMs, configuration);
  return {
    phases,
    faults,
    configuration,
    brokenConfigurations: [],
    groups: [group],
    network: {},
    clockRates: {},
    lostForEver,
  };
}

/** Four of five callers wait for as long as a command may take, most of them not much longer. */
function drawPatience(random: Random, serviceMs: number): ReturnType<typeof drawCallers> {
  const leastMs = chance(random, 0.8) ? 4 * serviceMs + 200 : 200;
  const mostMs = chance(random, 0.8) ? 5_000 : 30_000;
  return drawCallers(random, leastMs, Math.max(mostMs, 2 * leastMs));
}

/** Three of four backups can take the load. */
function drawBackupLoad(random: Random): number {
  const bears = chance(random, 0.75);
  return bears ? between(random, 0.5, 0.9) : between(random, 0.9, 2);
}

/** A load with more and more commands under way at once as its station gets slower. */
interface DrawnSlowdown {
  readonly perSecond: number;
  readonly serviceMs: number;
  readonly factor: number;
  /**
   * How long the backup is active meanwhile; undefined if stations become slower under the load,
   * and have room for it.
   */
  readonly awayMs: number | undefined;
}

/** One seed in eight; in half of these the station is away meanwhile. */
function drawSlowdown(random: Random): DrawnSlowdown | undefined {
  const what = random.next();
  if (what >= 1 / 8) return undefined;
  const isAway = what < 1 / 16;
  return {
    perSecond: logUniform(random, isAway ? 30 : 3, 100),
    serviceMs: isAway ? logUniform(random, 60, 300) : logUniform(random, 5, 100),
    factor: Number((isAway ? between(random, 1.5, 5) : logUniform(random, 5, 20)).toPrecision(2)),
    awayMs: isAway ? Math.round(between(random, 1_000, 4_000)) : undefined,
  };
}

/**
 * An operator makes the backup active, the primary becomes slower for good, and the operator makes
 * it active again.
 */
function awayAndBack(factor: number, awayMs: number, atMs: number): Trigger {
  const asked = { kind: "operator", group: GROUP, action: "switchover" } as const;
  return {
    faults: [
      { ...asked, station: "backup", atMs },
      { kind: "slowdown", group: GROUP, station: "primary", atMs: atMs + awayMs / 2, factor },
      { ...asked, station: "primary", atMs: atMs + awayMs },
    ],
    lastsMs: awayMs,
  };
}

/**
 * The primary becomes slower for good, in some seeds the backup as well, at the same instant or
 * later.
 */
function slowerForGood(random: Random, factor: number, atMs: number): Trigger {
  const laterMs = pick(random, [undefined, undefined, 0, Math.round(between(random, 500, 8_000))]);
  const slower = { kind: "slowdown", group: GROUP, factor } as const;
  const primary: FleetFault = { ...slower, station: "primary", atMs };
  if (laterMs === undefined) return { faults: [primary], lastsMs: 100 };
  return { faults: [primary, { ...slower, station: "backup", atMs: atMs + laterMs }], lastsMs: laterMs + 100 };
}

interface Trigger {
  readonly faults: FleetFault[];
  readonly lostForEver?: string[];
  readonly lastsMs: number;
}

const FAILING: readonly ServiceFault["mode"][] = [
  "errors",
  "errors",
  "lying-200",
  "hang",
  "hang",
  "slow",
  "slow",
  "errors-after",
  "hang-after",
];

function drawTrigger(random: Random, slowdown: DrawnSlowdown | undefined, atMs: number): Trigger {
  if (slowdown === undefined) return drawLosses(random, atMs);
  const { factor, awayMs } = slowdown;
  return awayMs === undefined ? slowerForGood(random, factor, atMs) : awayAndBack(factor, awayMs, atMs);
}

function drawLosses(random: Random, atMs: number): Trigger {
  const what = random.next();
  const forMs = Math.round(logUniform(random, 1_000, 8_000));
  if (what < 0.1) {
    const factor = Number(between(random, 2, 5).toPrecision(2));
    return { faults: [{ kind: "surge", group: GROUP, atMs, forMs, factor }], lastsMs: forMs };
  }
  if (what < 0.35) {
    const outageMs = Math.round(between(random, 1_000, 4_000));
    const gone = pick(random, [ofProcess(random), ofProcess(random), ofService(random)]);
    return {
      faults: ["primary", "backup"].map((station) => gone(station, { atMs, forMs: outageMs })),
      lastsMs: outageMs,
    };
  }
  const lost = chance(random, 0.5) ? ofProcess(random) : ofService(random);
  const isForEver = chance(random, 0.5);
  if (!isForEver) return { faults: [lost("primary", { atMs, forMs })], lastsMs: forMs };
  return { faults: [lost("primary", { atMs })], lostForEver: [stationNode(GROUP, "primary")], lastsMs: 1_000 };
}

type Loss = (station: string, times: { readonly atMs: number; readonly forMs?: number }) => FleetFault;

function ofProcess(random: Random): Loss {
  const how = pick(random, ["kill", "power", "pause"] as const);
  return (station, times) => {
    const node = stationNode(GROUP, station);
    return how === "pause" ? { kind: "pause", node, ...times } : { kind: "crash", node, how, ...times };
  };
}

function ofService(random: Random): Loss {
  const mode = pick(random, FAILING);
  const rate = pick(random, [1, 1, 0.5]);
  const slow = mode === "slow" ? { delayMs: Math.round(logUniform(random, 500, 10_000)) } : {};
  return (station, times) => ({ kind: "service", group: GROUP, station, mode, rate, ...slow, ...times });
}

/** Sources stop sending this long before the end, besides the longest deadline (source-node.ts). */
const QUIET_MS = 5_000;
/** `goodput-comes-back`. */
const BACK_MS = 5_000;

function phasesOf(warmUpMs: number, lastsMs: number, patienceMs: number, { groups }: WrittenConfiguration): Phases {
  const { deadline = DEFAULT_DEADLINE_MS } = (groups[0]?.["commands"] ?? {}) as { readonly deadline?: number };
  return {
    warmUpMs,
    chaosMs: lastsMs + 100,
    drainMs: BACK_MS + 2 * patienceMs,
    verifyMs: 8_000 + deadline + QUIET_MS,
  };
}
