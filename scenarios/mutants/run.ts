/**
 * `npm run sim:mutants`: plants each bug of the catalogue in a copy of the source and lets the
 * simulator find it, prints bug, invariant, first seed, CPU seconds and the size of the shrunk
 * case, and runs the source as it is on the same seeds, where nothing may be found. `--write` keeps
 * what was found in `found.json`, which the tests hold on to (with `--only`, the rest of it stays
 * as it was).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Command } from "commander";
import { MUTANTS } from "./catalogue.ts";
import { SourceCopy } from "./copy.ts";
import type { Found, Missed } from "./hunt.ts";
import { hunt } from "./hunt.ts";

const program = new Command("npm run sim:mutants --")
  .option("--only <names...>", "only these planted bugs", [])
  .option("--seeds <n>", "seeds within which each must be found", Number, 1_000)
  .option("--first-seed <n>", "where they start", Number, 1)
  .option("--jobs <n>", "how many at once", Number, availableParallelism())
  .option("--shrink-runs <n>", "runs that shrinking a case may take", Number, 100)
  .option("--write", "keep what was found in scenarios/mutants/found.json", false)
  .parse();

interface Flags {
  readonly only: readonly string[];
  readonly seeds: number;
  readonly firstSeed: number;
  readonly jobs: number;
  readonly shrinkRuns: number;
  readonly write: boolean;
}

const flags = program.opts<Flags>();
const chosen = MUTANTS.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
const unknown = flags.only.filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
if (unknown.length > 0) {
  console.error(
    `there is no planted bug ${unknown.join(", ")}; there are ${MUTANTS.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const HEAD = ["planted bug", "found by", "seed", "CPU s", "faults", "events"];
const WIDTHS = [30, 32, 6, 7, 7, 8];
const line = (cells: readonly unknown[]): string =>
  cells
    .map((cell, place) => String(cell).padEnd(WIDTHS[place] as number))
    .join(" ")
    .trimEnd();

console.log(line(HEAD));
const found: Found[] = [];
const missed: Missed[] = [];
const queue = [...chosen];
await Promise.all(
  Array.from({ length: Math.max(1, flags.jobs) }, async () => {
    using copy = new SourceCopy();
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const result = await hunt(mutant, copy, flags);
      if ("seed" in result) {
        found.push(result);
        console.log(
          line([result.mutant, result.invariant, result.seed, result.cpuSeconds, result.faults, result.steps]),
        );
      } else {
        missed.push(result);
        console.log(
          line([result.mutant, `NOT FOUND in ${result.seeds} seeds`]),
          result.trouble,
          JSON.stringify(result.seen),
        );
      }
    }
  }),
);

let clean = true;
for (const scenario of new Set(found.map((one) => one.scenario))) {
  const seeds =
    Math.max(...found.filter((one) => one.scenario === scenario).map(({ seed }) => seed)) - flags.firstSeed + 1;
  using copy = new SourceCopy();
  const { code, stdout, stderr } = await copy.simulate(
    ...["--scenario", scenario, "--first-seed", String(flags.firstSeed), "--seeds", String(seeds)],
    ...["--no-shrink", "--may-be-dark"],
  );
  clean &&= code === 0;
  const said = code === 0 ? "nothing found" : `${stdout}${stderr}`;
  console.log(`\nthe source as it is, on the same ${seeds} seeds of ${scenario}: ${said}`);
}
console.log(`${found.length} of ${chosen.length} planted bugs found`);
if (flags.write) {
  const file = new URL("./found.json", import.meta.url);
  const before = JSON.parse(readFileSync(file, "utf8")) as Omit<Found, "cpuSeconds">[];
  const hunted = new Set(chosen.map(({ name }) => name));
  const rows = [
    ...found.map(({ cpuSeconds: _, ...row }) => row),
    ...before.filter(({ mutant }) => !hunted.has(mutant)),
  ];
  const inOrder = MUTANTS.flatMap(({ name }) => rows.filter(({ mutant }) => mutant === name));
  writeFileSync(file, `${JSON.stringify(inOrder, undefined, 2)}\n`);
}
process.exitCode = missed.length === 0 && clean ? 0 : 1;
