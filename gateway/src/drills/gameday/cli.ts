/**
 * `gsf gameday`: plan, predict, brief, run, mark, halt, report, findings, verify. This file has the
 * options only; what a command does is loaded when it is called, because a mark that is made in the
 * heat must not wait for the code of a report.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { countOption, durationOption, repeated } from "../options.ts";
import { withJsonLines } from "../printed-lines.ts";
import { FORMATS, type Format } from "../report-output.ts";
import type { DayOptions } from "./day.ts";
import { FINDING_CLASSES, MARK_KEYS, ROLES } from "./events.ts";
import type { AddOptions, ChangeOptions, ListOptions } from "./findings.ts";
import type { MarkOptions, RunOptions } from "./hold.ts";
import type { BriefOptions, NewOptions, PredictOptions } from "./prepare.ts";

/** Registers `gsf gameday`. */
export function registerGameDayCommands(program: Command): void {
  const gameDay = program
    .command("gameday")
    .description("a day on which people are drilled together with the system")
    .addHelpText("after", HELP);
  registerPreparation(gameDay);
  registerHolding(gameDay);
  registerReport(gameDay);
  registerFindings(gameDay);
}

const HELP = `
Examples:
  $ gsf gameday new "Loss of the primary" drills/primary-killed.yaml --owner Ana --driver Ben --observer Chi --scribe Dan --halt Eva
  $ gsf gameday predict 1 "we fail over in two seconds" --expect held --confidence 80 --detect-within 1s
  $ gsf gameday brief --test-halt
  $ gsf gameday run 1
  $ gsf gameday mark d "saw it on the board"      ${Object.entries(MARK_KEYS)
    .map(([key, kind]) => `${key} ${kind}`)
    .join(", ")}
  $ gsf gameday report --out day.html`;

/** The options that all commands have, and `--json` for those that only print what they did. */
function withDay(command: Command): Command {
  return withJsonLines(withDayOnly(command));
}

function withDayOnly(command: Command): Command {
  return command
    .option("--day <id>", "the game day (default: the one that is held)")
    .option("--by <name>", "who you are (default: the user of this machine)")
    .option("--store <directory>", "where game days and journals are");
}

function withRoles(command: Command): Command {
  const words = {
    owner: "answers for the day",
    driver: "starts the drills",
    observer: "watches the system",
    scribe: "writes the marks",
    halt: "may stop everything; not the driver",
  };
  for (const role of ROLES) command.option(`--${role} <name>`, words[role]);
  return command;
}

function registerPreparation(gameDay: Command): void {
  withRoles(withDay(gameDay.command("new")))
    .description("plan a game day")
    .argument("<title>", "what it is about")
    .argument("<experiment...>", "the files of the drills, in the order in which they are to be run")
    .option("--id <id>", "lower-case letters, digits and hyphens (default: the date and the title)")
    .option("--objective <text>", "what is to be learned", "")
    .option("--system <name>", "a system that takes part; may be repeated", repeated, [])
    .option("--environment <name>", "where it is held", "local")
    .option("--from <time>", "begin of the window")
    .option("--until <time>", "end of the window")
    .addHelpText(
      "after",
      '\nExample:\n  $ gsf gameday new "Loss of the primary" drills/primary-killed.yaml --owner Ana --driver Ben',
    )
    .action(async (title: string, files: string[], options: NewOptions) =>
      (await import("./prepare.ts")).newDay(title, files, options),
    );
  withDay(gameDay.command("predict"))
    .description("say before the injection what will happen; the prediction is sealed")
    .argument("<experiment>", "its number or id")
    .argument("[text...]", "in words")
    .addOption(new Option("--expect <outcome>").choices(["held", "deviated"]).makeOptionMandatory())
    .addOption(
      new Option("--confidence <percent>", "how sure, 0 to 100").argParser(countOption(0, 100)).makeOptionMandatory(),
    )
    .addOption(new Option("--detect-within <duration>").argParser(durationOption))
    .addOption(new Option("--recover-within <duration>").argParser(durationOption))
    .option("--team <name>", "calibration is by team", "")
    .option("--late", "write it down although the injection has begun; it counts nowhere", false)
    .addHelpText(
      "after",
      '\nExample:\n  $ gsf gameday predict 1 "we fail over in two seconds" --expect held --confidence 80',
    )
    .action(async (experiment: string, words: string[], options: PredictOptions) =>
      (await import("./prepare.ts")).predict(experiment, words, options),
    );
  withRoles(withDay(gameDay.command("brief")))
    .description("check that the day can begin: roles, experiments, halt, rollback, predictions")
    .option("--test-halt", "pull the lever and release it, to see that it works", false)
    .option("--rehearsed <experiment:text>", "a rollback that was rehearsed by hand; may be repeated", repeated, [])
    .addHelpText("after", "\nExample:\n  $ gsf gameday brief --test-halt")
    .action(async (options: BriefOptions) => (await import("./prepare.ts")).brief(options));
}

function registerHolding(gameDay: Command): void {
  withDay(gameDay.command("run"))
    .description("run an experiment of the day, and take its result from its journal")
    .argument("<experiment>", "its number or id")
    .argument("[options...]", "after --: options for gsf drill run")
    .option("--unbriefed", "run although the day is not briefed", false)
    .option("--collect", "take the result of the run that has not ended from its journal", false)
    .option("--journal <run>", "take a run that was held without the game day, by the name of its journal")
    .addHelpText("after", "\nExample:\n  $ gsf gameday run 1")
    .action(async (experiment: string, more: string[], options: RunOptions) =>
      (await import("./hold.ts")).run(experiment, more, options),
    );
  withDay(gameDay.command("mark"))
    .description("write down what happens, with one key")
    .argument(
      "<key>",
      Object.entries(MARK_KEYS)
        .map(([key, kind]) => `${key} ${kind}`)
        .join(", "),
    )
    .argument("[text...]", "in words")
    .option("--at <time>", "when it happened (default: now)")
    .addOption(new Option("--ago <duration>", "how long ago it happened").argParser(durationOption))
    .option("--run <number>", "the run it belongs to, or none (default: the last one)")
    .addHelpText("after", '\nExample:\n  $ gsf gameday mark d "saw it on the board"')
    .action(async (key: string, words: string[], options: MarkOptions) =>
      (await import("./hold.ts")).mark(key, words, options),
    );
  withDay(gameDay.command("halt"))
    .description("stop every drill of the store, now")
    .argument("[reason...]", "why")
    .addHelpText("after", '\nExample:\n  $ gsf gameday halt "a real incident"')
    .action(async (words: string[], options: DayOptions) => (await import("./hold.ts")).halt(words, options));
  for (const [name, status, what] of [
    ["debrief", "debriefed", "the day was talked through"],
    ["close", "closed", "nothing more is run or predicted"],
  ] as const)
    withDay(gameDay.command(name))
      .description(`say that ${what}`)
      .argument("[text...]", "in words")
      .addHelpText("after", `\nExample:\n  $ gsf gameday ${name} "all were there"`)
      .action(async (words: string[], options: DayOptions) =>
        (await import("./hold.ts")).endDay(status, words, options),
      );
}

interface ReportOptions extends DayOptions {
  readonly format?: Format;
  readonly out?: string;
  readonly json: boolean;
}

function registerReport(gameDay: Command): void {
  withDayOnly(gameDay.command("report"))
    .description("one page: predictions, timeline, surprises, findings, numbers, what was not tested, how to repeat")
    .addOption(new Option("--format <format>", "default: by the ending of --out, else markdown").choices([...FORMATS]))
    .option("--out <file>", "write into this file (default: standard output)")
    .option("--json", "the same as --format json", false)
    .addHelpText("after", "\nExample:\n  $ gsf gameday report --out day.html")
    .action(async (options: ReportOptions) => (await import("./report-command.ts")).report(options));
  gameDay
    .command("list")
    .description("the game days of a store")
    .option("--store <directory>", "where game days are")
    .option("--json", "answer in JSON", false)
    .addHelpText("after", "\nExample:\n  $ gsf gameday list")
    .action(async (options: DayOptions & { readonly json: boolean }) =>
      (await import("./report-command.ts")).list(options),
    );
}

function severity(text: string): number {
  if (/^[1-4]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("allowed are 1 (the worst) to 4.");
}

function registerFindings(gameDay: Command): void {
  const findings = withDayOnly(gameDay.command("findings"))
    .description("findings that are open; with --overdue, exit code 1 if there are any")
    .option("--overdue", "only what is overdue", false)
    .option("--all", "closed ones too", false)
    .option("--json", "answer in JSON", false)
    .addHelpText("after", "\nExample:\n  $ gsf gameday findings --overdue")
    .action(async (options: ListOptions) => (await import("./findings.ts")).listFindings(options));
  withDay(findings.command("add"))
    .description("write down a finding")
    .argument("<title...>", "in a few words")
    .addOption(new Option("--severity <number>", "1 (the worst) to 4").argParser(severity).makeOptionMandatory())
    .addOption(new Option("--class <class>").choices(FINDING_CLASSES).makeOptionMandatory())
    .requiredOption("--owner <name>", "who sees to it")
    .requiredOption("--due <date>", "until when, such as 2026-12-31")
    .option("--expected <text>", "what should have happened", "")
    .option("--observed <text>", "what happened", "")
    .option("--evidence <text>", "a link, a file, a line of a log; may be repeated", repeated, [])
    .option("--ticket <text>", "where it is tracked", "")
    .option("--run <number>", "the run it belongs to, or none (default: the last one)")
    .addHelpText(
      "after",
      '\nExample:\n  $ gsf gameday findings add "no alert fired" --severity 2 --class observability --owner Ana --due 2026-12-31',
    )
    .action(async (words: string[], _: object, command: Command) =>
      (await import("./findings.ts")).addFinding(words, command.optsWithGlobals() as AddOptions),
    );
  withDay(findings.command("set"))
    .description("change a finding")
    .argument("<finding>", "F1, or DAY/F1")
    .argument("[text...]", "why; wontfix needs it")
    .addOption(new Option("--status <status>").choices(["open", "accepted", "fixed", "wontfix"]))
    .option("--owner <name>")
    .option("--due <date>")
    .option("--ticket <text>")
    .addHelpText("after", "\nExample:\n  $ gsf gameday findings set F1 --status accepted")
    .action(async (finding: string, words: string[], _: object, command: Command) =>
      (await import("./findings.ts")).changeFinding(finding, words, command.optsWithGlobals() as ChangeOptions),
    );
  withDay(findings.command("act"))
    .description("add a step towards the fix")
    .argument("<finding>", "F1, or DAY/F1")
    .argument("<text...>", "what is to be done")
    .requiredOption("--owner <name>", "who does it")
    .requiredOption("--due <date>", "until when")
    .addHelpText("after", '\nExample:\n  $ gsf gameday findings act F1 "add an alert" --owner Ana --due 2026-12-31')
    .action(async (finding: string, words: string[], _: object, command: Command) =>
      (await import("./findings.ts")).addAction(
        finding,
        words,
        command.optsWithGlobals() as DayOptions & { owner: string; due: string },
      ),
    );
  withDay(gameDay.command("verify"))
    .description("close a finding by a later run of the same experiment that held; exit code 1 if there is none")
    .argument("<finding>", "F1, or DAY/F1")
    .addHelpText("after", "\nExample:\n  $ gsf gameday verify F1")
    .action(async (finding: string, options: DayOptions) => (await import("./findings.ts")).verify(finding, options));
}
