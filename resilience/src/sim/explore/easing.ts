/**
 * Easier versions of a failing plan, for shrinking: the same faults, but earlier, shorter and with
 * rounder numbers, and a shorter run. This file does not know what the faults mean. `atMs` is an
 * instant and `forMs` a duration in every fault, `untilMs` is the length of a run if a plan has
 * one, and any other number may be replaced by a rounder one. This file only proposes: its caller
 * runs each proposal and answers whether it still fails, and the next proposal goes on from there.
 */
import type { FaultPlan } from "./simulation.ts";

/** Proposals; the answer to each is whether it still fails. */
export type Proposals<Plan> = Generator<Plan, void, boolean>;

/**
 * Each fault in turn: half as long, and again; then each of its numbers with one, two or three
 * significant digits, but no instant before `fromMs`.
 */
export function* easierFaults<Plan extends FaultPlan>(plan: Plan, fromMs = 0): Proposals<Plan> {
  let current = plan;
  for (let index = 0; index < plan.faults.length; index++) {
    const attempts = easierFault(plan.faults[index], fromMs);
    for (let next = attempts.next(); next.done !== true; ) {
      const candidate = { ...current, faults: current.faults.with(index, next.value) };
      const fails = yield candidate;
      if (fails) current = candidate;
      next = attempts.next(fails);
    }
  }
}

/**
 * The faults earlier, but none before `fromMs`: first all of them together, so that the gaps
 * between them stay; then each by itself. First to `fromMs` at once, or else half of the way, a
 * quarter, and so on, until one still fails. A further call goes on from there.
 */
export function* earlierFaults<Plan extends FaultPlan>(plan: Plan, fromMs: number): Proposals<Plan> {
  const places = [...plan.faults.keys()].filter((index) => instantOf(plan.faults[index]) >= fromMs);
  const groups = places.length > 1 ? [places, ...places.map((index) => [index])] : places.map((index) => [index]);
  let current = plan;
  for (const group of groups) {
    const firstMs = Math.min(...group.map((index) => instantOf(current.faults[index])));
    let toMs = fromMs;
    for (let halvings = 0; halvings < MOST_HALVINGS && toMs < firstMs; halvings++) {
      const byMs = firstMs - toMs;
      const faults = current.faults.map((fault, index) =>
        group.includes(index) ? replaced(fault, ["atMs"], toMicroseconds(instantOf(fault) - byMs)) : fault,
      );
      const candidate = { ...current, faults };
      if (yield candidate) {
        current = candidate;
        break;
      }
      toMs = Math.floor((toMs + firstMs) / 2);
    }
  }
}

/** How often the way is halved: a move by less than a sixteenth of it is not worth a run. */
const MOST_HALVINGS = 5;

/** When `fault` begins; NaN if it has no instant. */
function instantOf(fault: unknown): number {
  const atMs = typeof fault === "object" && fault !== null && "atMs" in fault ? fault.atMs : undefined;
  return typeof atMs === "number" ? atMs : Number.NaN;
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/**
 * An earlier end; nothing if the plan does not say when it ends. What comes after `violatedAtMs` is
 * not needed.
 */
export function* earlierEnds<Plan extends FaultPlan>(plan: Plan, violatedAtMs: number): Proposals<Plan> {
  let untilMs: unknown = (plan as { readonly untilMs?: unknown }).untilMs;
  if (typeof untilMs !== "number") return;
  for (const share of [0, 0.5, 0.75, 0.9]) {
    const shorterMs: number = share === 0 ? Math.ceil(violatedAtMs) : Math.ceil((untilMs as number) * share);
    if (shorterMs < (untilMs as number) && (yield { ...plan, untilMs: shorterMs })) untilMs = shorterMs;
  }
}

function* easierFault(fault: unknown, fromMs: number): Proposals<unknown> {
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
      const isInstant = path.at(-1) === "atMs";
      const rounder = isInstant ? roundedDown(value, digits) : Number(value.toPrecision(digits));
      if (rounder === value) break;
      if (isInstant && rounder < fromMs) continue;
      const candidate = replaced(current, path, rounder);
      if (!(yield candidate)) continue;
      current = candidate;
      break;
    }
  }
}

/** Rounding an instant up would undo the move to an earlier time. */
function roundedDown(value: number, digits: number): number {
  const nearest = Number(value.toPrecision(digits));
  if (nearest <= value) return nearest;
  const [, exponent] = value.toExponential().split("e");
  return Number((nearest - 10 ** (Number(exponent) - digits + 1)).toPrecision(digits));
}

/** All numbers in plain data, each with its path. */
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
