/**
 * Finds values in JSON by a path in the dialect of published experiments.
 */
import { JSONPathEnvironment } from "json-p3";
import type { Json } from "./experiment.ts";

/** A path that can be applied. */
export interface CompiledPath {
  /** All values that it finds, in the order of the document. */
  readonly find: (data: Json) => readonly Json[];
}

/** Compiles `path`, or says what is wrong with it. */
export function compiledPath(path: string): CompiledPath | { readonly problem: string } {
  try {
    const query = new JSONPathEnvironment().compile(path.trim());
    return { find: (data) => query.query(data as never).values() as readonly Json[] };
  } catch (error) {
    return { problem: `${JSON.stringify(path)} is no path: ${(error as Error).message}` };
  }
}
