/**
 * What commands of drills and game days say on standard output: lines for people, or with `--json`
 * one JSON object for each line, with the line as `text`. How to say it is set once, before the
 * command begins, because a process runs one command.
 */
import type { Command } from "commander";

let isJson = false;

/** Adds `--json` to `command`; whatever it prints then is JSON. */
export function withJsonLines(command: Command): Command {
  return command
    .option("--json", "print each line as a JSON object, as its text", false)
    .hook("preAction", (_, action) => {
      isJson = action.opts()["json"] === true;
    });
}

/** Prints `lines`, which hold no control characters. */
export function printLines(lines: readonly string[]): void {
  const shown = isJson ? lines.map((text) => JSON.stringify({ text })) : lines;
  process.stdout.write(`${shown.join("\n")}\n`);
}
