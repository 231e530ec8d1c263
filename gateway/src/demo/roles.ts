/**
 * The two processes that only the demo has, the spacecraft and the source of commands, as hidden
 * subcommands. Both end with the demo that started them.
 */
import type { AddressInfo } from "node:net";
import { type Command, InvalidArgumentError } from "commander";
import { systemClock } from "ground-station-failover";
import { endWithParent } from "../adapters/process/children.ts";
import { machineNowMs } from "../adapters/process/machine-time.ts";
import { CommandLoad } from "./load.ts";
import { Spacecraft } from "./spacecraft.ts";
import { spacecraftServer } from "./spacecraft-server.ts";
import type { CommandRecord } from "./sums.ts";

/** Records are sent to the demo in batches at this interval, in ms. */
const REPORT_EVERY_MS = 10;

/** Messages from the source of commands to the demo. */
export type LoadMessage =
  | { readonly type: "records"; readonly records: readonly CommandRecord[] }
  | { readonly type: "finished"; readonly sent: number };

export function registerDemoRoles(program: Command): void {
  program
    .command("demo-spacecraft", { hidden: true })
    .description("the demo's spacecraft: executes commands once and keeps a ledger")
    .option("--port <port>", "where to listen on loopback; 0 takes any free port", wholeNumber(0, 65_535), 0)
    .action(runSpacecraft);
  program
    .command("demo-load", { hidden: true })
    .description("the demo's source of commands")
    .requiredOption("--to <url>", "the gateway's listener")
    .option("--rate <number>", "commands a second", wholeNumber(1, 5_000), 50)
    .option("--deadline-ms <number>", "how long a command's source waits", wholeNumber(1, 3_600_000), 5_000)
    .option("--prefix <text>", "begins the names of the commands", "c")
    .action(runLoad);
}

/** Reads an option that is a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`allowed is a whole number from ${min} to ${max}.`);
  };
}

async function runSpacecraft({ port }: { readonly port: number }): Promise<void> {
  const server = spacecraftServer(new Spacecraft({ clock: systemClock }));
  endWithParent();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  process.stdout.write(`spacecraft listening on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
}

interface LoadFlags {
  readonly to: string;
  readonly rate: number;
  readonly deadlineMs: number;
  readonly prefix: string;
}

function runLoad({ to, rate, deadlineMs, prefix }: LoadFlags): void {
  let batch: CommandRecord[] = [];
  const tell = (message: LoadMessage): void => {
    // If the demo is gone, the end of the channel reports it.
    if (process.connected) process.send?.(message, () => undefined);
  };
  const flush = (): void => {
    if (batch.length > 0) tell({ type: "records", records: batch });
    batch = [];
  };
  const load = new CommandLoad({
    to: new URL(to),
    ratePerSecond: rate,
    deadlineMs,
    prefix,
    clock: systemClock,
    machineNowMs,
    onRecord(record) {
      if (batch.length === 0) systemClock.at(systemClock.nowMs() + REPORT_EVERY_MS, flush);
      batch.push(record);
    },
  });
  endWithParent();
  process.on("message", async (message: unknown) => {
    if (typeof message !== "object" || message === null || !("stop" in message)) return;
    const sent = await load.stop();
    flush();
    tell({ type: "finished", sent });
  });
  process.stdout.write(`sending ${rate} commands a second to ${to}\n`);
}
