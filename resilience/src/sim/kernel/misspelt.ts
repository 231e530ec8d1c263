/**
 * Names that are nearly right, in objects that may have fields of their own besides: a simulation,
 * a recorded run, an operation of a client. A field that nobody reads is the caller's business,
 * unless it is nearly the name of one that is missing: then what it was to say would be lost
 * without a word.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";

/** Throws where `given` has a field that is probably one of `names` misspelt, which it lacks. */
export function refuseMisspelt(part: string, given: object, names: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(names, name)) continue;
    const missing = Object.keys(names).filter((known) => (given as Record<string, unknown>)[known] === undefined);
    const meant = nearestName(name, missing);
    if (meant === undefined) continue;
    throw new ConfigurationError("unknown-option", `${part}: there is no option ${name}; did you mean ${meant}?`);
  }
}
