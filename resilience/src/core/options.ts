/**
 * Range checks for constructors: a refused option names the part, the option, the value it got and what is allowed.
 * NaN, strings and absent values are refused like any other value out of range. Contradictions between options are not
 * its business (see `pipeline-hazards.ts`).
 */
import { ConfigurationError } from "./errors.ts";

/** Bounds of a numeric option. Both ends belong to the range unless `aboveMin` says otherwise. */
export interface Range {
  readonly min: number;
  readonly max: number;
  /** Only whole numbers. Default false. */
  readonly integer?: boolean;
  /** `min` itself is not allowed. Default false. */
  readonly aboveMin?: boolean;
}

/** A duration in milliseconds that must be more than zero; about 24.8 days at most. */
export const DURATION_MS: Range = { min: 0, aboveMin: true, max: 2 ** 31 - 1 };
/** A duration that may also be zero or endless. */
export const WAIT_MS: Range = { min: 0, max: Number.POSITIVE_INFINITY };
/** A share, more than 0 and at most 1. */
export const RATE: Range = { min: 0, aboveMin: true, max: 1 };
/** Any number that has an order: everything but NaN. */
export const PRIORITY: Range = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
/** A count of at least one. */
export const COUNT: Range = { min: 1, max: 2 ** 31 - 1, integer: true };

/** Returns `value` if it lies in `range`, otherwise throws {@link ConfigurationError} with hazard `out-of-range`. */
export function checked(part: string, option: string, value: number, range: Range): number {
  const inside =
    typeof value === "number" &&
    value <= range.max &&
    (range.aboveMin === true ? value > range.min : value >= range.min) &&
    (range.integer !== true || Number.isInteger(value));
  if (inside) return value;
  const kind = range.integer === true ? "a whole number" : "a number";
  const low = range.aboveMin === true ? `above ${range.min}` : `from ${range.min}`;
  throw new ConfigurationError(
    "out-of-range",
    `${part}: ${option} is ${String(value)}; it must be ${kind} ${low} up to ${range.max}.`,
  );
}
