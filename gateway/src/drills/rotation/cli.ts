/**
 * `gsf drill next` and `gsf drill report`: the options. What they do is loaded when one is called,
 * because this file is loaded with every command of the drills.
 */
import { type Command, Option } from "commander";
import { countOption, sinceOption } from "../options.ts";
import { FORMATS } from "../report-output.ts";
import type { NextOptions, ReportOptions } from "./commands.ts";

/** Where the drills of a repository are, if no directory is given. */
const USUAL_DIRECTORY = "drills";

/** Registers the commands of the rotation, under `gsf drill`. */
export function registerRotationCommands(drill: Command): void {
  drill
    .command("next")
    .description("say which drills are due, and why")
    .argument("[directory]", `the drills (default: ${USUAL_DIRECTORY}, if there is one; else those with a journal)`)
    .option("--store <directory>", "where the journals are")
    .option("--environment <name>", "count only runs in this environment")
    .addOption(new Option("--count <n>", "how many are listed").argParser(countOption(1, 10_000)).default(7))
    .option("--json", "answer in JSON", false)
    .addHelpText(
      "after",
      "\nOrder: what deviated, what was never run, what was held longest ago; categories take turns." +
        "\n\nExample:\n  $ gsf drill next --count 3",
    )
    .action(async (directory: string | undefined, options: NextOptions) =>
      (await import("./commands.ts")).next(directory, options),
    );
  drill
    .command("report")
    .description("the scorecard: coverage beside score, time to detect and to recover with every point")
    .argument("[directory]", `the drills (default: ${USUAL_DIRECTORY}, if there is one; else those with a journal)`)
    .option("--store <directory>", "where the journals are")
    .option("--environment <name>", "count only runs in this environment")
    .addOption(new Option("--format <format>", "default: by the ending of --out, else markdown").choices([...FORMATS]))
    .option("--out <file>", "write into this file (default: standard output)")
    .addOption(
      new Option("--since <time>", "list durations since then: 90d, or a date (default: 90d)").argParser(
        sinceOption(Date.now()),
      ),
    )
    .option("--json", "the same as --format json", false)
    .option("--incidents <file>", "incidents in production, CSV or JSON: date, category, minutes")
    .addHelpText("after", "\nExample:\n  $ gsf drill report --out scorecard.html")
    .action(async (directory: string | undefined, options: ReportOptions) =>
      (await import("./commands.ts")).report(directory, options),
    );
}
