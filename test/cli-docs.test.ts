/**
 * The manners of the command line, read off the commands themselves: every command explains itself
 * with an example and answers in JSON, and what is generated from the commands is current.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EXIT, EXIT_TABLE } from "../gateway/src/adapters/process/exit-codes.ts";
import { commandLine } from "../gateway/src/cli.ts";
import { type CommandEntry, commandTree, leaves } from "../gateway/src/command-tree.ts";
import { completionScript, SHELLS } from "../gateway/src/completion.ts";
import { generatedCliDocs } from "./cli-docs.ts";
import { root } from "./tracked.ts";

const tree = commandTree(await commandLine());
const commands = leaves(tree);

function lacking(isThere: (command: CommandEntry) => boolean): string[] {
  return commands.filter((command) => !isThere(command)).map(({ words }) => words.join(" "));
}

test("[G8] every command answers in JSON, says what it does, and shows an example", () => {
  assert.ok(commands.length > 30, `${commands.length} commands`);
  assert.deepEqual(
    lacking(({ options }) => options.some(({ name }) => name === "--json")),
    [],
  );
  assert.deepEqual(
    lacking(({ description, more }) => description !== "" && /^Examples?:\n {2}\$ .*\bgsf /m.test(more)),
    [],
  );
});

test("[G8] an option that must be given is marked as required in the help", async () => {
  const program = await commandLine();
  const marked: boolean[] = [];
  for (const { options } of commands)
    for (const option of options.filter(({ isRequired }) => isRequired))
      marked.push(/\(required\)$/.test(option.description));
  assert.ok(marked.length > 10 && marked.every(Boolean), `${marked}`);
  const run = program.commands.find((command) => command.name() === "run");
  assert.match(run?.helpInformation().replaceAll(/\s+/g, " ") ?? "", /--config <file> .*\(required\)/);
});

test("[G8] manual page and command reference are those of the program (npm run cli:docs writes them)", async () => {
  for (const [path, text] of await generatedCliDocs()) assert.equal(readFileSync(join(root, path), "utf8"), text, path);
});

test("[G8] the exit codes stand in one table: in the program, its help and the guide", async () => {
  assert.deepEqual(
    EXIT_TABLE.map(({ code }) => code),
    Object.values(EXIT),
  );
  let help = "";
  const program = await commandLine();
  program.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  const page = readFileSync(join(root, "docs/guide/commands.md"), "utf8");
  for (const { code, meaning } of EXIT_TABLE) {
    assert.ok(help.includes(`${String(code).padStart(3)}  ${meaning}`), `${code} in the help`);
    assert.ok(page.includes(`| ${code} | ${meaning} |`), `${code} in the guide`);
  }
});

test("[G8] completion of bash → the commands, the subcommands, the options and their values", () => {
  const asked = (line: string): string[] => {
    const words = line.split(" ");
    const script = `${completionScript("bash", tree)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _gsf; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", script], { encoding: "utf8" })
      .split("\n")
      .filter((word) => word !== "");
  };
  assert.deepEqual(asked("gsf sw"), ["switchover"]);
  assert.deepEqual(asked("gsf gameday findings a"), ["add", "act"]);
  assert.deepEqual(asked("gsf run --log-level d"), ["debug"]);
  assert.deepEqual(asked("gsf drain atlantic --kee"), ["--keep-streams"]);
  assert.deepEqual(asked("gsf switchover atlantic --to backup --rea"), ["--reason"]);
  assert.ok(!asked("gsf ").includes("chaos-watchdog"), "hidden commands are not offered");
});

test("[G8] completion of every shell → each command is in it", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, tree);
    for (const { words } of commands)
      assert.ok(script.includes(words.at(-1) as string), `${shell}: ${words.join(" ")}`);
  }
});
