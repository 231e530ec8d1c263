/**
 * Finds values in JSON by the path of a tolerance. The path is translated to stages of RFC 9535
 * (`path-dialect.ts`), which json-p3 plays one after the other. Bound in time, in depth and in the
 * number of values, because an output is whatever a probe answered.
 */
import { FunctionExpressionType, JSONPathEnvironment, JSONPathError, type JSONPathQuery } from "json-p3";
import type { Json } from "./experiment.ts";
import { type PathCall, pathStages } from "./path-dialect.ts";
import { isList, isObject } from "./problem.ts";
import { inBoundedTime, TIMED_OUT } from "./time-bound.ts";

/** Most values that a path may find. */
const MAX_FOUND = 100_000;
/** Most levels of a document that `..` goes down. */
const MAX_DEPTH = 500;
/** Most milliseconds of one search. */
const MAX_SEARCH_MS = 2_000;

/** A path that can be applied. */
export interface CompiledPath {
  /**
   * All values that it finds, in the order of the document. A problem: it would take too long, or
   * find too much.
   */
  readonly find: (data: Json) => readonly Json[] | { readonly problem: string };
}

/** What one stage makes of one value. */
type Step = (value: Json, root: Json) => Iterable<Json>;

/** Compiles `path`, or says what is not understood. */
export function compiledPath(path: string): CompiledPath | { readonly problem: string } {
  let steps: readonly Step[];
  try {
    steps = pathStages(path).map((stage): Step => {
      if (stage.kind === "call") return (value) => called(stage.name, value);
      if (stage.kind === "select") return selection(ENVIRONMENT.compile(`$["it"]${stage.segments}`));
      return filtering(ENVIRONMENT.compile(`$["it"][?${stage.expression}]`));
    });
  } catch (error) {
    return { problem: `${JSON.stringify(path.slice(0, 80))} is no path: ${(error as Error).message}` };
  }
  return { find: (data) => found(steps, data) };
}

function found(steps: readonly Step[], data: Json): readonly Json[] | { readonly problem: string } {
  try {
    const result = inBoundedTime(() => searched(steps, data), MAX_SEARCH_MS);
    return result === TIMED_OUT ? { problem: `the path was searched for longer than ${MAX_SEARCH_MS} ms` } : result;
  } catch (error) {
    if (!(error instanceof JSONPathError || error instanceof RangeError)) throw error;
    return { problem: `the path cannot be searched: ${error.message}` };
  }
}

function searched(steps: readonly Step[], data: Json): readonly Json[] | { readonly problem: string } {
  let values: readonly Json[] = [data];
  for (const step of steps) {
    const next: Json[] = [];
    for (const value of values)
      for (const one of step(value, data)) {
        if (next.length >= MAX_FOUND) return { problem: `the path finds more than ${MAX_FOUND} values` };
        next.push(one);
      }
    values = next;
  }
  return values;
}

/** `contains` of jsonpath2: a text in a text, an item in a list, a name in an object. */
function contains(holder: unknown, item: unknown): boolean {
  if (typeof holder === "string") return typeof item === "string" && holder.includes(item);
  if (Array.isArray(holder)) return holder.includes(item);
  return isObject(holder as Json) && typeof item === "string" && Object.hasOwn(holder as object, item);
}

const ENVIRONMENT = new JSONPathEnvironment({ maxRecursionDepth: MAX_DEPTH });
ENVIRONMENT.functionRegister.set("contains", {
  argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
  returnType: FunctionExpressionType.LogicalType,
  call: contains,
});

function* selected(query: JSONPathQuery, root: Json, it: Json): Iterable<Json> {
  for (const node of query.lazyQuery({ root, it } as never)) yield node.value as Json;
}

function selection(query: JSONPathQuery): Step {
  return (value, root) => selected(query, root, value);
}

/** A filter looks at the items of a list, and at any other value itself. */
function filtering(query: JSONPathQuery): Step {
  return (value, root) => selected(query, root, isList(value) ? value : [value]);
}

function called(name: PathCall, value: Json): Iterable<Json> {
  if (name === "length") {
    if (typeof value === "string") return [Array.from(value).length];
    return isList(value) ? [value.length] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  if (name === "values") return [isList(value) ? value : Object.values(value)];
  const keys = isList(value) ? [...value.keys()] : Object.keys(value);
  return [
    name === "keys" ? keys : keys.map((key): Json => [key, (value as Record<string | number, Json>)[key] as Json]),
  ];
}
