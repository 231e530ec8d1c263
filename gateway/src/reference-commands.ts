/**
 * `gsf completion` and `gsf man`: what shells and people need to find the commands, printed from
 * the program's own command tree.
 */
import { Argument, type Command } from "commander";
import { programVersion } from "./adapters/process/program-version.ts";
import { commandTree } from "./command-tree.ts";
import { completionScript, SHELLS, type Shell } from "./completion.ts";
import { manPage } from "./man-page.ts";

interface Flags {
  readonly json: boolean;
}

/** `wholeProgram` loads all modules: only then are all commands known. */
export function registerReferenceCommands(program: Command, wholeProgram: () => Promise<Command>): void {
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .option("--json", "print the script as a JSON object", false)
    .addHelpText(
      "after",
      `
Examples:
  $ source <(gsf completion bash)
  $ gsf completion zsh > "\${fpath[1]}/_gsf"
  $ gsf completion fish > ~/.config/fish/completions/gsf.fish`,
    )
    .action(async (shell: Shell, { json }: Flags) => {
      const script = completionScript(shell, commandTree(await wholeProgram()));
      process.stdout.write(json ? `${JSON.stringify({ shell, script })}\n` : script);
    });
  program
    .command("man")
    .description("print the manual page")
    .option("--json", "print the commands with their options as JSON", false)
    .addHelpText("after", "\nExample:\n  $ gsf man | man -l -")
    .action(async ({ json }: Flags) => {
      const tree = commandTree(await wholeProgram());
      process.stdout.write(json ? `${JSON.stringify(tree)}\n` : manPage(tree, programVersion()));
    });
}
