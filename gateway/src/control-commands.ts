/**
 * `gsf status` and `gsf switchover`: requests to the control listener of a running gateway, from a
 * shell. The output is meant to be read during an incident: which station serves, which ones are
 * eligible, and why the others are not. For programs there is `--json`, which prints the gateway's
 * own answer.
 */
import type { Command } from "commander";
import type { FailoverStatus, StationStatus } from "ground-station-failover";
import { Agent, request } from "undici";
import { type ControlAddress, strange, tokenOf, withControlAddress } from "./adapters/control/control-address.ts";
import { UserError } from "./adapters/process/exit-codes.ts";
import type { GatewayStateStatus } from "./adapters/storage/gateway-state.ts";
import { asyncLine } from "./adapters/telemetry/async-sentence.ts";
import { visibleLines } from "./adapters/telemetry/visible.ts";
import type { AsyncStatus } from "./fleet/async/command-queue.ts";
import { agoInWords } from "./fleet/failure-words.ts";
import type { HeldMemoryStatus } from "./fleet/held-memory.ts";

interface ControlOptions extends ControlAddress {
  readonly json: boolean;
}

/** Both requests are answered at once, but a busy gateway may need longer. */
const ANSWER_WITHIN_MS = 30_000;
const CONNECT_WITHIN_MS = 3_000;

export function registerControlCommands(program: Command): void {
  withControl(program.command("status"))
    .description("say who serves, who is eligible, and why")
    .addHelpText(
      "after",
      "\nExamples:\n  $ gsf status\n  $ gsf status --control http://10.0.0.7:7070 --token-file t --json",
    )
    .action(status);
  withControl(program.command("switchover"))
    .description("make another station active at once; commands that are out finish at the old one")
    .argument("<group>", "the group")
    .requiredOption("--to <station>", "the station to make active")
    .requiredOption("--reason <text>", "why; it appears in the log and in the events")
    .addHelpText("after", '\nExample:\n  $ gsf switchover atlantic --to backup --reason "antenna maintenance"')
    .action(switchover);
}

/** Adds the options of a command that asks a running gateway. */
export function withControl(command: Command): Command {
  return withControlAddress(command).option("--json", "print the gateway's answer as it is", false);
}

async function status(options: ControlOptions): Promise<void> {
  const answer = await ask(options, "GET", "/v1/status");
  if (options.json) return print(JSON.stringify(answer));
  const { groups, memory, state } = answer as StatusView;
  if (groups === undefined) throw strange(options.control);
  for (const [name, group] of Object.entries(groups)) print(...groupLines(name, group));
  if (memory !== undefined) print(memoryLine(memory));
  if (state !== undefined) print(stateLine(state));
}

interface StatusView {
  readonly groups?: Record<string, GroupView>;
  readonly memory?: HeldMemoryStatus;
  /** Null: nothing outlives the gateway's process. */
  readonly state?: GatewayStateStatus | null;
}

async function switchover(
  group: string,
  options: ControlOptions & { readonly to: string; readonly reason: string },
): Promise<void> {
  const { to, reason } = options;
  const answer = await ask(options, "POST", `/v1/groups/${encodeURIComponent(group)}/switchover`, { to, reason });
  const { epoch } = answer as { epoch?: number };
  if (epoch === undefined) throw strange(options.control);
  if (options.json) return print(JSON.stringify(answer));
  print(`${to} is active in ${group}, epoch ${epoch}`);
}

type StationView = Omit<StationStatus, "level"> & {
  readonly phi: number | null;
  readonly streams: number;
  readonly lastProbe?: { readonly isWell: boolean; readonly text: string; readonly ageMs: number };
};
type GroupView = Omit<FailoverStatus, "stations"> & {
  readonly stations: readonly StationView[];
  readonly connections?: { readonly open: number; readonly max: number | null };
  readonly async?: AsyncStatus;
};

function groupLines(name: string, group: GroupView): string[] {
  const { active, epoch, waiting, parked, connections, overloaded, patienceMs, stations } = group;
  const width = Math.max(...stations.map((station) => station.name.length));
  const lines = stations.flatMap((station) => {
    const mark = station.active ? "*" : " ";
    const facts = [
      `${station.role.padEnd(7)} ${station.liveness.padEnd(9)} phi ${phi(station.phi).padStart(7)}`,
      `${station.inFlight} in flight${station.streams === 0 ? "" : ` (${station.streams} streaming)`}`,
      ...(station.breaker === undefined ? [] : [`circuit ${station.breaker.state}`]),
      ...(station.lastProbe === undefined
        ? []
        : [`probe: ${station.lastProbe.text}, ${agoInWords(station.lastProbe.ageMs)}`]),
      ...(station.ramp.ramping ? [`ramping, ${rounded(station.ramp.limit)} at once`] : []),
      ...(station.doubted ? ["in doubt: new commands avoid it"] : []),
    ];
    const against = station.assessment.evidence.filter((piece) => piece.verdict === "ineligible");
    const why = against.map((piece) => `      ineligible: ${piece.detail}`);
    return [`  ${mark} ${station.name.padEnd(width)}  ${facts.join("  ")}`, ...why];
  });
  const facts = [
    `${name}: ${active} serves, epoch ${epoch}, ${waiting + parked} commands waiting`,
    ...(connections === undefined ? [] : [shownConnections(connections)]),
    ...(overloaded ? ["overloaded"] : []),
    ...(typeof patienceMs === "number" ? [`callers wait ${Math.round(patienceMs)} ms`] : []),
  ];
  const asynchronous = group.async === undefined || isIdle(group.async) ? [] : [`  ${asyncLine(group.async)}`];
  return [facts.join(", "), ...lines, ...asynchronous];
}

function isIdle({ oldestAgeMs, kept }: AsyncStatus): boolean {
  return oldestAgeMs === undefined && kept === 0;
}

/**
 * `12.5 of 512.0 MiB held for callers, 3.1 of it for 10.0.0.7`, and the refusals since the start.
 */
function memoryLine({ heldBytes, maxBytes, largest, refused }: HeldMemoryStatus): string {
  const times = Object.values(refused).reduce((sum, count) => sum + count, 0);
  const facts = [
    `memory: ${mebibytes(heldBytes)} of ${mebibytes(maxBytes)} MiB held`,
    ...(largest === undefined ? [] : [`${mebibytes(largest.heldBytes)} of it for ${largest.caller}`]),
    ...(times === 0 ? [] : [`refused ${times} times`]),
  ];
  return facts.join(", ");
}

/** `state: open, 0.1 of 1024.0 MiB in /var/lib/gsf`, and what is wrong with it. */
function stateLine(state: GatewayStateStatus | null): string {
  if (state === null) return "state: none is kept";
  const facts = [
    `state: ${state.state}, ${mebibytes(state.bytes)} of ${mebibytes(state.maxBytes)} MiB in ${state.directory}`,
    ...(state.pendingCommits === 0 ? [] : [`${state.pendingCommits} commits wait for the disk`]),
    ...(state.damagedRecords === 0 ? [] : [`${state.damagedRecords} damaged records set aside`]),
  ];
  return facts.join(", ");
}

function shownConnections({ open, max }: NonNullable<GroupView["connections"]>): string {
  return max === null ? `${open} connections` : `${open} of ${max} connections`;
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? "any" : (bytes / 1_024 ** 2).toFixed(1);
}

/** For a limit below ten the decimal matters. */
function rounded(limit: number): string {
  return limit < 10 ? limit.toFixed(1) : limit.toFixed(0);
}

/**
 * Above the detector's ceiling a level is practically infinite; a station that was never heard has
 * none.
 */
function phi(level: number | null): string {
  return level === null || level > 1e6 ? "beyond" : level.toFixed(2);
}

/**
 * The gateway's answer. If there is none, or if it is a refusal, throws an error with what the user
 * needs to know.
 */
export async function ask(
  options: ControlOptions,
  method: "GET" | "POST" | "DELETE",
  path: string,
  order?: object,
): Promise<unknown> {
  const at = new URL(path, options.control);
  const token = tokenOf(options);
  const agent = new Agent({
    connect: { timeout: CONNECT_WITHIN_MS },
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
  });
  try {
    const { statusCode, body } = await request(at, {
      method,
      dispatcher: agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(order === undefined ? {} : { "content-type": "application/json" }),
      },
      body: order === undefined ? null : JSON.stringify(order),
    });
    return answerIn(at, statusCode, await body.text());
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = (error as Error).message;
    throw new UserError(
      "unreachable",
      `no answer from ${at.origin}: ${reason}; is the gateway running? (--control names another one)`,
    );
  } finally {
    await agent.destroy();
  }
}

function answerIn(at: URL, status: number, text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new UserError(
      "unreachable",
      `${at.origin} answered ${status} and no JSON: is it a gateway's control listener?`,
    );
  }
  if (status === 200) return answer;
  const { detail } = answer as { detail?: string };
  const ending = status === 401 || status === 403 ? "usage" : "promiseBroken";
  throw new UserError(ending, `the gateway refused (${status}): ${detail ?? text}`);
}

/**
 * Prints each of `lines` on one line, even if a reason or a station's answer contains line breaks.
 */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${visibleLines(lines)}\n`);
}
