/**
 * `gsf switchover`, `failback`, `maintenance`, `drain` and `orders`: the orders that an operator
 * gives to a running gateway. Each carries a reason and the name of who gives it, and is kept in
 * the gateway's trail. `drain` waits until nothing is running at what is drained, and says what is
 * left meanwhile. An order that the gateway refuses ends with exit code 1 and the gateway's reason.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "ground-station-failover";
import { strange } from "./adapters/control/control-address.ts";
import { askControl, type ControlFlags, ownName, withControl } from "./adapters/control/control-request.ts";
import { UserError } from "./adapters/process/exit-codes.ts";
import { visibleLines } from "./adapters/telemetry/visible.ts";
import { inWords } from "./status-lines.ts";

interface OrderFlags extends ControlFlags {
  readonly reason: string;
  readonly by?: string;
  readonly keepStreams: boolean;
}
interface StandingFlags extends Omit<OrderFlags, "reason"> {
  readonly reason?: string;
  readonly for?: number;
  readonly end: boolean;
}

const WHY = "why; for the log, the events and the trail";
/** How often a drain looks whether it is done, in ms. */
const LOOK_EVERY_MS = 250;
/** Above this, a drain is not waited for: its end is known to nobody. */
const MAX_WAIT_S = 86_400;

export function registerOrderCommands(program: Command): void {
  registerChanges(program);
  registerStanding(program);
  withControl(program.command("orders"))
    .description("list the orders in force, and the trail of those that were given")
    .addHelpText("after", "\nExamples:\n  $ gsf orders\n  $ gsf orders --json | jq .trail")
    .action(listOrders);
}

function registerChanges(program: Command): void {
  withOrder(program.command("switchover"))
    .description("make another station active at once; commands that are out finish at the old one")
    .argument("<group>", "the group")
    .requiredOption("--to <station>", "the station to make active")
    .requiredOption("--reason <text>", WHY)
    .addHelpText("after", '\nExample:\n  $ gsf switchover atlantic --to backup --reason "antenna maintenance"')
    .action(switchover);
  withOrder(program.command("failback"))
    .description("return to the primary, in steps: one command, then a growing share, then all")
    .argument("<group>", "the group")
    .requiredOption("--reason <text>", WHY)
    .addHelpText(
      "after",
      `
It takes about a second, and up to two more without traffic. If the primary is not fit, or fails a command on the way,
the order is refused with the reason, and the other station goes on serving.

Example:
  $ gsf failback atlantic --reason "antenna is repaired"`,
    )
    .action(failback);
}

function registerStanding(program: Command): void {
  withEnd(withOrder(program.command("maintenance")))
    .description("take a station out of service for a time, or put it back")
    .argument("<group>", "the group")
    .argument("<station>", "the station")
    .addHelpText(
      "after",
      `
An active station is replaced at once if another one is eligible; else it goes on serving until one is. The order ends by
itself after --for, so that no forgotten station is missing when it is needed.

Examples:
  $ gsf maintenance atlantic primary --for 2h --reason "new disk"
  $ gsf maintenance atlantic primary --end`,
    )
    .action(maintenance);
  withEnd(withOrder(program.command("drain")))
    .description("let a station, or a whole group, run empty: what is running may end, nothing new begins")
    .argument("<group>", "the group")
    .argument("[station]", "the station; without it, the group takes no new commands at all")
    .addOption(
      new Option("--wait <duration>", "how long to wait until nothing is running; 0s: not at all")
        .argParser(durationIn(0, MAX_WAIT_S))
        .default(60_000, "60s"),
    )
    .addHelpText(
      "after",
      `
A station is drained if another one can take over; otherwise the order is refused. A group that is drained says so to load
balancers for \`drainDelay\` (/readyz answers 503 once all groups are drained), then refuses commands with 503 and
Retry-After. Exit code 1 if something is still running after --wait; the drain stays in force.

Examples:
  $ gsf drain atlantic primary --for 1h --reason "kernel update" && ssh primary reboot
  $ gsf drain atlantic --for 30m --reason "move to the other site"
  $ gsf drain atlantic primary --end`,
    )
    .action(drain);
}

function withOrder(command: Command): Command {
  return withControl(command)
    .option("--by <name>", "who gives the order (default: the user of this machine)")
    .option("--keep-streams", "let the station that is left stream its replies to their end", false);
}

function withEnd(command: Command): Command {
  return command
    .addOption(
      new Option("--for <duration>", "when it ends by itself, at most 30d; required without --end").argParser(
        durationIn(1, 30 * 86_400),
      ),
    )
    .option("--reason <text>", `${WHY}; required without --end`)
    .option("--end", "end it now", false);
}

async function switchover(group: string, options: OrderFlags & { readonly to: string }): Promise<void> {
  const { to } = options;
  const answer = await order(options, group, "switchover", { to, ...termsOf(options) });
  if (options.json) return print(JSON.stringify(answer));
  print(`${to} is active in ${group}, epoch ${epochIn(options, answer)}`);
}

async function failback(group: string, options: OrderFlags): Promise<void> {
  const answer = await order(options, group, "failback", termsOf(options));
  if (options.json) return print(JSON.stringify(answer));
  const epoch = epochIn(options, answer);
  print(`${(answer as { active?: string }).active} is active in ${group}, epoch ${epoch}`);
}

async function maintenance(group: string, station: string, options: StandingFlags): Promise<void> {
  const answer = await order(options, group, "maintenance", { station, ...standingOf(options) });
  if (options.json) return print(JSON.stringify(answer));
  const { active, durable } = answer as StandingAnswer;
  if (options.end) return print(`${station} is back in ${group}`);
  const kept = active === station ? "; no other station is eligible, so it goes on serving until one is" : "";
  print(`${station} of ${group} is in maintenance for ${inWords(options.for ?? 0)}${kept}`);
  tellIfForgotten(durable);
}

async function drain(
  group: string,
  station: string | undefined,
  options: StandingFlags & { readonly wait: number },
): Promise<void> {
  const terms = standingOf(options);
  const answer = await order(options, group, "drain", { ...(station === undefined ? {} : { station }), ...terms });
  const what = station === undefined ? group : `${station} of ${group}`;
  if (options.end) return print(options.json ? JSON.stringify(answer) : `${what} takes commands again`);
  const left = options.wait === 0 ? undefined : await emptied(group, station, options);
  if (options.json) print(JSON.stringify({ ...(answer as object), ...(left === undefined ? {} : { running: left }) }));
  else {
    print(left === 0 ? `${what} is empty` : `${what} is draining for ${inWords(options.for ?? 0)}`);
    tellIfForgotten((answer as StandingAnswer).durable);
  }
  if (left !== undefined && left > 0)
    throw new UserError(
      "promiseBroken",
      `${left} commands are still running at ${what} after ${inWords(options.wait)}`,
    );
}

/** What is running there after at most `wait`; 0 as soon as nothing is. */
async function emptied(
  group: string,
  station: string | undefined,
  options: ControlFlags & { readonly wait: number },
): Promise<number> {
  const untilMs = systemClock.nowMs() + options.wait;
  let told: number | undefined;
  for (;;) {
    const running = runningIn(options, await askControl(options, "GET", "/v1/status"), group, station);
    if (running === 0 || systemClock.nowMs() >= untilMs) return running;
    if (running !== told) process.stderr.write(`gsf: ${running} running\n`);
    told = running;
    await systemClock.sleepUntil(systemClock.nowMs() + LOOK_EVERY_MS);
  }
}

interface RunningView {
  readonly waiting: number;
  readonly parked: number;
  readonly stations: readonly { readonly name: string; readonly inFlight: number }[];
}

function runningIn(options: ControlFlags, answer: unknown, group: string, station: string | undefined): number {
  const view = (answer as { groups?: Record<string, RunningView> }).groups?.[group];
  if (view === undefined) throw strange(options.control);
  const at = view.stations.filter(({ name }) => station === undefined || name === station);
  const inFlight = at.reduce((sum, { inFlight: count }) => sum + count, 0);
  return station === undefined ? inFlight + view.waiting + view.parked : inFlight;
}

async function listOrders(options: ControlFlags): Promise<void> {
  const answer = await askControl(options, "GET", "/v1/orders");
  if (options.json) return print(JSON.stringify(answer));
  const { inForce, trail } = answer as { inForce?: readonly OrderView[]; trail?: readonly TrailView[] };
  if (inForce === undefined || trail === undefined) throw strange(options.control);
  print(
    inForce.length === 0 ? "no order is in force" : "in force:",
    ...inForce.map((one) => `  ${whatOf(one, one.kind)}, ${inWords(one.leftMs)} left, by ${whoOf(one)}: ${one.reason}`),
    ...(trail.length === 0 ? [] : ["trail:"]),
    ...trail.map((one) => {
      const why = one.refusal === undefined ? "" : ` (refused: ${one.refusal})`;
      return `  ${new Date(one.unixMs).toISOString()}  ${whatOf(one, one.order)} ${one.outcome}, by ${whoOf(one)}: ${one.reason}${why}`;
    }),
  );
}

interface Given {
  readonly group: string;
  readonly station?: string;
  readonly reason: string;
  readonly by: { readonly token?: string; readonly name?: string; readonly address: string };
}
interface OrderView extends Given {
  readonly kind: string;
  readonly leftMs: number;
}
interface TrailView extends Given {
  readonly order: string;
  readonly outcome: string;
  readonly unixMs: number;
  readonly refusal?: string;
}

function whatOf({ group, station }: Given, kind: string): string {
  return `${kind} of ${station === undefined ? group : `${group}/${station}`}`;
}

function whoOf({ by: { name, token, address } }: Given): string {
  const proof = token === undefined ? address : `token ${token}, ${address}`;
  return name === undefined ? proof : `${name} (${proof})`;
}

interface StandingAnswer {
  readonly active: string;
  readonly durable: boolean;
}

function order(options: ControlFlags, group: string, kind: string, body: object): Promise<unknown> {
  return askControl(options, "POST", `/v1/groups/${encodeURIComponent(group)}/${kind}`, body);
}

function termsOf({ reason, by, keepStreams }: OrderFlags): object {
  return { reason, ...byOf(by), keepStreams };
}

function standingOf({ reason, by, keepStreams, end, for: forMs }: StandingFlags): object {
  if (end && forMs !== undefined) throw new UserError("usage", "--for and --end exclude each other");
  if (end) return { reason: null, ...byOf(by) };
  if (forMs === undefined)
    throw new UserError("usage", "--for is missing: say when it ends by itself, such as --for 2h");
  if (reason === undefined) throw new UserError("usage", "--reason is missing: say why");
  return { reason, forMs, ...byOf(by), keepStreams };
}

function byOf(by: string | undefined): { readonly by?: string } {
  const name = by ?? ownName();
  return name === undefined ? {} : { by: name };
}

function epochIn(options: ControlFlags, answer: unknown): number {
  const { epoch } = answer as { epoch?: number };
  if (epoch === undefined) throw strange(options.control);
  return epoch;
}

function tellIfForgotten(isDurable: boolean): void {
  if (!isDurable) process.stderr.write("gsf: a restart of the gateway forgets this order: it keeps no state on disk\n");
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Reads `90s`, `30m`, `2h`, `1d`, as milliseconds. */
function durationIn(minSeconds: number, maxSeconds: number): (text: string) => number {
  return (text) => {
    const parts = /^(\d{1,7}(?:\.\d{1,3})?)([smhd])$/.exec(text);
    const seconds = Number(parts?.[1]) * (UNITS[parts?.[2] ?? ""] ?? Number.NaN);
    if (seconds >= minSeconds && seconds <= maxSeconds) return Math.round(seconds * 1_000);
    throw new InvalidArgumentError(`allowed is ${minSeconds}s to ${maxSeconds / 86_400}d, such as 90s, 30m or 2h.`);
  };
}

function print(...lines: readonly string[]): void {
  process.stdout.write(`${visibleLines(lines)}\n`);
}
