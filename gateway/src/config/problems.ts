/**
 * The problems of a configuration file, with their positions:
 * `fleet.yaml:12:5 groups[0].stations: …`. The positions come from the tree of the YAML document. A
 * missing field is reported at the section that should have it. A field that comes through an alias
 * is reported at the place where it is written.
 */
import type { Document, LineCounter, Node } from "yaml";
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import { UserError } from "../adapters/process/exit-codes.ts";
import { visibleLines } from "../adapters/telemetry/visible.ts";
import type { FieldPath } from "./field-path.ts";
import { shownPath } from "./field-path.ts";
import type { LocatedTiming } from "./timing.ts";

/** One problem: the field, its position in the file, and what is allowed. */
export interface ConfigurationProblem {
  readonly field: string;
  /** Counted from 1; undefined if the problem is with the whole file. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly sentence: string;
}

interface ProblemsContext {
  readonly count?: number;
  readonly timing?: readonly LocatedTiming[];
}

/**
 * A configuration cannot be used. The message has one line for each problem, in the order of the
 * file.
 */
export class ConfigurationProblems extends UserError {
  readonly problems: readonly ConfigurationProblem[];
  /** The timing budgets of the groups that could be read. */
  readonly timing: readonly LocatedTiming[];

  /** `count`: number of all problems, if `problems` has only the first of them. */
  constructor(
    file: string,
    problems: readonly ConfigurationProblem[],
    { count = problems.length, timing = [] }: ProblemsContext = {},
  ) {
    const ordered = problems.toSorted(
      (one, other) => (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0),
    );
    const lines = [
      `${file} has ${count === 1 ? "1 problem" : `${count} problems`}:`,
      ...ordered.map((one) => `  ${shownProblem(file, one)}`),
      ...(count > ordered.length ? [`  and ${count - ordered.length} more`] : []),
    ];
    super("configuration", visibleLines(lines));
    this.name = "ConfigurationProblems";
    this.problems = ordered;
    this.timing = timing;
  }

  /** The message as it is: each problem has its own line, already free of control characters. */
  override get shown(): string {
    return this.message;
  }
}

/**
 * The problem `sentence` at `path` of `document`. `at`: whether its position is that of the field's
 * name or of its value.
 */
export function problemAt(
  document: Document,
  lines: LineCounter,
  path: FieldPath,
  sentence: string,
  at: "name" | "value" = "value",
): ConfigurationProblem {
  const offset = offsetOf(document, path, at);
  const position = offset === undefined ? undefined : lines.linePos(offset);
  return { field: shownPath(path), line: position?.line, column: position?.col, sentence };
}

/** One line: the place, the field, the sentence. */
export function shownProblem(file: string, { field, line, column, sentence }: ConfigurationProblem): string {
  const where = line === undefined ? file : `${file}:${line}:${column}`;
  return field === "" ? `${where} ${sentence}` : `${where} ${field}: ${sentence}`;
}

function offsetOf(document: Document, path: FieldPath, at: "name" | "value"): number | undefined {
  let node = resolved(document, document.contents);
  let offset = node?.range?.[0];
  for (const [depth, step] of path.entries()) {
    let next: Node | null | undefined;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : undefined) === String(step));
      const key = isScalar(pair?.key) ? pair.key : undefined;
      next = pair?.value as Node | null | undefined;
      // An empty value has no position of its own, so the position of its name is used.
      const named = depth === path.length - 1 && (at === "name" || next?.range === undefined);
      offset = (named ? key?.range?.[0] : (next?.range?.[0] ?? key?.range?.[0])) ?? offset;
    } else if (isSeq(node)) {
      next = node.items[Number(step)] as Node | undefined;
      offset = next?.range?.[0] ?? offset;
    }
    if (next === undefined || next === null) break;
    node = resolved(document, next);
  }
  return offset;
}

function resolved(document: Document, node: Node | null | undefined): Node | undefined {
  return (isAlias(node) ? node.resolve(document) : node) ?? undefined;
}
