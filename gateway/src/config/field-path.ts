/**
 * The position of a field in a configuration, and how a problem with it is reported.
 */

/** Position in the file, as a list of field names and list indexes. */
export type FieldPath = readonly PropertyKey[];

/** Reports one problem, at the field to change. */
export type Report = (path: FieldPath, sentence: string) => void;

/** In the usual notation: `groups[0].stations`. */
export function shownPath(path: FieldPath): string {
  return path
    .map((step, place) => (typeof step === "number" ? `[${step}]` : `${place === 0 ? "" : "."}${String(step)}`))
    .join("");
}
