/**
 * Each option of the library tells what it means, and a number its unit and range, and what holds
 * where it is left out: nobody reads the code to find that out at three in the morning.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { doorsNow, gatewayDoorsNow } from "./doors.ts";

const atDoors = new Set(
  [...Object.values(doorsNow()), ...Object.values(gatewayDoorsNow())].flatMap(({ types }) => types),
);
const sources = ["../resilience/src/**/*.ts", "../gateway/src/proxy/*.ts"].map((glob) =>
  fileURLToPath(new URL(glob, import.meta.url)),
);

interface Option {
  readonly name: string;
  readonly docs: string;
  readonly isOptional: boolean;
  readonly isNumber: boolean;
}

/** The options of every options type that a door exports. */
function options(): Option[] {
  const texts = globSync(sources).filter((path) => !path.endsWith(".test.ts"));
  return texts.flatMap((path) => {
    const text = readFileSync(path, "utf8");
    return [...text.matchAll(/^export interface (\w+)\b[^{]*\{\n([\s\S]*?)^\}/gm)]
      .filter(([, type = ""]) => (type.endsWith("Options") || type === "Ramp") && atDoors.has(type))
      .flatMap(([, type, body = ""]) =>
        [...body.matchAll(/(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}readonly (\w+)(\??): ([^;]*);/gm)].map(
          ([, docs = "", name, mark, kind = ""]) => ({
            name: `${type}.${name}`,
            docs: docs.replaceAll(/\s*\n\s*\* ?/g, " "),
            isOptional: mark === "?",
            isNumber: /^number\b/.test(kind),
          }),
        ),
      );
  });
}

const all = options();

test("the options of the library are found", () => assert.ok(all.length > 120, `${all.length}`));

for (const [what, lacks] of [
  ["its meaning", ({ docs }: Option) => docs.trim() === ""],
  ["what holds where it is left out", ({ docs, isOptional }: Option) => isOptional && !docs.includes("Default")],
  [
    "its range",
    ({ docs, isNumber }: Option) =>
      isNumber && !/…|\babove\b|\bat least\b|\bfrom\b|\bany (?:whole )?number\b/i.test(docs),
  ],
  ["its unit", ({ name, docs, isNumber }: Option) => isNumber && /Ms$/.test(name) && !/\bms\b/i.test(docs)],
] as const) {
  test(`an option of the library → its docstring says ${what}`, () => {
    assert.deepEqual(
      all.filter(lacks).map(({ name }) => name),
      [],
    );
  });
}
