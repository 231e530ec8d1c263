/**
 * `npm run bench:ordinary`: an ordinary day in front of two services that are well, with the
 * minimum file: error pages, slow uploads, callers who leave, slow endpoints, a gateway short of
 * descriptors or names. Nobody may be replaced, and every answer has to be honest and in time.
 * Prints what each check found; README.md of the takeover bench says more.
 *
 *   --check WORDS      only checks whose name contains one of these, separated by commas
 *   --gateway FOLDER   the checkout to try (this one)
 *   --write            also into results/ordinary.md
 *   --list             the names of the checks
 *
 * Ends with code 1 where something was found that may not be.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, sentenceOf } from "../machine.ts";
import { badRoutes, quietErrors, thousandErrors } from "./error-checks.ts";
import type { Check, Finding } from "./finding.ts";
import { shortageChecks } from "./shortage-checks.ts";
import { slowChecks } from "./slow-checks.ts";

const CHECKS: readonly Check[] = [quietErrors, thousandErrors, ...badRoutes, ...slowChecks, ...shortageChecks];
const RESULTS = new URL("../results/", import.meta.url);

const { values } = parseArgs({
  options: {
    check: { type: "string", default: "" },
    gateway: { type: "string", default: fileURLToPath(new URL("../../..", import.meta.url)) },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const words = values.check.split(",");
  const chosen = CHECKS.filter(({ name }) => words.some((word) => name.includes(word)));
  if (values.list || chosen.length === 0) {
    console.log(CHECKS.map(({ name }) => name).join("\n"));
    if (!values.list) process.exitCode = 2;
    return;
  }
  const gateway = resolve(values.gateway);
  const sections: string[] = [];
  let missed = 0;
  for (const { name, run } of chosen) {
    const found = await run(gateway).catch(notRun);
    missed += found.filter(({ isKept }) => !isKept).length;
    const section = sectionOf(name, found);
    console.log(section);
    sections.push(section);
  }
  const sum = missed === 0 ? `${chosen.length} checks passed.` : `${missed} findings are not as they should be.`;
  console.log(sum);
  if (values.write) {
    mkdirSync(RESULTS, { recursive: true });
    const head = "# An ordinary day, with the minimum file\n\nWritten by `npm run bench:ordinary -- --write`.\n";
    const text = [head, `${sentenceOf(machine(gateway))}\n`, ...sections, sum, ""].join("\n");
    writeFileSync(new URL("ordinary.md", RESULTS), text);
  }
  if (missed > 0) process.exitCode = 1;
}

function notRun(error: unknown): readonly Finding[] {
  const found = error instanceof Error ? error.message.replaceAll(/\s+/g, " ") : String(error);
  return [{ what: "the check runs", found, bound: "it does", isKept: false }];
}

function sectionOf(name: string, found: readonly Finding[]): string {
  const lines = found.map(
    ({ what, found: value, bound, isKept }) => `| ${what} | ${value} | ${bound} | ${isKept ? "met" : "MISSED"} |`,
  );
  return [`## ${name}\n`, "| | found | bound | |", "| --- | ---: | ---: | ---: |", ...lines, ""].join("\n");
}

await main();
