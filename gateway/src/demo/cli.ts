/**
 * `gsf demo`: the incident, live, with real processes on this machine. Its result is the exit code:
 * 0 only if no error reached a caller, no command was lost or executed twice, and the backup took
 * over.
 */
import { type Command, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { ChildFailure } from "../adapters/process/children.ts";
import { EXIT } from "../adapters/process/exit-codes.ts";
import { machineNowMs } from "../adapters/process/machine-time.ts";
import { Interrupted, PhaseFailure, type Wait, waitingOn } from "../adapters/process/waiting.ts";
import { DEMO_FAULTS, type DemoFault } from "./faults.ts";
import { FleetProcesses } from "./fleet-processes.ts";
import { type Outcome, Play } from "./play.ts";
import { type DemoReport, isKept, reportOf, tellOutcome } from "./report.ts";
import { registerDemoRoles, wholeNumber } from "./roles.ts";
import { type Stage, setStage } from "./stage.ts";
import { Timeline } from "./timeline.ts";

interface DemoFlags {
  readonly fault: DemoFault;
  readonly thenHeal: boolean;
  readonly rate: number;
  readonly seconds: number;
  readonly json: boolean;
  readonly keep: boolean;
}

/** Registers `gsf demo` and the two subcommands that only it uses. */
export function registerDemoCommands(program: Command): void {
  program
    .command("demo")
    .description("the incident, live: a primary fails under load, and its backup takes over")
    .addOption(new Option("--fault <kind>", "what happens to the primary").choices(DEMO_FAULTS).default("kill"))
    .option("--then-heal", "repair the primary and switch back", false)
    .option("--rate <number>", "commands a second", wholeNumber(1, 2_000), 50)
    .option("--seconds <number>", "how long to run on after the take-over", wholeNumber(1, 3_600), 3)
    .option("--json", "print one JSON object on standard output, and the timeline on standard error", false)
    .option("--keep", "leave everything running afterwards, until Ctrl-C", false)
    .addHelpText("after", "\nExamples:\n  $ gsf demo\n  $ gsf demo --fault hang --then-heal")
    .action(runDemo);
  registerDemoRoles(program);
}

async function runDemo(flags: DemoFlags): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  const stream = flags.json ? process.stderr : process.stdout;
  const timeline = new Timeline(stream, machineNowMs, process.env);
  const wait: Wait = waitingOn(systemClock, () => fleet.children.refuseDeath(), stop.signal);
  const fleet: FleetProcesses = new FleetProcesses(wait);
  try {
    process.exitCode = await perform(flags, timeline, fleet, wait);
  } catch (error) {
    process.exitCode = explained(error, flags, timeline);
  } finally {
    await fleet.end();
  }
}

async function perform(flags: DemoFlags, timeline: Timeline, fleet: FleetProcesses, wait: Wait): Promise<number> {
  const { fault, thenHeal, rate, seconds } = flags;
  const stage = await setStage(fleet, wait, timeline, rate);
  try {
    const play = new Play({ fault, thenHeal, ratePerSecond: rate, seconds }, stage, fleet, timeline, wait);
    const outcome = await play.run((half) => tellOutcome(timeline, "So far", half));
    tellOutcome(timeline, thenHeal ? "In all" : "Summary", outcome);
    timeline.note(`\n${verdict(outcome)}`, isKept(outcome) ? "green" : "red");
    if (flags.json) print(reportOf(fault, outcome));
    if (flags.keep) await leaveRunning(stage, flags, timeline, fleet, wait);
    return isKept(outcome) ? EXIT.ok : EXIT.promiseBroken;
  } finally {
    await stage.view[Symbol.asyncDispose]();
  }
}

function verdict(outcome: Outcome): string {
  if (isKept(outcome)) return "No caller noticed: every command was answered, and ran exactly once.";
  return outcome.sums.takeoverMs === undefined ? "Nobody took over." : "The promise was broken; see above.";
}

/**
 * Starts a load for the remaining processes, says how to look at it, and waits for the signal to
 * stop, which is the regular end here.
 */
async function leaveRunning(
  { gateway, spacecraft }: Stage,
  { rate }: DemoFlags,
  timeline: Timeline,
  fleet: FleetProcesses,
  wait: Wait,
): Promise<void> {
  const { listener, control } = gateway.addresses;
  const load = await fleet.startLoad(listener, rate, "kept");
  timeline.title("Left running, with the load, until Ctrl-C. Look at it:");
  for (const path of ["v1/status", "v1/events", "metrics"]) timeline.verbatim(`  curl ${control}/${path}`);
  timeline.verbatim(`  curl ${spacecraft.url}/ledger`);
  timeline.verbatim(`  curl -d '{"command":"mine"}' -H 'idempotency-key: mine' ${listener}/command`);
  for (;;) {
    const stopped = await wait.pass(1_000).then(
      () => false,
      (error: unknown) => error instanceof Interrupted || Promise.reject(error),
    );
    if (stopped) return;
    // These records are not evaluated.
    load.records.length = 0;
  }
}

/** Reports why a demo did not reach its end, and returns the exit code. */
function explained(error: unknown, { fault, json }: DemoFlags, timeline: Timeline): number {
  if (error instanceof Interrupted) {
    timeline.note("\nStopped; every process of the demo is ended.");
    return EXIT.interrupted;
  }
  const problem = error instanceof Error ? error.message : String(error);
  timeline.note(`\nThe demo did not come to its end: ${problem}`, "red");
  if (json) print({ fault, ok: false, problem });
  return error instanceof PhaseFailure || error instanceof ChildFailure ? EXIT.promiseBroken : EXIT.internal;
}

function print(report: DemoReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
