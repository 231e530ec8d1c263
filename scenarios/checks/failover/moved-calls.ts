/**
 * F3 at the instant of a promotion: checks what becomes of commands that are out at the station
 * that is replaced.
 * - `moves-what-was-in-flight`: a station that is replaced for failing and is silent (declared
 *   down, or overdue with nothing answered) must not be the only place of a command that may be
 *   repeated. Each such command without an attempt elsewhere goes to another station in that
 *   instant, or waits for one, or is answered. The attempt at the silent station may still be
 *   answered. A command may stay if it has been sent to the new active station as often as allowed
 *   (`retry.maxAttempts`): it has no other chance. It may also stay if its time ends, or its caller
 *   leaves, sooner than other commands of its group took lately. If the promoted station is
 *   ineligible in that same instant, by its gateway's account and by something known from outside
 *   (`surely-fit.ts`), there is no station to go to.
 * - `stays-while-answered`: a station that still answers, or is left as planned, keeps its
 *   commands. The promotion ends no attempt there, because the command can finish where it is.
 * - `moves-what-was-in-flight` is also violated if more commands are parked after a promotion than
 *   waited at that time, were moved by it, have failed since, or were out at a station that was
 *   declared down since. If no other station can take these, they are tried again at the same
 *   station, each within the retry budget; some have to wait for the budget.
 */
import { AttemptTimeoutError, CallAbortedError, DeadlineExceededError } from "ground-station-failover";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { succeeded } from "../load/offered-load.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { SurelyFit } from "./surely-fit.ts";

const INVARIANT = "moves-what-was-in-flight";
/** The next answer may take a quarter longer than any of this many latest answers. */
const LATEST = 200;
const SLOWER = 1.25;
/**
 * The text about a station that is silent now; not the reason of an earlier replacement, which is
 * reported during its cooldown.
 */
const OVERDUE = /^[^:]+: \d+ commands became overdue/;

type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

/** What is noted of one group. */
interface Seen {
  readonly out: Set<Attempt>;
  /** Stations that commands without an answer have reached, one entry for each attempt. */
  readonly reached: Map<Command, string[]>;
  /** Commands that have no answer, how many sendings of each, and when the last one came. */
  readonly open: Map<Command, { readonly sendings: number; readonly atMs: number }>;
  readonly down: Set<string>;
  /** How long the last served commands took. */
  readonly tookMs: number[];
  /**
   * How many commands may be parked: those of the last promotion, and one more for each command
   * that failed since or was lost with its station; undefined before the first promotion.
   */
  mayBeParked: number | undefined;
}

export function movedCalls(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const surelyFit = new SurelyFit(fleet);
  let running = 1;
  let seen: Map<string, Seen> = new Map();
  const of = (group: string): Seen => {
    const known = seen.get(group) ?? fresh();
    seen.set(group, known);
    return known;
  };
  const promoted = (event: Promoted): void => {
    const { group, from } = event;
    const noted = of(group);
    const there = [...noted.out].filter(({ station, signal }) => station === from && !signal.aborted);
    noted.mayBeParked = event.waiting + event.inFlight;
    if (event.cause === "failure" && isSilent(event, noted)) {
      // A command that moves does so before the step is over.
      world.at(world.nowMs, () => refuseLeft(fleet, noted, there, event, surelyFit.has(group, event.station)));
    } else world.at(world.nowMs, () => refuseEnded(fleet, there, event));
  };
  const declared = ({ group, node, to }: Extract<GatewayEvent, { readonly type: "declaration" }>): void => {
    const noted = of(group);
    if (to !== "down") return void noted.down.delete(node);
    noted.down.add(node);
    if (noted.mayBeParked === undefined) return;
    for (const { station, signal } of noted.out) if (station === node && !signal.aborted) noted.mayBeParked++;
  };
  return {
    gatewayStarted(process) {
      surelyFit.hears.gatewayStarted(process);
      running = process.incarnation;
      seen = new Map();
    },
    commandArrived({ command }) {
      const { open } = of(command.group);
      open.set(command, { sendings: (open.get(command)?.sendings ?? 0) + 1, atMs: world.nowMs });
    },
    commandAnswered({ command, incarnation }) {
      const { open } = of(command.group);
      if (incarnation !== running) return;
      const { sendings, atMs } = open.get(command) ?? { sendings: 1, atMs: world.nowMs };
      if (sendings > 1) return void open.set(command, { sendings: sendings - 1, atMs });
      open.delete(command);
      of(command.group).reached.delete(command);
    },
    attemptBegan(attempt) {
      surelyFit.hears.attemptBegan(attempt);
      of(attempt.group).out.add(attempt);
    },
    attemptEnded(attempt) {
      surelyFit.hears.attemptEnded(attempt);
      if (attempt.incarnation < running) return;
      const noted = of(attempt.group);
      noted.out.delete(attempt);
      const { command, station, outcome } = attempt;
      if (outcome !== "never-sent" && noted.open.has(command))
        noted.reached.set(command, [...(noted.reached.get(command) ?? []), station]);
      const { errorBody } = (groups.get(attempt.group) as DocumentedGroup).commands;
      if (succeeded(attempt, errorBody)) {
        noted.tookMs.push(world.nowMs - attempt.atMs);
        if (noted.tookMs.length > LATEST) noted.tookMs.shift();
      } else if (noted.mayBeParked !== undefined) noted.mayBeParked++;
    },
    gatewayEvent(event, incarnation) {
      surelyFit.hears.gatewayEvent(event, incarnation);
      if (event.type === "declaration") declared(event);
      else if (event.type === "promoted") promoted(event);
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const { mayBeParked } = of(look.group);
      const { parked } = look.status;
      if (mayBeParked === undefined || parked <= mayBeParked) return;
      world.violate(
        INVARIANT,
        `${look.group}: ${parked} commands are parked; since the promotion there is reason for ${mayBeParked}`,
      );
    },
  };
}

function fresh(): Seen {
  const [out, reached, open, down] = [new Set<Attempt>(), new Map(), new Map(), new Set<string>()];
  return { out, reached, open, down, tookMs: [], mayBeParked: undefined };
}

/** Whether the replaced station is silent, by its heartbeats or by the evidence of its calls. */
function isSilent({ from, evidence }: Promoted, { down }: Seen): boolean {
  return down.has(from) || evidence.some(({ kind, detail }) => kind === "calls" && OVERDUE.test(detail));
}

/**
 * Reports commands that were out `there` and are nowhere else, if there are more of them than can
 * wait.
 */
function refuseLeft(
  fleet: Fleet,
  noted: Seen,
  there: readonly Attempt[],
  { group, from, station }: Promoted,
  isFit: boolean,
): void {
  const { commands, retry } = documentedGroups(fleet).get(group) as DocumentedGroup;
  const patienceMs = fleet.group(group).plan.callers?.patienceMs ?? Number.POSITIVE_INFINITY;
  // If a report is wanted, a command with a key moves nowhere: `lost-calls.ts` judges what its
  // source is told.
  const reports = commands.ambiguousKeyed === "report";
  const isUsedUp = (command: Command): boolean =>
    (noted.reached.get(command) ?? []).filter((name) => name === station).length >= retry.maxAttempts;
  const nextMs = fleet.world.nowMs + SLOWER * Math.max(0, ...noted.tookMs);
  const left = there.filter(({ command, endedAtMs, atMs, timeLeftMs }) => {
    if (
      atMs + timeLeftMs < nextMs ||
      command.kind === "once" ||
      (command.kind === "keyed" && reports) ||
      endedAtMs !== undefined ||
      (noted.open.get(command)?.atMs ?? Number.NEGATIVE_INFINITY) + patienceMs < nextMs ||
      isUsedUp(command)
    )
      return false;
    return ![...noted.out].some((other) => other.command === command && other.station !== from);
  });
  const status = livingGateway(fleet)?.gateway?.groups.get(group)?.status;
  if (!isFit && status?.stations.some(({ active, assessment }) => active && !assessment.eligible) === true) return;
  const waiting = status === undefined ? 0 : status.waiting + status.parked;
  // A station that was declared down and heard again may have been sent the same command twice.
  const commandsLeft = new Set(left.map(({ command }) => command)).size;
  if (commandsLeft <= waiting) return;
  const [{ command, atMs }] = left as [Attempt];
  fleet.world.violate(
    INVARIANT,
    `${group}: ${from} was replaced, and ${command.id} (${command.kind}), sent to it at ${atMs} ms, stays there; ${commandsLeft} do, and ${waiting} wait`,
  );
}

/** Reports an attempt that was out `there` and was ended although its station answers. */
function refuseEnded(fleet: Fleet, there: readonly Attempt[], { group, from, cause }: Promoted): void {
  const ended = there.find(({ signal }) => signal.aborted && !hasReasonOfItsOwn(signal.reason));
  if (ended === undefined) return;
  fleet.world.violate(
    "stays-while-answered",
    `${group}: ${from} was replaced (${cause}) and answers; ${ended.command.id}, sent to it at ${ended.atMs} ms, was ended (${String(ended.signal.reason)})`,
  );
}

function hasReasonOfItsOwn(reason: unknown): boolean {
  return (
    reason instanceof AttemptTimeoutError ||
    reason instanceof CallAbortedError ||
    reason instanceof DeadlineExceededError
  );
}
