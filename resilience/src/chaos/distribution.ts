/**
 * How long an injected wait takes. Real networks are rarely late by the same amount twice: a queue
 * adds an exponential tail, a route change moves the mean, and a few packets are later than all
 * others together (a Pareto tail). Every shape draws only from the stream that it is given, so the
 * same seed gives the same waits. Sampling is by inversion; the normal by Box and Muller (1958). No
 * wait is below zero or above an hour.
 */
import { checked, DURATION_MS, type Range, refusal } from "../core/options.ts";
import type { Random } from "../core/random.ts";

/** The shape of a random duration. A plain number means `fixed`. */
export type Distribution =
  | { readonly shape: "fixed"; readonly ms: number }
  | { readonly shape: "uniform"; readonly minMs: number; readonly maxMs: number }
  /** Cut off at zero, which raises its mean if the deviation is large. */
  | { readonly shape: "normal"; readonly meanMs: number; readonly deviationMs: number }
  | { readonly shape: "exponential"; readonly meanMs: number }
  /**
   * `tailIndex` above 0: the smaller it is, the heavier the tail; at 1 and below there is no finite
   * mean.
   */
  | { readonly shape: "pareto"; readonly minMs: number; readonly tailIndex: number };

const SHAPES: readonly Distribution["shape"][] = ["fixed", "uniform", "normal", "exponential", "pareto"];

/** Draws one duration in milliseconds. */
export type DurationSource = (random: Random) => number;

/** The maximum wait: a heavy tail has no bound of its own. */
export const LONGEST_WAIT_MS = 3_600_000;

const WAIT: Range = { min: 0, max: LONGEST_WAIT_MS };

/** Checks `given` (the option `option` of `part`) and returns the function that draws from it. */
export function durationSource(part: string, option: string, given: number | Distribution): DurationSource {
  const draw = unbounded(part, option, typeof given === "number" ? { shape: "fixed", ms: given } : given);
  return (random) => Math.min(LONGEST_WAIT_MS, Math.max(0, draw(random)));
}

function unbounded(part: string, option: string, given: Distribution): DurationSource {
  if (typeof given !== "object" || given === null)
    throw refusal(part, option, given, "a number of ms or a distribution");
  switch (given.shape) {
    case "fixed": {
      const ms = checked(part, option, given.ms, WAIT);
      return () => ms;
    }
    case "uniform": {
      const minMs = checked(part, `${option}.minMs`, given.minMs, WAIT);
      const maxMs = checked(part, `${option}.maxMs`, given.maxMs, { ...WAIT, min: minMs });
      return (random) => minMs + random.next() * (maxMs - minMs);
    }
    case "normal": {
      const meanMs = checked(part, `${option}.meanMs`, given.meanMs, WAIT);
      const deviationMs = checked(part, `${option}.deviationMs`, given.deviationMs, WAIT);
      return (random) => meanMs + deviationMs * standardNormal(random);
    }
    case "exponential": {
      const meanMs = checked(part, `${option}.meanMs`, given.meanMs, WAIT);
      return (random) => -meanMs * Math.log(1 - random.next());
    }
    case "pareto": {
      const minMs = checked(part, `${option}.minMs`, given.minMs, { ...DURATION_MS, max: LONGEST_WAIT_MS });
      const tailIndex = checked(part, `${option}.tailIndex`, given.tailIndex, { min: 0, aboveMin: true, max: 100 });
      return (random) => minMs / (1 - random.next()) ** (1 / tailIndex);
    }
    default:
      throw refusal(part, `${option}.shape`, (given as { shape: unknown }).shape, `one of ${SHAPES.join(", ")}`);
  }
}

function standardNormal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
