/**
 * The page of promises (`docs/promises.md`) beside the names that tests carry: `npm run promises`
 * writes where each rule is tested.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, text as textOf, trackedFiles } from "./tracked.ts";

const PAGE = "docs/promises.md";
/**
 * `test("[F10] [R2] …`, and the like with a template; also a title that stands on a line of its
 * own.
 */
const TITLE = /(?:\b(?:test|it|describe|suite)\(\s*|^\s*)["'`]((?:\[[A-Z]+\d+\] ?)+)/gm;
const ROW = /^\| ([A-Z]+\d+) \| ([^|]*) \|.*\|$/gm;

/** Which files test each rule. */
function testedBy(): Map<string, string[]> {
  const rules = new Map<string, string[]>();
  for (const file of trackedFiles().filter((path) => path.endsWith(".test.ts"))) {
    const names = [...textOf(file).matchAll(TITLE)].map(([, tags = ""]) => tags);
    for (const rule of new Set(names.join().match(/[A-Z]+\d+/g))) rules.set(rule, [...(rules.get(rule) ?? []), file]);
  }
  return rules;
}

/** The page as it is and as it should be, the rules that it defines, and those that tests name. */
export function promises(): {
  readonly text: string;
  readonly due: string;
  readonly rules: readonly string[];
  readonly tested: readonly string[];
} {
  const text = textOf(PAGE);
  const tested = testedBy();
  const rules = [...text.matchAll(ROW)].map(([, rule = ""]) => rule);
  const due = text.replace(
    ROW,
    (_, rule: string, promise: string) => `| ${rule} | ${promise} | ${links(tested.get(rule))} |`,
  );
  return { text, due, rules, tested: [...tested.keys()] };
}

function links(files: readonly string[] = []): string {
  return files.map((file) => `[${file.replace(/^.*\//, "").replace(/\.test\.ts$/, "")}](../${file})`).join(", ");
}

if (import.meta.main) writeFileSync(join(root, PAGE), promises().due);
