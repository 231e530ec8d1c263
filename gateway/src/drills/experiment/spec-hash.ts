/**
 * The hash of an experiment as written, by which a run, a finding and its proof name the same
 * experiment. The canonical form is that of RFC 8785 (names in order, no white space), so neither
 * the layout of a file nor JSON against YAML changes the hash; every value and every added field
 * does.
 */
import { createHash } from "node:crypto";
import type { Json, JsonObject } from "./experiment.ts";

/** SHA-256 of `source` in its canonical form, as 64 hexadecimal digits. */
export function specHash(source: JsonObject): string {
  return createHash("sha256").update(canonical(source)).digest("hex");
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item as Json)}`).join(",")}}`;
}
