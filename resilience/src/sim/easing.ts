/**
 * Easier versions of a failing plan, for shrinking: the same faults, but earlier, shorter and with rounder numbers, and a
 * shorter run. It knows nothing of what the faults mean: `atMs` is an instant and `forMs` a duration in every fault, `untilMs`
 * the length of a run where a plan has one, and any other number may as well be a rounder one. It only proposes; whoever runs the proposals
 * answers which of them still fail, and the next proposal goes on from there.
 */
import type { FaultPlan } from "./simulation.ts";

/** Proposals; the answer to each is whether it still fails. */
export type Proposals<Plan> = Generator<Plan, void, boolean>;

/** Each fault in turn: half as long, and again; then each of its numbers with one, two or three significant digits. */
export function* easierFaults<Plan extends FaultPlan>(plan: Plan): Proposals<Plan> {
  let current = plan;
  for (let index = 0; index < plan.faults.length; index++) {
    const attempts = easierFault(plan.faults[index]);
    for (let next = attempts.next(); next.done !== true; ) {
      const candidate = { ...current, faults: current.faults.with(index, next.value) };
      const fails = yield candidate;
      if (fails) current = candidate;
      next = attempts.next(fails);
    }
  }
}

/**
 * The faults earlier, but none before `fromMs`: all of them together, so that what lies between them stays; then each by
 * itself. Boldly to `fromMs` at once, or else by halves of the way there, as far as it goes.
 */
export function* earlierFaults<Plan extends FaultPlan>(plan: Plan, fromMs: number): Proposals<Plan> {
  let current = plan;
  const places = [...plan.faults.keys()].filter((index) => instantOf(plan.faults[index]) !== undefined);
  const groups = places.length > 1 ? [places, ...places.map((index) => [index])] : [places];
  for (const group of groups) {
    let firstMs = Math.min(...group.map((index) => instantOf(current.faults[index]) as number));
    // What is left of the way is what failed to go; a whole number where that is possible.
    let refusedMs: number | undefined;
    for (let halvings = 0; halvings < MOST_HALVINGS; halvings++) {
      const toMs = refusedMs === undefined ? fromMs : Math.floor((refusedMs + firstMs) / 2);
      if (!(toMs >= fromMs && toMs < firstMs) || toMs === refusedMs) break;
      const faults = current.faults.map((fault, index) =>
        group.includes(index) ? replaced(fault, ["atMs"], (instantOf(fault) as number) - (firstMs - toMs)) : fault,
      );
      const candidate = { ...current, faults };
      if (yield candidate) {
        current = candidate;
        firstMs = toMs;
      } else refusedMs = toMs;
    }
  }
}

/** How often the way to an earlier instant is halved: to a thousandth of it. */
const MOST_HALVINGS = 10;

function instantOf(fault: unknown): number | undefined {
  const atMs = typeof fault === "object" && fault !== null && "atMs" in fault ? fault.atMs : undefined;
  return typeof atMs === "number" ? atMs : undefined;
}

/** An earlier end; nothing where the plan does not say when it ends. What comes after `violatedAtMs` is not needed. */
export function* earlierEnds<Plan extends FaultPlan>(plan: Plan, violatedAtMs: number): Proposals<Plan> {
  let untilMs: unknown = (plan as { readonly untilMs?: unknown }).untilMs;
  if (typeof untilMs !== "number") return;
  for (const share of [0, 0.5, 0.75, 0.9]) {
    const shorterMs: number = share === 0 ? Math.ceil(violatedAtMs) : Math.ceil((untilMs as number) * share);
    if (shorterMs < (untilMs as number) && (yield { ...plan, untilMs: shorterMs })) untilMs = shorterMs;
  }
}

function* easierFault(fault: unknown): Proposals<unknown> {
  let current = fault;
  for (;;) {
    const forMs = typeof current === "object" && current !== null && "forMs" in current ? current.forMs : undefined;
    if (typeof forMs !== "number" || forMs <= 1) break;
    const shorter = replaced(current, ["forMs"], Math.floor(forMs / 2));
    if (!(yield shorter)) break;
    current = shorter;
  }
  for (const [path, value] of numbersIn(current)) {
    for (let digits = 1; digits <= 3; digits++) {
      const rounder = Number(value.toPrecision(digits));
      if (rounder === value) break;
      const candidate = replaced(current, path, rounder);
      if (!(yield candidate)) continue;
      current = candidate;
      break;
    }
  }
}

/** All numbers in plain data, each with the way to it. */
function* numbersIn(value: unknown, path: readonly string[] = []): Iterable<[readonly string[], number]> {
  if (typeof value === "number") yield [path, value];
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* numbersIn(item, [...path, key]);
  }
}

/** `value` with `item` at the end of `path`. */
function replaced(value: unknown, path: readonly string[], item: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return item;
  if (Array.isArray(value)) return value.with(Number(key), replaced(value[Number(key)], rest, item));
  const record = value as Readonly<Record<string, unknown>>;
  return { ...record, [key]: replaced(record[key], rest, item) };
}
