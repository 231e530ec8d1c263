/** Where in a configuration something stands, and how it is told what is wrong there. */

/** Where in the file, as a list of field names and places in lists. */
export type FieldPath = readonly PropertyKey[];

/** Tells of one hazard, at the field to change. */
export type Report = (path: FieldPath, sentence: string) => void;

/** As a person writes it: `groups[0].stations`. */
export function shownPath(path: FieldPath): string {
  return path
    .map((step, place) => (typeof step === "number" ? `[${step}]` : `${place === 0 ? "" : "."}${String(step)}`))
    .join("");
}
