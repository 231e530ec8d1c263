/**
 * What a group's sources send and what its stations can take. The load is drawn first, and stations
 * get from twice to twenty times the capacity for it. So without faults every command is served in
 * time, and a surge, a slow service or many retries can still overload them. The sums here are
 * upper ends, so that settings can be chosen that allow for them.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick, wholeBetween } from "ground-station-failover/sim";
import type { GroupPlan } from "../fleet/plan.ts";
import type { Surroundings } from "./surroundings.ts";

/** What the load of a group requires of its settings. */
export interface Demands {
  /** Upper bound of one attempt, with connections and the wait for a lane. */
  readonly attemptMs: number;
  /** Upper bound of the commands under way at once. */
  readonly peak: number;
}

export interface LoadLimits {
  readonly fewestPerSecond: number;
  readonly mostPerSecond: number;
  /** Upper limit of the drawn service time. */
  readonly longestServiceMs: number;
  /** Sources wait little longer than a healthy group takes. */
  readonly impatient?: boolean;
  /** All sources may rest at times, so that no arriving command wakes the group. */
  readonly mayRest?: boolean;
}

export function drawLoad(random: Random, name: string, path: Surroundings, limits: LoadLimits): GroupPlan {
  const { fewestPerSecond, mostPerSecond, longestServiceMs } = limits;
  const commandsPerSecond = digits(logUniform(random.fork("rate"), fewestPerSecond, mostPerSecond));
  const sources = wholeBetween(random.fork("sources"), 1, 5);
  const serviceMs = digits(logUniform(random.fork("service"), 1, longestServiceMs));
  const headroom = logUniform(random.fork("headroom"), 4, 40);
  // Sources send at most at twice their usual rate, for a while.
  const lanes = Math.max(
    wholeBetween(random.fork("lanes"), 1, 8),
    Math.ceil((commandsPerSecond * serviceMs * headroom) / 1_000),
  );
  const kinds = random.fork("kinds");
  const load: GroupPlan = {
    name,
    commandsPerSecond,
    sources,
    keyedRatio: pick(kinds, [0, 1, 1, ratio(kinds), ratio(kinds), ratio(kinds)]),
    readRatio: chance(kinds, 0.3) ? 0 : ratio(kinds) / 2,
    sourceRetries: pick(random.fork("retries"), [0, 0, 1, 2, 3]),
    serviceMs,
    lanes,
    beatLossRate: path.beatLossRate,
    calm: false,
    ...(limits.mayRest === true ? drawRests(random.fork("rests")) : {}),
  };
  const patience = random.fork("patience");
  const { attemptMs } = demandsOf(load, path);
  const leastPatienceMs = 500 + (sources + 2) * attemptMs;
  const mostMs = limits.impatient === true ? 1.5 * leastPatienceMs : Math.max(20_000, 2 * leastPatienceMs);
  if (chance(patience, limits.impatient === true ? 0.2 : 0.5)) return load;
  return { ...load, patienceMs: Math.round(logUniform(patience, leastPatienceMs, mostMs)) };
}

/** The upper ends of what `load` demands on `path`. */
export function demandsOf({ commandsPerSecond, sources, serviceMs, lanes }: GroupPlan, path: Surroundings): Demands {
  // Up to two connections must be opened, and two requests answered. One wait for a lane for each
  // round of sources.
  const attemptMs = 1.1 * (8 * path.mostMs + serviceMs * (1 + Math.ceil(sources / lanes)));
  const peak = sources * (1 + Math.ceil((2 * commandsPerSecond * attemptMs) / (1_000 * sources)));
  return { attemptMs, peak };
}

function drawRests(random: Random): Pick<GroupPlan, "bursts"> {
  const rested = chance(random, 0.4);
  const bursts = {
    forMs: Math.round(logUniform(random, 300, 5_000)),
    restMs: Math.round(logUniform(random, 2_500, 12_000)),
  };
  return rested ? { bursts } : {};
}

function ratio(random: Random): number {
  return Math.round(between(random, 0, 1) * 100) / 100;
}

function digits(value: number): number {
  return Number(value.toPrecision(2));
}
