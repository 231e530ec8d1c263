/**
 * The load of the wide world: stations with a breaking point, callers with a patience that they may
 * or may not state, and routes with a behavior of their own. The ranges are wider than the checks
 * can judge; a check counts what it could not judge, by reason.
 */
import type { Random } from "ground-station-failover";
import { between, chance, logUniform, pick, wholeBetween } from "ground-station-failover/sim";
import type {
  BreakingPoint,
  CallerHabits,
  GroupPlan,
  OwnError,
  Refusal,
  RoutePlan,
  WorkSpread,
} from "../fleet/plan.ts";

/**
 * The sources, the rate and the kinds of commands of a group whose callers are not the careful
 * ones.
 */
export function drawWideLoad(random: Random, name: string, commandsPerSecond: number, serviceMs: number): GroupPlan {
  const kinds = random.fork("kinds");
  return {
    name,
    commandsPerSecond: digits(commandsPerSecond),
    sources: wholeBetween(random.fork("sources"), 2, 6),
    keyedRatio: pick(kinds, [1, 1, 1, 0, digits(kinds.next())]),
    readRatio: pick(kinds, [0, 0, 1, digits(kinds.next())]),
    sourceRetries: 0,
    serviceMs: digits(serviceMs),
    lanes: 1_000,
    calm: false,
  };
}

/** In two of five groups the work of commands differs. */
export function drawSpread(random: Random): { readonly spread?: WorkSpread } {
  if (!chance(random, 0.4)) return {};
  const shape = pick(random, ["even", "exponential", "exponential", "two-kinds", "heavy"] as const);
  return { spread: { shape, of: pick(random, ["commands", "attempts"] as const) } };
}

/** A station that is at `loadRatio` of its capacity when it alone has the load of `plan`. */
export function drawBreakingPoint(random: Random, plan: GroupPlan, loadRatio: number): BreakingPoint {
  const { commandsPerSecond, serviceMs } = plan;
  const capacity = commandsPerSecond / loadRatio;
  const refuses = chance(random, 0.7);
  const spare = between(random, 1, 2);
  const parallelism = digits(Math.max(1, (capacity * serviceMs * (refuses ? spare : 1)) / 1_000));
  const burst = Math.max(4, Math.round(capacity * between(random, 0.2, 1)));
  const refusal = drawRefusal(random.fork("refusal"));
  const noticesHangUps = chance(random.fork("notices"), 0.5);
  if (!refuses) return { parallelism, noticesHangUps };
  return { parallelism, noticesHangUps, acceptsPerSecond: digits(capacity), burst, refusal };
}

function drawRefusal(random: Random): Refusal {
  const hint = pick(random, [undefined, undefined, 1, 1, 5, 60]);
  return {
    status: pick(random, [503, 503, 429] as const),
    costRatio: pick(random, [0, 0.5, 0.5, 1]),
    ...(hint === undefined ? {} : { retryAfterS: hint }),
  };
}

/**
 * Callers with a patience between `leastMs` and `mostMs`; `patienceMs` of the result is the
 * patience that they state.
 */
export function drawCallers(
  random: Random,
  leastMs: number,
  mostMs: number,
): { readonly callers: CallerHabits; readonly patienceMs?: number } {
  const patienceMs = Math.round(logUniform(random, leastMs, mostMs));
  const isSaid = chance(random, 0.4);
  const callers: CallerHabits = {
    patienceMs,
    leaves: chance(random, 0.7) ? "closing" : "silently",
    retries: pick(random, [0, 0, 0, 1, 3]),
    retryAfterMs: Math.round(logUniform(random, 100, 2_000)),
  };
  return isSaid ? { callers, patienceMs } : { callers };
}

const OWN_ERRORS: readonly OwnError["status"][] = [500, 500, 200, 503, 429, 404, 408, 501, 502, 504];

/** A route on which every command is wrong by its own fault. */
export function drawWrongRoute(random: Random): RoutePlan {
  const status = pick(random, OWN_ERRORS);
  const hint = status === 503 || status === 429 ? pick(random, [undefined, 1, 60]) : undefined;
  return {
    name: "wrong",
    ratio: pick(random, [digits(logUniform(random, 0.02, 0.9)), digits(between(random, 0.3, 0.8)), 1]),
    answers: { status, ...(hint === undefined ? {} : { retryAfterS: hint }) },
  };
}

/** A route that takes longer than an attempt may by default. */
export function drawSlowRoute(random: Random): RoutePlan {
  return {
    name: "slow",
    ratio: digits(logUniform(random, 0.02, 0.4)),
    serviceMs: Math.round(logUniform(random, 1_100, 8_000)),
  };
}

function digits(value: number): number {
  return Number(value.toPrecision(2));
}
