/**
 * `gsf commands`: what waits, what is on its way and what has ended of a group's asynchronous
 * commands, and how one is cancelled, through the control listener.
 */
import { type Command, InvalidArgumentError } from "commander";
import { type ControlAddress, strange, withControlAddress } from "./adapters/control/control-address.ts";
import { askControl } from "./adapters/control/control-request.ts";
import { asyncLine } from "./adapters/telemetry/async-sentence.ts";
import { visibleLines } from "./adapters/telemetry/visible.ts";
import type { AsyncStatus } from "./fleet/async/command-queue.ts";

interface QueueOptions extends ControlAddress {
  readonly json: boolean;
  readonly state?: string;
  readonly limit: number;
  readonly cancel?: string;
}

interface Listed {
  readonly status?: AsyncStatus;
  readonly commands?: readonly ListedCommand[];
}

interface ListedCommand {
  readonly id: string;
  readonly state: string;
  readonly priority: string;
  readonly method: string;
  readonly target: string;
  readonly attempts: number;
  readonly acceptedAt: string;
  readonly expiresAt: string;
  readonly status?: number;
  readonly reason?: string;
}

export function registerQueueCommands(program: Command): void {
  withControlAddress(program.command("commands"))
    .description("list the asynchronous commands of a group, the newest first, or cancel one")
    .argument("<group>", "the group")
    .option("--state <state>", "only those that are queued, running, done, expired, cancelled or failed")
    .option("--limit <number>", "at most so many, up to 1000", wholeNumber, 20)
    .option("--cancel <id>", "cancel this one, if nothing of it was sent")
    .option("--json", "print the gateway's answer as it is", false)
    .addHelpText(
      "after",
      "\nExamples:\n  $ gsf commands atlantic --state queued\n  $ gsf commands atlantic --cancel 3kVb0Q2x",
    )
    .action(commands);
}

async function commands(group: string, options: QueueOptions): Promise<void> {
  const path = `/v1/groups/${encodeURIComponent(group)}/commands`;
  if (options.cancel !== undefined) {
    const answer = await askControl(options, "DELETE", `${path}/${encodeURIComponent(options.cancel)}`);
    return print(options.json ? JSON.stringify(answer) : `${options.cancel} is cancelled`);
  }
  const query = new URLSearchParams({ limit: String(options.limit) });
  if (options.state !== undefined) query.set("state", options.state);
  const answer = await askControl(options, "GET", `${path}?${query}`);
  if (options.json) return print(JSON.stringify(answer));
  const { status, commands: listed } = answer as Listed;
  if (status === undefined || listed === undefined) throw strange(options.control);
  print(`${group}: ${asyncLine(status)}`, ...listed.map(line));
}

function line(command: ListedCommand): string {
  const { id, state, priority, method, target, attempts, acceptedAt, status, reason } = command;
  const facts = [
    `${id}  ${state.padEnd(9)}  ${priority.padEnd(9)}  ${acceptedAt}  ${method} ${target}`,
    ...(attempts === 0 ? [] : [`${attempts} ${attempts === 1 ? "attempt" : "attempts"}`]),
    ...(status === undefined ? [] : [`answered ${status}`]),
    ...(reason === undefined ? [] : [reason]),
  ];
  return `  ${facts.join(", ")}`;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1_000)
    throw new InvalidArgumentError("allowed is a whole number from 1 to 1000");
  return number;
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${visibleLines(lines)}\n`);
}
