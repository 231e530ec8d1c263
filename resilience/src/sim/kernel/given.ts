/**
 * What a world is given by somebody else's code, which may have no types: options, checks and what
 * they answer, the detail of a violation. What is none is refused by name; only a detail is taken
 * as it comes, because `violate` never throws.
 */
import { checkName, refusal, shown } from "../../core/options.ts";

/** Throws unless `check` is one, with a name. */
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

/** Throws where `tieBreak` is something else than the two that there are. */
export function checkTieBreak(part: string, tieBreak: unknown): void {
  if (tieBreak === undefined || tieBreak === "asked" || tieBreak === "drawn") return;
  throw refusal(part, "tieBreak", tieBreak, '"asked" or "drawn"');
}

/** What somebody gave as the detail of a violation, and is no text. Never throws. */
export function detailOf(given: unknown): string {
  if (given === undefined)
    return "world.violate was given no detail: it takes the name of the invariant and a sentence";
  if (given instanceof Error) return given.stack ?? given.message;
  return shown(given);
}

/** What a check gave, which is somebody else's code: a sentence, or undefined where all is well. */
export function sentenceOf(invariant: string, given: unknown): string | undefined {
  if (given === undefined || typeof given === "string") return given;
  const what = typeof given === "object" && given !== null ? `a ${given.constructor?.name ?? "object"}` : String(given);
  throw new TypeError(
    `the check "${invariant}" gave ${what}: it gives a sentence, or undefined where all is well, and is not awaited`,
  );
}
