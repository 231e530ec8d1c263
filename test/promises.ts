/**
 * The page of promises (`docs/promises.md`) beside the names that tests carry: `npm run promises`
 * writes where each rule is tested.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const page = join(root, "docs/promises.md");
/**
 * `test("[F10] [R2] …`, and the like with a template; also a title that stands on a line of its
 * own.
 */
const TITLE = /(?:\b(?:test|it|describe|suite)\(\s*|^\s*)["'`]((?:\[[A-Z]+\d+\] ?)+)/gm;
const ROW = /^\| ([A-Z]+\d+) \| ([^|]*) \|.*\|$/gm;

/** Which files test each rule. */
function testedBy(): Map<string, string[]> {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.test.ts"], {
    cwd: root,
    encoding: "utf8",
  });
  const rules = new Map<string, string[]>();
  for (const file of files
    .split("\n")
    .filter((name) => name !== "")
    .sort()) {
    const names = [...readFileSync(join(root, file), "utf8").matchAll(TITLE)].map(([, tags = ""]) => tags);
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
  const text = readFileSync(page, "utf8");
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

if (import.meta.main) writeFileSync(page, promises().due);
