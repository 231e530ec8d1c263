/**
 * The process of a watchdog. The runner starts it with a channel, and in a process group of its
 * own, so that a Ctrl-C at the terminal or the end of the session does not reach it. The end of the
 * channel is the end of the runner. SIGTERM: it lifts everything, says so and ends.
 */
import type { Command } from "commander";
import { systemClock } from "ground-station-failover";
import { EXIT, UserError } from "../../adapters/process/exit-codes.ts";
import { Watchdog } from "./watchdog.ts";
import { type FromWatchdog, type ToWatchdog, WATCHDOG_COMMAND } from "./watchdog-messages.ts";

/** Registers the hidden command of the watchdog. */
export function registerWatchdogCommand(program: Command): void {
  program
    .command(WATCHDOG_COMMAND, { hidden: true })
    .description("lifts the faults of a drill whose runner has died; started by the runner")
    .action(runWatchdog);
}

function runWatchdog(): void {
  if (process.send === undefined) throw new UserError("usage", `${WATCHDOG_COMMAND} is started by a runner only`);
  let watchdog: Watchdog | undefined;
  let isOver = false;
  const finish = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    // Never rejects for what a target does; a store that cannot be written is left to `recover`.
    const isClean = await (watchdog?.end() ?? Promise.resolve(true)).catch(() => false);
    process.exit(isClean ? EXIT.ok : EXIT.promiseBroken);
  };
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  process.once("SIGTERM", async () => {
    await watchdog?.stop("SIGTERM");
    process.exit(EXIT.terminated);
  });
  process.on("message", (message: ToWatchdog) => {
    if (message.type === "watch")
      watchdog ??= new Watchdog({
        order: message.order,
        clock: systemClock,
        wallMs: () => Date.now(),
        tell: tellRunner(),
      });
    else if (message.type === "arm") watchdog?.arm(message.step);
    else void finish();
  });
  process.once("disconnect", () => void finish());
}

/**
 * Sends to the runner. A runner that is stopped reads nothing: then signs of life are left out, so
 * that they do not pile up.
 */
function tellRunner(): (message: FromWatchdog) => void {
  let unsent = 0;
  return (message) => {
    if (!process.connected || (unsent > 0 && message.type === "alive")) return;
    unsent += 1;
    process.send?.(message, () => {
      unsent -= 1;
    });
  };
}
