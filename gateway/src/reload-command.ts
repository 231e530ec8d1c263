/**
 * `gsf reload`: has a running gateway read its configuration file again, from a shell, and says
 * what has changed. A file that the gateway refuses ends with its reason and an exit code of its
 * own.
 */
import type { Command } from "commander";
import { strange } from "./adapters/control/control-address.ts";
import { askControl, type ControlFlags, withControl } from "./adapters/control/control-request.ts";
import { visibleLines } from "./adapters/telemetry/visible.ts";

interface ReloadAnswer {
  readonly changes?: readonly string[];
  readonly lost: readonly string[];
  readonly warnings: readonly string[];
  readonly configuration: { readonly file: string; readonly digest: string };
}

export function registerReloadCommand(program: Command): void {
  withControl(program.command("reload"))
    .description("have the gateway read its configuration file again, and say what has changed")
    .addHelpText(
      "after",
      `
A file with a mistake is refused whole (exit code 3), and so is one that the gateway cannot follow now, for example
because an address is in use (exit code 1). The settings in force then stay.

Examples:
  $ gsf reload
  $ gsf reload --control http://10.0.0.7:7070 --token-file t --json`,
    )
    .action(reload);
}

async function reload(options: ControlFlags): Promise<void> {
  const answer = await askControl(options, "POST", "/v1/reload", {});
  const { changes, lost, warnings, configuration } = answer as ReloadAnswer;
  if (changes === undefined) throw strange(options.control);
  if (options.json) return print(JSON.stringify(answer));
  const { file, digest } = configuration;
  const count = changes.length === 1 ? "1 value has" : `${changes.length === 0 ? "no" : changes.length} values have`;
  print(`${file} (${digest}) is in force: ${count} changed`, ...changes.map((change) => `  ${change}`));
  if (lost.length > 0) print("not carried over:", ...lost.map((sentence) => `  ${sentence}`));
  for (const warning of warnings) process.stderr.write(`gsf: ${visibleLines([warning])}\n`);
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${visibleLines(lines)}\n`);
}
