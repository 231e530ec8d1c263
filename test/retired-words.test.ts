/**
 * Words that were given up (docs/glossary.md, "Retired words") do not come back where strangers
 * read: in what the packages export, in the documentation, in messages and in the configuration.
 * The changelog, the findings and decisions of their time keep them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { text, trackedFiles } from "./tracked.ts";

const glossary = text("docs/glossary.md");
const retired = [...glossary.slice(glossary.indexOf("## Retired words")).matchAll(/^\| (`.*?`) \|/gm)]
  .flatMap(([, cell]) => (cell as string).match(/`[^`]+`/g) ?? [])
  .map((word) => word.slice(1, -1));

const files = trackedFiles();

/**
 * Names and strings of a source: what callers import, what they are told, and what they configure.
 */
function spokenIn(path: string): string {
  const code = text(path)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  if (path.endsWith("/index.ts")) return code;
  return [...code.matchAll(/"[^"\n]*"|`[^`]*`/g)].map(([literal]) => literal).join("\n");
}

/** Code in backticks and fences; prose may use a word in its plain sense. */
function codeIn(page: string): string {
  return (text(page).match(/```[\s\S]*?```|`[^`\n]+`/g) ?? []).join("\n");
}

function uses(word: string, where: string): boolean {
  return new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(where);
}

test("the glossary lists the retired words", () => {
  assert.ok(retired.length > 20 && retired.includes("late-wake"), retired.join(", "));
});

test("no retired word is exported, told or configured", () => {
  const sources = files.filter((path) => /^(resilience|gateway)\/src\/.*\.ts$/.test(path) && !/\.test\.ts$/.test(path));
  const found = sources.flatMap((path) => {
    const spoken = spokenIn(path);
    return retired.filter((word) => uses(word, spoken)).map((word) => `${path}: ${word}`);
  });
  assert.deepEqual(found, []);
});

test("no retired word is in the documentation's code, or in the examples", () => {
  const pages = files.filter((path) =>
    /^(README|ARCHITECTURE|resilience\/README|gateway\/README|docs\/(guide\/.*|README|promises))\.md$/.test(path),
  );
  const found = [
    ...pages.map((path) => [path, codeIn(path)] as const),
    ...files.filter((path) => /^examples\/.*\.(ts|yaml)$/.test(path)).map((path) => [path, text(path)] as const),
  ].flatMap(([path, where]) => retired.filter((word) => uses(word, where)).map((word) => `${path}: ${word}`));
  assert.deepEqual(found, []);
});
