/**
 * The command line: which subcommands there are, and how the program ends. A mistake of its user is
 * answered with a sentence and a documented exit code, never with a stack; a stack means that the
 * fault is ours.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ConfigurationError } from "ground-station-failover";
import { EXIT, UserError } from "./adapters/process/exit-codes.ts";
import { type Begun, obeyLater } from "./adapters/process/process-life.ts";
import { visible } from "./adapters/telemetry/visible.ts";

/**
 * Runs what `args` ask for; the process ends with the exit code set here, once nothing is left to
 * do. `begun`: what was found while the program was being loaded.
 */
export async function runCommandLine(args: readonly string[], begun?: Begun): Promise<void> {
  if (begun !== undefined) obeyLater(begun);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => outputFailed(error, args));
  // There is nobody left to tell.
  process.stderr.on("error", () => undefined);
  try {
    const program = await commandLine(args[0]);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = exitCodeFor(error);
  }
}

/** Those that serve until they are told to stop, whoever reads what they say. */
const SERVING = new Set(["run", "station"]);

/** Standard output takes no more. */
function outputFailed(error: NodeJS.ErrnoException, args: readonly string[]): void {
  if (SERVING.has(args[0] ?? "")) return;
  // A reader that has seen enough (`gsf status | head`) is no fault.
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  process.stderr.write(`gsf: standard output cannot be written: ${error.message}\n`);
  process.exit(EXIT.promiseBroken);
}

/** Registers commands, once their modules are loaded. */
type Register = (program: Command) => void;

/**
 * The commands of each module, and how it is loaded: a station needs no parser of configurations,
 * and `gsf status` hardly anything. In the order in which help lists them.
 */
const MODULES: ReadonlyArray<readonly [commands: readonly string[], load: () => Promise<Register>]> = [
  [["run", "check-config", "config-schema"], async () => (await import("./run-command.ts")).registerRunCommands],
  [["status", "switchover"], async () => (await import("./control-commands.ts")).registerControlCommands],
  [["station"], async () => (await import("./station/cli.ts")).registerStationCommand],
  [["calibrate"], async () => (await import("./calibrate/cli.ts")).registerCalibrateCommand],
  [["demo", "demo-spacecraft", "demo-load"], async () => (await import("./demo/cli.ts")).registerDemoCommands],
];

/**
 * With the commands that `first`, the first argument, asks for; with all, where it is none of them.
 */
async function commandLine(first = ""): Promise<Command> {
  const program = new Command("gsf")
    .description("A gateway that stands in front of a primary and a backup, and takes over when the primary dies.")
    .version(version(), "-V, --version", "print the version")
    .helpCommand("help [command]", "show what a command takes")
    .showHelpAfterError("(add --help to see what is allowed)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  $ gsf demo                              watch a primary being killed and the backup take over
  $ gsf run --config fleet.yaml           run a gateway
  $ gsf status                            ask a running one who serves
  $ gsf calibrate --help                  find the detector that a recorded trace of heartbeats asks for

Exit codes: 0 done, 1 what was asked for did not come true, 2 wrong usage, 3 wrong configuration,
4 cannot listen, 5 no gateway answers, 70 a fault of ours, 130 and 143 stopped at once by a second signal.`,
    );
  const asked = MODULES.filter(([commands]) => commands.includes(first));
  for (const [, load] of asked.length > 0 ? asked : MODULES) (await load())(program);
  return program;
}

/**
 * Says what went wrong, where nobody has said it yet, and how the program is to end because of it.
 */
function exitCodeFor(error: unknown): number {
  // Commander has printed its own sentence already; asked-for help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UserError) {
    process.stderr.write(`gsf: ${error.shown}\n`);
    return EXIT[error.ending];
  }
  if (error instanceof ConfigurationError) {
    process.stderr.write(`gsf: ${visible(error.message)}\n`);
    return EXIT.configuration;
  }
  process.stderr.write(`gsf: this is a fault of ours, please report it\n${(error as Error)?.stack ?? String(error)}\n`);
  return EXIT.internal;
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
