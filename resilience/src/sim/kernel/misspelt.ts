/**
 * Finds misspelt names in objects that may also have fields of their own: a simulation, a recorded
 * run, an operation of a client. The caller may add any field, unless its name is nearly that of a
 * missing one: then the value of the missing field would be lost silently.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";

/** Throws if `given` has a field that is probably a misspelling of one of `names` that it lacks. */
export function refuseMisspelt(part: string, given: object, names: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(names, name)) continue;
    const missing = Object.keys(names).filter((known) => (given as Record<string, unknown>)[known] === undefined);
    const meant = nearestName(name, missing);
    if (meant === undefined) continue;
    throw new ConfigurationError("unknown-option", `${part}: there is no option ${name}; did you mean ${meant}?`);
  }
}
