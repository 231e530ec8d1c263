/**
 * `gsf chaos`: the global lever, and what to undo. `halt` and `release` need the name of a person,
 * because an hour later somebody will ask who it was. All four print what they found, and their
 * exit code tells a script: 0 done, 1 something is left.
 */
import type { Command } from "commander";
import { EXIT, UserError } from "../../adapters/process/exit-codes.ts";
import { visibleLines } from "../../adapters/telemetry/visible.ts";
import { printLines, withJsonLines } from "../printed-lines.ts";
import { storeDirectory } from "../store.ts";
import { engageLever, leverState, leverTrail, releaseLever } from "./lever.ts";
import { isRunning } from "./process-identity.ts";
import { discardRun, recoverStore } from "./recover.ts";
import { journalsIn, readJournal } from "./undo-journal.ts";

/** Lines of the trail that `status` shows. */
const SHOWN_TRAIL = 10;

interface StoreOption {
  readonly store?: string;
}

/** Registers `gsf chaos`. */
export function registerChaosCommands(program: Command): void {
  const chaos = program.command("chaos").description("stop all drills, let them start again, lift what they left");
  withStore(chaos.command("halt"))
    .description("stop every drill that runs, lift their faults, and block new ones")
    .requiredOption("--by <name>", "who halts; it is shown when a person wants to start a drill")
    .option("--reason <text>", "why", "")
    .addHelpText("after", '\nExample:\n  $ gsf chaos halt --by "Ana Ruiz" --reason "real incident"')
    .action(saying(halt));
  withStore(chaos.command("release"))
    .description("let drills start again")
    .requiredOption("--by <name>", "who releases")
    .addHelpText("after", '\nExample:\n  $ gsf chaos release --by "Ana Ruiz"')
    .action(saying(release));
  withStore(chaos.command("status"))
    .description("say whether drills are halted, which ones run, and what earlier ones left")
    .addHelpText(
      "after",
      "\nExit code: 0 nothing is left and drills are not halted, 1 otherwise.\n\nExample:\n  $ gsf chaos status",
    )
    .action(saying(status));
  withStore(chaos.command("recover"))
    .description("lift what a run left whose process died, from its undo journal")
    .option("--running", "lift the faults of runs that are under way as well", false)
    .option("--discard <run>", "drop the undo journal of a run that cannot be recovered; needs --by")
    .option("--by <name>", "who discards")
    .addHelpText(
      "after",
      "\nExit code: 0 nothing is left, 1 something could not be lifted; it is tried again next time." +
        "\n\nExample:\n  $ gsf chaos recover",
    )
    .action(saying(recover));
}

/** What the system refuses (a full disk, a file in a directory's place) is no fault of ours. */
function saying<Flags>(command: (flags: Flags) => void | Promise<void>): (flags: Flags) => Promise<void> {
  return async (flags) => {
    try {
      await command(flags);
    } catch (error) {
      if (!(error instanceof Error && "syscall" in error)) throw error;
      throw new UserError("promiseBroken", `the store cannot be used: ${error.message}`);
    }
  };
}

function withStore(command: Command): Command {
  return withJsonLines(command).option(
    "--store <directory>",
    "where drills keep their state (default: GSF_STORE, or ~/.local/state/gsf)",
  );
}

function halt({ store, by, reason }: StoreOption & { readonly by: string; readonly reason: string }): void {
  const directory = storeOf(store);
  engageLever(directory, by, reason, now());
  const running = runsIn(directory).filter((run) => run.isAlive);
  print(`drills of ${directory} are halted; ${counted(running.length, "run")} under way will stop`);
}

function release({ store, by }: StoreOption & { readonly by: string }): void {
  const before = releaseLever(storeOf(store), by, now());
  if (!before.isEngaged) return print("drills were not halted");
  const who = before.by === undefined ? "" : `, halted by ${before.by} at ${before.at ?? "?"}`;
  print(`drills may start again${who}${before.reason === "" ? "" : `: ${before.reason}`}`);
}

function status({ store }: StoreOption): void {
  const directory = storeOf(store);
  const lever = leverState(directory);
  const who = lever.by === undefined ? "" : ` by ${lever.by} at ${lever.at ?? "?"}`;
  print(
    lever.isEngaged ? `halted${who}${lever.reason === "" ? "" : `: ${lever.reason}`}` : "not halted",
    ...runsIn(directory).map(({ text }) => text),
    ...leverTrail(directory)
      .slice(-SHOWN_TRAIL)
      .map(({ at, what, by, text }) => `${at} ${what} by ${by}: ${text}`),
  );
  if (lever.isEngaged || runsIn(directory).some(({ isAlive }) => !isAlive)) process.exitCode = EXIT.promiseBroken;
}

interface RecoverFlags extends StoreOption {
  readonly running: boolean;
  readonly discard?: string;
  readonly by?: string;
}

async function recover({ store, running, discard, by }: RecoverFlags): Promise<void> {
  const directory = storeOf(store);
  if (discard !== undefined) {
    if (by === undefined || by.trim() === "") throw new UserError("usage", "--discard needs --by NAME");
    if (!discardRun(directory, discard, by, now()))
      throw new UserError("usage", `there is no undo journal of run ${discard}`);
    return print(`the undo journal of run ${discard} is dropped`);
  }
  const left = await recoverStore({ store: directory, includeRunning: running, tell: print, now });
  if (left === 0) return;
  print(`${counted(left, "thing")} could not be lifted; run this again, or see gsf chaos recover --help`);
  process.exitCode = EXIT.promiseBroken;
}

interface ShownRun {
  readonly isAlive: boolean;
  readonly text: string;
}

function runsIn(store: string): ShownRun[] {
  return journalsIn(store).flatMap((path): ShownRun[] => {
    try {
      const record = readJournal(path);
      if (record === undefined) return [];
      const { runId, runner, open } = record;
      const isAlive = runner !== undefined && isRunning(runner);
      const faults = `${counted(open.length, "fault")} in the undo journal`;
      const hint = isAlive ? `runs as process ${runner.pid}` : "is dead; gsf chaos recover lifts what it left";
      return [{ isAlive, text: `run ${runId} ${hint}; ${faults}` }];
    } catch (error) {
      return [{ isAlive: false, text: (error as Error).message }];
    }
  });
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function storeOf(asked: string | undefined): string {
  return storeDirectory(asked, process.env);
}

function now(): string {
  return new Date().toISOString();
}

function print(...lines: string[]): void {
  printLines(lines.map((line) => visibleLines([line])));
}
