/** `gsf drill run`, `gsf drill validate` and `gsf drill list`. */
import type { Command } from "commander";
import { visible } from "../../adapters/telemetry/visible.ts";
import type { DrillParts } from "./drill-parts.ts";
import {
  experimentFilesIn,
  isMeantAsExperiment,
  problemLines,
  type ReadFile,
  readExperimentFile,
} from "./experiment-files.ts";
import { DRILLS_DIRECTORY, registerRunCommand } from "./run-command.ts";
import { shownMs } from "./verdict.ts";

/** Registers the commands that play experiments, under `gsf drill`. */
export function registerRunCommands(drill: Command): void {
  registerRunCommand(drill, ownParts);
  drill
    .command("validate")
    .description("say all that is wrong with experiments, and where")
    .argument("<files...>", "experiments of Chaos Toolkit's format, JSON or YAML")
    .option("--json", "answer in JSON", false)
    .addHelpText(
      "after",
      "\nExit codes: 0 all are valid, 2 one is not.\n\nExample:\n  $ gsf drill validate drills/*.yaml",
    )
    .action(async (files: readonly string[], options: { readonly json: boolean }) =>
      validate(files, options, await ownParts()),
    );
  drill
    .command("list")
    .description("list the experiments of a directory")
    .argument("[directory]", "where they are", DRILLS_DIRECTORY)
    .option("--json", "as JSON", false)
    .addHelpText("after", "\nExample:\n  $ gsf drill list drills")
    .action(async (directory: string, options: { readonly json: boolean }) =>
      list(directory, options, await ownParts()),
    );
}

/** The parts of this program. They are loaded only when a command needs them. */
async function ownParts(): Promise<DrillParts> {
  return (await import("./own-parts.ts")).ownParts();
}

function validate(files: readonly string[], { json }: { readonly json: boolean }, parts: DrillParts): void {
  for (const file of files) {
    const read = readExperimentFile(file, parts);
    if (json) {
      const found = { file, valid: !("problems" in read), problems: "problems" in read ? read.problems : [] };
      process.stdout.write(`${JSON.stringify(found)}\n`);
      if (!found.valid) process.exitCode = 2;
      continue;
    }
    const lines = "problems" in read ? problemLines(file, read.problems) : [`${file}: valid`];
    for (const line of lines) process.stdout.write(`${visible(line)}\n`);
    if ("problems" in read) process.exitCode = 2;
  }
}

function list(directory: string, { json }: { readonly json: boolean }, parts: DrillParts): void {
  const read = experimentFilesIn(directory).map((file) => readExperimentFile(file, parts));
  const rows = read.filter(isMeantAsExperiment).map(rowOf);
  if (json) {
    process.stdout.write(`${JSON.stringify({ experiments: rows }, undefined, 2)}\n`);
    return;
  }
  const cells = rows.map((row) => [
    row.id ?? row.file,
    row.category ?? (row.problems > 0 ? "invalid" : "no drill"),
    row.detectWithinMs === null ? "-" : row.detectWithinMs === "never" ? "none" : shownMs(row.detectWithinMs),
    row.recoverWithinMs === null ? "-" : shownMs(row.recoverWithinMs),
    row.requires.join(" ") || "-",
    row.title ?? `${row.problems} problems`,
  ]);
  const table = [["drill", "category", "detect in", "recover in", "requires", "title"], ...cells];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table)
    process.stdout.write(
      `${row
        .map((cell, column) => visible(cell).padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}\n`,
    );
}

interface ListRow {
  readonly file: string;
  readonly id: string | null;
  readonly title: string | null;
  readonly category: string | null;
  readonly weight: number | null;
  readonly requires: readonly string[];
  readonly detectWithinMs: number | "never" | null;
  readonly recoverWithinMs: number | null;
  readonly problems: number;
}

function rowOf(read: ReadFile): ListRow {
  const { file } = read;
  const empty = {
    id: null,
    title: null,
    category: null,
    weight: null,
    requires: [],
    detectWithinMs: null,
    recoverWithinMs: null,
  };
  if ("problems" in read) return { file, ...empty, problems: read.problems.length };
  const { drill, title } = read.experiment;
  if (drill === undefined) return { file, ...empty, title, problems: 0 };
  const { id, category, weight, requires, expect } = drill;
  return {
    ...{ file, id, title, category, weight, requires, problems: 0 },
    detectWithinMs: expect.detectWithinMs ?? null,
    recoverWithinMs: expect.recoverWithinMs ?? null,
  };
}
