/**
 * The command line: the subcommands, and how the program ends. For a mistake of the user, the
 * program prints a sentence and ends with a documented exit code, never with a stack trace. A stack
 * trace means a bug in this program.
 */
import { Command, CommanderError, Help, type Option } from "commander";
import { ConfigurationError } from "ground-station-failover";
import { EXIT, EXIT_TABLE, UserError } from "./adapters/process/exit-codes.ts";
import { type Begun, obeyLater } from "./adapters/process/process-life.ts";
import { programVersion } from "./adapters/process/program-version.ts";
import { visible } from "./adapters/telemetry/visible.ts";

/**
 * Runs the subcommand in `args`. It sets the exit code; the process ends when no work is left.
 * `begun`: what happened while the program was loading, such as signals.
 */
export async function runCommandLine(args: readonly string[], begun?: Begun): Promise<void> {
  if (begun !== undefined) obeyLater(begun);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => outputFailed(error, args));
  // Standard error itself has failed, so the failure cannot be reported.
  process.stderr.on("error", () => undefined);
  try {
    const program = await commandLine(args[0]);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = exitCodeFor(error);
  }
}

/**
 * Commands that go on even if standard output fails: they serve until they are stopped, or have a
 * fault to lift.
 */
const SERVING = new Set(["run", "station", "proxy", "drill", "gameday"]);

/** Called when standard output cannot be written. */
function outputFailed(error: NodeJS.ErrnoException, args: readonly string[]): void {
  if (SERVING.has(args[0] ?? "")) return;
  // The reader closed the pipe (`gsf status | head`), which is not an error.
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  process.stderr.write(`gsf: standard output cannot be written: ${error.message}\n`);
  process.exit(EXIT.promiseBroken);
}

/** Registers the commands of a loaded module. */
type Register = (program: Command) => void;

/**
 * The commands of each module, and how to load it, in the order in which help lists them. Only the
 * needed module is loaded: a station needs no configuration parser, and `gsf status` needs hardly
 * any code.
 */
const MODULES: ReadonlyArray<readonly [commands: readonly string[], load: () => Promise<Register>]> = [
  [
    ["run", "check-config", "config", "config-schema"],
    async () => (await import("./run-command.ts")).registerRunCommands,
  ],
  [
    ["completion", "man"],
    async () => {
      const { registerReferenceCommands } = await import("./reference-commands.ts");
      return (program) => registerReferenceCommands(program, commandLine);
    },
  ],
  [["status"], async () => (await import("./control-commands.ts")).registerControlCommands],
  [
    ["switchover", "failback", "maintenance", "drain", "orders"],
    async () => (await import("./order-commands.ts")).registerOrderCommands,
  ],
  [["is-active"], async () => (await import("./is-active-command.ts")).registerIsActiveCommand],
  [["endpoints"], async () => (await import("./endpoints-command.ts")).registerEndpointsCommand],
  [["check"], async () => (await import("./check-command.ts")).registerCheckCommand],
  [["reload"], async () => (await import("./reload-command.ts")).registerReloadCommand],
  [["commands"], async () => (await import("./queue-commands.ts")).registerQueueCommands],
  [["explain", "events"], async () => (await import("./history-commands.ts")).registerHistoryCommands],
  [["station"], async () => (await import("./station/cli.ts")).registerStationCommand],
  [["calibrate"], async () => (await import("./calibrate/cli.ts")).registerCalibrateCommand],
  [["proxy"], async () => (await import("./proxy/cli.ts")).registerProxyCommand],
  [["drill", "chaos", "gameday"], async () => (await import("./drills/cli.ts")).registerDrillCommands],
  [["chaos-watchdog"], async () => (await import("./drills/guardrails/watchdog-command.ts")).registerWatchdogCommand],
  [
    ["drill-stage", "drill-service", "drill-load"],
    async () => (await import("./drills/stage/roles.ts")).registerStageRoles,
  ],
  [["demo", "demo-spacecraft", "demo-load"], async () => (await import("./demo/cli.ts")).registerDemoCommands],
];

/**
 * The program with the module that has the command `first`, the first argument; with all modules if
 * no module has it.
 */
export async function commandLine(first = ""): Promise<Command> {
  const program = new Command("gsf")
    .description("A gateway that stands in front of a primary and a backup, and takes over when the primary dies.")
    .version(programVersion(), "-V, --version", "print the version")
    .helpCommand("help [command]", "show what a command takes")
    .showHelpAfterError("(add --help to see what is allowed)")
    .exitOverride()
    .configureHelp({ optionDescription: describedOption })
    .addHelpText(
      "after",
      `
Examples:
  $ gsf demo                              watch a primary being killed and the backup take over
  $ gsf run --config fleet.yaml           run a gateway
  $ gsf status                            ask a running one who serves
  $ gsf explain                           and why: its last switch, what was refused
  $ gsf calibrate --help                  find the detector that a recorded trace of heartbeats asks for
  $ gsf drill run --all                   play the experiments of ./drills, and say how long detection and recovery took
  $ gsf proxy                             a fault proxy, for tests and drills

Exit codes:
${EXIT_TABLE.map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`).join("\n")}
gsf drill run has its own: 0 held, 1 deviated or dirty, 2 invalid, 3 aborted by a guardrail, 4 interrupted.`,
    );
  const asked = MODULES.filter(([commands]) => commands.includes(first));
  for (const [, load] of asked.length > 0 ? asked : MODULES) (await load())(program);
  return program;
}

/** As commander describes it, and whether it must be given. */
function describedOption(option: Option): string {
  return `${new Help().optionDescription(option)}${option.mandatory ? " (required)" : ""}`;
}

/** Prints the error, if it has not been printed yet, and returns the exit code for it. */
function exitCodeFor(error: unknown): number {
  // Commander has already printed its message. It also throws after printing help or the version,
  // which are not errors.
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
