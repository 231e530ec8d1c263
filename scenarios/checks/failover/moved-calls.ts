/**
 * F3 at the instant of a promotion: what becomes of commands that are out at the station that is
 * replaced.
 * - `moves-what-was-in-flight`: a station that is replaced for failing and is silent (declared
 *   down, or overdue with nothing answered) keeps no command that may be repeated for itself. Each
 *   of them that has no attempt elsewhere goes to another station in that instant, or waits for
 *   one, or is answered. The attempt at the silent station may still be answered. One that the new
 *   active station has had as often as it may (`retry.maxAttempts`) has nothing else to hope for,
 *   and stays. So does one whose time is over, or whose caller leaves, sooner than others of its
 *   group took of late. Where the station that was promoted is ineligible in that same instant, by
 *   its gateway's word and by something that is known from outside (`surely-fit.ts`), there is
 *   nowhere to go.
 * - `stays-while-answered`: a station that still answers, or is left as planned, keeps what is out
 *   there: no attempt is ended by the promotion, because the command can finish where it is.
 * - `moves-what-was-in-flight` also where more commands are parked after a promotion than were
 *   waiting at it, were moved by it, or have failed since, or were out at a station that was
 *   declared down since. Where no other station can take these, they are tried again where they
 *   were, each within the retry budget, which some have to wait for.
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
/**
 * So many of the latest answers say how long the next may take: a quarter longer than any of them.
 */
const LATEST = 200;
const SLOWER = 1.25;
/**
 * What is said of a station that is silent now; not why it was replaced once, which is said during
 * its cooldown.
 */
const OVERDUE = /^[^:]+: \d+ commands became overdue/;

type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

/** What is noted of one group. */
interface Seen {
  readonly out: Set<Attempt>;
  /** Stations that commands without an answer have reached, once for each attempt. */
  readonly reached: Map<Command, string[]>;
  /** Commands that have no answer, how many sendings of them, and when the last one came. */
  readonly open: Map<Command, { readonly sendings: number; readonly atMs: number }>;
  readonly down: Set<string>;
  /** How long the last commands that were served took. */
  readonly tookMs: number[];
  /**
   * Commands that may be parked: those of the last promotion, and one more for each that failed
   * since, or was lost with its station; undefined before one.
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
      // Who goes on does so before the step is over.
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

/**
 * Is nothing heard of the station that is replaced, by heartbeats or by what is said of its calls?
 */
function isSilent({ from, evidence }: Promoted, { down }: Seen): boolean {
  return down.has(from) || evidence.some(({ kind, detail }) => kind === "calls" && OVERDUE.test(detail));
}

/** Of commands that were out `there`, more are nowhere else than can wait. */
function refuseLeft(
  fleet: Fleet,
  noted: Seen,
  there: readonly Attempt[],
  { group, from, station }: Promoted,
  isFit: boolean,
): void {
  const { commands, retry } = documentedGroups(fleet).get(group) as DocumentedGroup;
  const patienceMs = fleet.group(group).plan.callers?.patienceMs ?? Number.POSITIVE_INFINITY;
  // Where a report is wanted, a keyed command goes nowhere: `lost-calls.ts` says what its source is
  // told.
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
  // One that was declared down and heard again may have been sent the same command twice.
  const commandsLeft = new Set(left.map(({ command }) => command)).size;
  if (commandsLeft <= waiting) return;
  const [{ command, atMs }] = left as [Attempt];
  fleet.world.violate(
    INVARIANT,
    `${group}: ${from} was replaced, and ${command.id} (${command.kind}), sent to it at ${atMs} ms, stays there; ${commandsLeft} do, and ${waiting} wait`,
  );
}

/** An attempt that was out `there` was ended although its station answers. */
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
