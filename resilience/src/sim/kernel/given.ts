/**
 * Checks the values that a world gets from foreign code, which may have no types: options, checks
 * and their results, the detail of a violation. A value of the wrong type is refused by name. Only
 * a detail is accepted in any form, because `violate` never throws.
 */
import { checkName, refusal, shown } from "../../core/options.ts";

/** Throws unless `check` is a function and `invariant` is a name. */
export function checkCheck(part: string, invariant: unknown, check: unknown): void {
  checkName(part, "invariant", invariant);
  requireFunction(part, "check", check);
}

export function requireFunction(part: string, option: string, given: unknown): void {
  if (typeof given !== "function") throw refusal(part, option, given, "a function");
}

/** Throws unless `seed` is a number or a text. */
export function checkSeed(part: string, seed: unknown): number | string {
  if (typeof seed === "string" || (typeof seed === "number" && Number.isFinite(seed))) return seed;
  throw refusal(part, "seed", seed, "a number or a text");
}

/** Throws if `tieBreak` is neither of its two values. */
export function checkTieBreak(part: string, tieBreak: unknown): void {
  if (tieBreak === undefined || tieBreak === "asked" || tieBreak === "drawn") return;
  throw refusal(part, "tieBreak", tieBreak, '"asked" or "drawn"');
}

/** Turns the detail of a violation that is no text into text. Never throws. */
export function detailOf(given: unknown): string {
  if (given === undefined)
    return "world.violate was given no detail: it takes the name of the invariant and a sentence";
  if (given instanceof Error) return given.stack ?? given.message;
  return shown(given);
}

/**
 * Reads the result of a check, which is foreign code: a sentence, or undefined if the check holds.
 */
export function sentenceOf(invariant: string, given: unknown): string | undefined {
  if (given === undefined || typeof given === "string") return given;
  const what = typeof given === "object" && given !== null ? `a ${given.constructor?.name ?? "object"}` : String(given);
  throw new TypeError(
    `the check "${invariant}" gave ${what}: it gives a sentence, or undefined where all is well, and is not awaited`,
  );
}
