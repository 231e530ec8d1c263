/**
 * JSON for figures: it knows no infinity, so "never" stands for it, and five digits are more than a
 * run is worth.
 */

export function toJson(value: unknown, space?: number): string {
  return JSON.stringify(value, written, space);
}

export function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, value) => (value === "never" ? Number.POSITIVE_INFINITY : value));
}

function written(_key: string, value: unknown): unknown {
  if (value === Number.POSITIVE_INFINITY) return "never";
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
