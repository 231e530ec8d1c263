/**
 * A stop condition, such as `error_ratio(10s) > 0.05 and not paused == 1`: what it looks like after
 * it was read. Values are signals at this moment, signals over a window, and numbers. A condition
 * has three values: true, false, and unknown while a signal has no value; only true stops a drill,
 * and a signal that stays away stops it by another rule.
 */

/** How a signal is summed up over a window. */
export const WINDOW_FUNCTIONS = ["avg", "max", "min", "delta", "rate"] as const;
export type WindowFunction = (typeof WINDOW_FUNCTIONS)[number];

export type Value =
  | { readonly kind: "number"; readonly value: number }
  /** The newest sample. */
  | { readonly kind: "now"; readonly signal: string }
  /**
   * `avg`, `max`, `min` of the samples; `delta`, by how much a counter grew; `rate`, that by the
   * second.
   */
  | { readonly kind: "window"; readonly by: WindowFunction; readonly signal: string; readonly windowMs: number }
  /** By how much the first counter grew for each one that the second grew. */
  | { readonly kind: "ratio"; readonly part: string; readonly whole: string; readonly windowMs: number };

export const COMPARISONS = [">=", "<=", "==", "!=", ">", "<"] as const;
export type Comparison = (typeof COMPARISONS)[number];

export type Condition =
  | { readonly kind: "compare"; readonly left: Value; readonly comparison: Comparison; readonly right: Value }
  | { readonly kind: "and" | "or"; readonly of: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition };

/** What the values of signals are asked of. Undefined: not known. */
export interface SignalValues {
  now(signal: string): number | undefined;
  over(by: WindowFunction, signal: string, windowMs: number): number | undefined;
  ratio(part: string, whole: string, windowMs: number): number | undefined;
}

/** Whether the condition holds; undefined: a signal that it depends on has no value. */
export function holds(condition: Condition, values: SignalValues): boolean | undefined {
  switch (condition.kind) {
    case "not": {
      const inner = holds(condition.of, values);
      return inner === undefined ? undefined : !inner;
    }
    case "and": {
      const parts = condition.of.map((part) => holds(part, values));
      return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true;
    }
    case "or": {
      const parts = condition.of.map((part) => holds(part, values));
      return parts.includes(true) ? true : parts.includes(undefined) ? undefined : false;
    }
    case "compare": {
      const [left, right] = [knownValue(condition.left, values), knownValue(condition.right, values)];
      return left === undefined || right === undefined ? undefined : compared(left, condition.comparison, right);
    }
  }
}

/** The values that the condition saw, for the person who asks why: `error_ratio(10s) = 0.08`. */
export function observedBy(condition: Condition, values: SignalValues): string {
  const seen = new Map<string, string>();
  for (const value of valuesIn(condition)) {
    if (value.kind === "number") continue;
    const known = knownValue(value, values);
    seen.set(shownValue(value), known === undefined ? "unknown" : String(Math.round(known * 1e4) / 1e4));
  }
  return [...seen].map(([name, value]) => `${name} = ${value}`).join(", ");
}

/** The names of the signals that the condition needs. */
export function signalsIn(condition: Condition): string[] {
  const names = valuesIn(condition).flatMap((value) => {
    if (value.kind === "number") return [];
    return value.kind === "ratio" ? [value.part, value.whole] : [value.signal];
  });
  return [...new Set(names)];
}

/** The longest window of the condition, in ms; 0 if it has none. */
export function longestWindowMs(condition: Condition): number {
  return Math.max(0, ...valuesIn(condition).map((value) => ("windowMs" in value ? value.windowMs : 0)));
}

function valuesIn(condition: Condition): Value[] {
  if (condition.kind === "compare") return [condition.left, condition.right];
  return condition.kind === "not" ? valuesIn(condition.of) : condition.of.flatMap(valuesIn);
}

function knownValue(value: Value, values: SignalValues): number | undefined {
  switch (value.kind) {
    case "number":
      return value.value;
    case "now":
      return values.now(value.signal);
    case "window":
      return values.over(value.by, value.signal, value.windowMs);
    case "ratio":
      return values.ratio(value.part, value.whole, value.windowMs);
  }
}

function compared(left: number, comparison: Comparison, right: number): boolean {
  switch (comparison) {
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case "==":
      return left === right;
    case "!=":
      return left !== right;
  }
}

function shownValue(value: Value): string {
  switch (value.kind) {
    case "number":
      return String(value.value);
    case "now":
      return value.signal;
    case "window":
      return `${value.by}(${value.signal}, ${value.windowMs}ms)`;
    case "ratio":
      return `ratio(${value.part}, ${value.whole}, ${value.windowMs}ms)`;
  }
}
