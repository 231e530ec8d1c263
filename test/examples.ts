/**
 * The `@example` blocks of docstrings: which declarations have one, and the programs
 * in them. What an example prints is said beside each `console.log`, as a comment at the end of the
 * line; the lines are printed in the order in which they stand.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fencedPrograms, type Program } from "./programs.ts";
import { root } from "./tracked.ts";

/** A class, function or constant that a file exports, with its examples. */
export interface Declared {
  readonly name: string;
  readonly kind: "class" | "function" | "const";
  readonly file: string;
  readonly examples: readonly Program[];
}

/** A docstring, if there is one, and the declaration behind it. */
const DECLARATION = /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^export (?:abstract |async )?(class|function|const)\*? (\w+)/gm;

/**
 * All that the sources of the library, and of the gateway's door, export, with their docstrings'
 * examples.
 */
export function declaredAtDoors(): Declared[] {
  const files = globSync(["resilience/src/**/*.ts", "gateway/src/proxy/*.ts"], { cwd: root }).filter(
    (file) => !file.endsWith(".test.ts"),
  );
  return files.sort().flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(DECLARATION)].map(([, docstring = "", kind, name = ""]) => ({
      name,
      kind: kind as Declared["kind"],
      file,
      examples: examplesIn(docstring).map((code) => ({ name: `${file}, example of ${name}`, code })),
    })),
  );
}

function examplesIn(docstring: string): string[] {
  const [, ...parts] = docstring.replace(/^ \* ?/gm, "").split(/^@/m);
  return parts.filter((part) => part.startsWith("example\n")).flatMap(fencedPrograms);
}

/**
 * What the program says it prints, line by line; undefined where some `console.log` does not say.
 */
export function expectedOutput(code: string): string[] | undefined {
  const said = [...code.matchAll(/console\.log\(.*\);? \/\/ (.+)$/gm)].map(([, text = ""]) => text);
  return said.length === code.split("console.log(").length - 1 ? said : undefined;
}
