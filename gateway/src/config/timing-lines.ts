/**
 * Adds to the timing budget of each group what a person needs to change it: for each part of a term
 * the field, its line in the file, and whether it is written or follows from a default. This is the
 * form that `gsf check --json` prints.
 */
import type { TimingPart } from "ground-station-failover/core";
import type { Document, LineCounter } from "yaml";
import type { FieldPath } from "./field-path.ts";
import { shownPath } from "./field-path.ts";
import { problemAt } from "./problems.ts";
import type { WrittenConfiguration, WrittenGroup } from "./schema.ts";
import type { LocatedFault, LocatedPart, LocatedTiming } from "./timing.ts";
import { isSetting } from "./timing-culprits.ts";
import { fieldOf, timingOf } from "./timing-proof.ts";

/** The timing budgets of all groups whose fields could be read. */
export function locatedTimings(
  written: WrittenConfiguration | undefined,
  data: unknown,
  document: Document,
  lines: LineCounter,
): LocatedTiming[] {
  if (!Array.isArray(written?.groups)) return [];
  return written.groups.flatMap((group: WrittenGroup, place) => {
    const timing = isReadable(group) ? timingOf(group) : undefined;
    if (timing === undefined) return [];
    const locate = (part: TimingPart): LocatedPart => {
      const { source, ms, what } = part;
      if (source === "fixed") return { what, ms, kind: "fixed", field: undefined, line: undefined };
      const path = ["groups", place, ...fieldOf(source, group)];
      const line = isWritten(data, path) ? problemAt(document, lines, path, "").line : undefined;
      return { what, ms, kind: isSetting(source) ? "setting" : "assumption", field: shownPath(path), line };
    };
    const faults = timing.faults.map((fault): LocatedFault => {
      return { ...fault, terms: fault.terms.map(({ parts, ...term }) => ({ ...term, parts: parts.map(locate) })) };
    });
    return [{ ...timing, faults }];
  });
}

/** Does the group have all sections that the sums need? Otherwise a problem has been reported. */
export function isReadable(group: WrittenGroup | undefined): group is WrittenGroup {
  if (group === undefined || group === null || !Array.isArray(group.stations)) return false;
  const sections = [
    group.heartbeat,
    group.detector,
    group.commands,
    group.retry,
    group.breaker,
    group.commandPath,
    group.assume,
  ];
  return [...sections, ...group.stations].every((section) => typeof section === "object" && section !== null);
}

/** Does `data`, the file as plain data, have a field at `path`? */
function isWritten(data: unknown, path: FieldPath): boolean {
  let at = data;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return false;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return true;
}
