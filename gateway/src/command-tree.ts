/**
 * The commands as data, read off commander: the source of completions, manual page and command
 * reference, so that these cannot differ from what the program takes. Hidden commands, which only
 * other commands start, are left out.
 */
import type { Command, Option } from "commander";

export interface CommandEntry {
  /** Words after `gsf`, such as `gameday findings add`; empty for `gsf` itself. */
  readonly words: readonly string[];
  readonly description: string;
  readonly usage: string;
  readonly arguments: ReadonlyArray<{ readonly name: string; readonly description: string }>;
  readonly options: readonly OptionEntry[];
  readonly commands: readonly CommandEntry[];
  /** Text after the options: explanations and examples. */
  readonly more: string;
}

export interface OptionEntry {
  readonly flags: string;
  /** `--json`; the short one if there is no long one. */
  readonly name: string;
  readonly short: string | undefined;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly isRequired: boolean;
}

export function commandTree(command: Command, words: readonly string[] = []): CommandEntry {
  const help = command.createHelp();
  const shown = help.visibleCommands(command).filter((one) => one.name() !== "help");
  const takes = help.visibleArguments(command);
  return {
    words,
    description: command.description(),
    usage: `gsf ${[...words, command.usage()].join(" ")}`,
    arguments: takes.map((argument) => ({ name: argument.name(), description: help.argumentDescription(argument) })),
    options: help
      .visibleOptions(command)
      .filter(({ long }) => long !== "--help")
      .map((option) => optionEntry(option, help.optionDescription(option))),
    commands: shown.map((one) => commandTree(one, [...words, one.name()])),
    more: moreHelp(command),
  };
}

/** All commands that do something: those without subcommands, and those that have options, too. */
export function leaves(entry: CommandEntry): CommandEntry[] {
  const isOwn = entry.commands.length === 0 || (entry.words.length > 0 && entry.options.length > 0);
  return [...(isOwn ? [entry] : []), ...entry.commands.flatMap(leaves)];
}

function optionEntry(option: Option, description: string): OptionEntry {
  const { flags, long, short, argChoices: choices = [], mandatory } = option;
  const takesValue = option.required || option.optional;
  return { flags, name: long ?? short ?? flags, short, description, takesValue, choices, isRequired: mandatory };
}

/**
 * What `addHelpText("after")` adds, which commander does not tell: the help behind the last option.
 */
function moreHelp(command: Command): string {
  let text = "";
  const before = command.configureOutput();
  command.configureOutput({
    ...before,
    writeOut: (piece) => {
      text += piece;
    },
  });
  command.outputHelp();
  command.configureOutput(before);
  return text.slice(command.helpInformation().length).trim();
}
