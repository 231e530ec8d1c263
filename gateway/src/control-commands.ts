/**
 * `gsf status`: what a running gateway says of its groups, from a shell. The output is meant to be
 * read during an incident: which station serves, which ones are eligible, and why the others are
 * not. With `--watch` it is asked for again and again, and drawn in place on a terminal. For
 * programs there is `--json`, which prints the gateway's own answer.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { strange } from "./adapters/control/control-address.ts";
import { askControl, type ControlFlags, withControl } from "./adapters/control/control-request.ts";
import { EXIT, UserError } from "./adapters/process/exit-codes.ts";
import { visibleLines } from "./adapters/telemetry/visible.ts";
import { type StatusView, statusLines } from "./status-lines.ts";

interface StatusFlags extends ControlFlags {
  readonly watch?: number | true;
}

const WATCH_EVERY_S = 1;

export function registerControlCommands(program: Command): void {
  withControl(program.command("status"))
    .description("say who serves, who is eligible, and why")
    .addOption(
      new Option(
        "-w, --watch [seconds]",
        `ask again every so many seconds (default: ${WATCH_EVERY_S}), until Ctrl-C`,
      ).argParser(secondsIn),
    )
    .addHelpText(
      "after",
      `
With --watch, a terminal shows the newest answer in place; elsewhere each answer is printed behind the one before, with
--json as one line each. It goes on while no gateway answers. Ctrl-C ends it with exit code 0.

Examples:
  $ gsf status
  $ gsf status --watch
  $ gsf status --control http://10.0.0.7:7070 --token-file t --json`,
    )
    .action(status);
}

async function status(options: StatusFlags): Promise<void> {
  if (options.watch === undefined) return print(...(await shownStatus(options)));
  const everyMs = 1_000 * (options.watch === true ? WATCH_EVERY_S : options.watch);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      // A second one does not wait for a gateway that does not answer.
      if (stop.signal.aborted) process.exit(EXIT[signal === "SIGINT" ? "interrupted" : "terminated"]);
      stop.abort();
    });
  const isTerminal = process.stdout.isTTY && !options.json;
  while (!stop.signal.aborted) {
    const lines = await shownStatus(options).catch((error: unknown) => {
      if (error instanceof UserError && error.ending === "unreachable") return [error.shown];
      throw error;
    });
    if (stop.signal.aborted) break;
    if (isTerminal)
      process.stdout.write(`${HOME}${lines.map((line) => `${visibleLines([line])}${REST}\n`).join("")}${BELOW}`);
    else print(...lines);
    await systemClock.sleepUntil(systemClock.nowMs() + everyMs, stop.signal).catch(() => undefined);
  }
}

/** To the first place of the screen; clear the rest of the line; clear what is below. */
const [HOME, REST, BELOW] = ["\u001b[H", "\u001b[K", "\u001b[J"];

async function shownStatus(options: ControlFlags): Promise<string[]> {
  const answer = await askControl(options, "GET", "/v1/status");
  if (options.json) return [JSON.stringify(answer)];
  const view = answer as Partial<StatusView>;
  if (view.groups === undefined) throw strange(options.control);
  return statusLines({ ...view, groups: view.groups });
}

function secondsIn(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,4}(\.\d{1,3})?$/.test(text) && seconds >= 0.1 && seconds <= 3_600) return seconds;
  throw new InvalidArgumentError("allowed are 0.1 to 3600 seconds.");
}

/**
 * Prints each of `lines` on one line, even if a reason or a station's answer contains line breaks.
 */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${visibleLines(lines)}\n`);
}
