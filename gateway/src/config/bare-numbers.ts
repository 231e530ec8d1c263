/**
 * Finds durations and sizes that are written as bare numbers: `deadline: 300` is 300 ms, and people
 * who write it usually mean seconds. Such a file is valid, because programs write files, too; the
 * reader is told how the number was read. What a field means is taken from the schema that reads
 * it.
 */
import type { FieldPath } from "./field-path.ts";
import { type DescribedField, describedConfiguration } from "./json-schema.ts";

/** A number without a unit, and how it was read. */
export interface BareNumber {
  readonly path: FieldPath;
  readonly sentence: string;
}

/** Zero needs no unit. */
export function bareNumbers(document: unknown): readonly BareNumber[] {
  if (!hasNumber(document)) return [];
  const found: BareNumber[] = [];
  look(document, [describedConfiguration()], [], found);
  return found;
}

/** The schema is made only if it is needed: it takes as long as reading a large file. */
function hasNumber(value: unknown): boolean {
  if (typeof value === "number") return value !== 0;
  return typeof value === "object" && value !== null && Object.values(value).some(hasNumber);
}

/** `fields`: those that may be meant; a section may be of several kinds. */
function look(value: unknown, fields: readonly DescribedField[], path: FieldPath, found: BareNumber[]): void {
  if (typeof value === "number" && value !== 0) {
    const unit = fields.map(unitOf).find((one) => one !== undefined);
    if (unit !== undefined) found.push({ path, sentence: sentenceOf(value, unit) });
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const place = Array.isArray(value) ? Number(name) : name;
    const meant = fields.flatMap((field) => fieldsIn(field, place)).filter((field) => field !== undefined);
    if (meant.length > 0) look(inner, meant, [...path, place], found);
  }
}

function fieldsIn(field: DescribedField, place: string | number): readonly (DescribedField | undefined)[] {
  if (typeof place === "number") return [field.items];
  return [field.properties?.[place], ...(field.oneOf ?? []).map((kind) => kind.properties?.[place])];
}

function unitOf({ anyOf = [] }: DescribedField): "ms" | "B" | undefined {
  const patterns = anyOf.map(({ pattern = "" }) => pattern);
  if (patterns.some((pattern) => pattern.includes("(ms|"))) return "ms";
  return patterns.some((pattern) => pattern.includes("(B|")) ? "B" : undefined;
}

function sentenceOf(value: number, unit: "ms" | "B"): string {
  const others = unit === "ms" ? `${value}s or ${value}m` : `${value}KiB or ${value}MiB`;
  return `${value} has no unit and is read as ${value}${unit}; write ${value}${unit}, or ${others} if that is meant`;
}
