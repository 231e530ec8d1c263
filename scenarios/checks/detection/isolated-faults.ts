/**
 * The faults of a plan after which a backup must take over within a time that can be summed up.
 * Such a fault stops all service of a station, lasts longer than the sum, and is alone in its group
 * at that time. Earlier faults may have come and gone, so that the second outage is watched as well
 * as the first.
 *
 *   silence        the heartbeats stop: power, kill, pause, the way back cut, both ways cut
 *   command path   the heartbeats go on: the way there cut or held, a service that fails everything
 */
import type { Fleet } from "../../fleet/fleet.ts";
import { GATEWAY, stationNode } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups, WORTH_A_SECOND_MS } from "../documented.ts";
import type { Span } from "../fault-timeline.ts";
import { faultTimelineOf, overlaps } from "../fault-timeline.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { declaredWithinMs } from "./model-bounds.ts";
import { type ProvenTime, provenTimeOf } from "./proven-time.ts";

export interface IsolatedFault {
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  /** Within this time another station has served a command that was sent after the fault. */
  readonly boundMs: number;
  /** Within this time another station is active; undefined if nothing is said of that. */
  readonly promotedMs: number | undefined;
  /** The terms of that sum, in words. */
  readonly terms: string;
  /** Whether the group has had faults before. */
  readonly again: boolean;
}

/** This long after a fault, heartbeats and attempts have shown that it is over. */
const SETTLED_MS = 2_000;
/** `LivenessSupervisor`: how often it checks a station that is not alive. */
const RECHECK_MS = 50;
/**
 * If fewer commands than this share may be repeated, the time of the next one cannot be predicted.
 */
const LEAST_REPEATABLE = 0.2;
/** An event with a lower probability does not happen in a run. */
const UNLIKELY = 1e-6;
/**
 * This many answers make the usual time known; this many attempts have to be overdue; and an
 * attempt is overdue after this many times the slowest answer.
 */
const ENOUGH_ANSWERS = 64;
const OVERDUE_ATTEMPTS = 2;
const OVERDUE_RATIO = 1.6;
/** Modes of a service in which every call is answered, however wrongly. */
const ANSWERS: ReadonlySet<string> = new Set(["errors", "busy", "errors-after", "lying-200"]);
/** Nothing holds a promoted station back for longer (parked calls are checked at this interval). */
const LOOK_MS = 250;

/**
 * The isolated faults of `fleet`'s plan, in its order. `bound`: the sums of this file, or the
 * product's own proof.
 */
export function isolatedFaults(fleet: Fleet, bound: "by hand" | "proven" = "by hand"): IsolatedFault[] {
  const timeline = faultTimelineOf(fleet);
  if (!timeline.leavesGatewayAlone) return [];
  const rests = new Set(fleet.plan.groups.filter(({ bursts }) => bursts !== undefined).map(({ name }) => name));
  const found: IsolatedFault[] = [];
  for (const settings of documentedGroups(fleet).values()) {
    const spans = timeline.of(settings.name);
    const bounds = planBoundsOf(fleet, settings.name);
    // If sources rest, the time of the next command cannot be predicted.
    if (!bounds.quiet || !bounds.serves || rests.has(settings.name)) continue;
    for (const span of spans) {
      const lone = loneFault(fleet, settings, span, spans, bound);
      if (lone !== undefined) found.push(lone);
    }
  }
  return found;
}

function loneFault(
  fleet: Fleet,
  settings: DocumentedGroup,
  span: Span,
  spans: readonly Span[],
  bound: "by hand" | "proven",
): IsolatedFault | undefined {
  const { name: group } = settings;
  const struck = settings.stations.find(({ name }) => stopsServing(span, group, name, settings));
  if (struck === undefined) return undefined;
  const others = spans.filter((other) => other !== span);
  const before = others.filter(({ fromMs }) => fromMs <= span.fromMs);
  const unlearnt = before.every((other) => isCleanOutage(other, settings));
  const longest =
    bound === "proven"
      ? provenTime(fleet, settings, span, struck.name)
      : summed(waitsOf(fleet, settings, span, struck.name, unlearnt));
  if (longest === undefined) return undefined;
  const { ms: boundMs, promotedMs, terms } = longest;
  const { fromMs, untilMs } = span;
  if (untilMs < fromMs + boundMs || overlaps(others, fromMs - settledMs(settings, before), fromMs + boundMs))
    return undefined;
  return { group, station: struck.name, atMs: fromMs, boundMs, promotedMs, terms, again: before.length > 0 };
}

/**
 * A station that was replaced lately may still be in its dwell, in doubt or in maintenance; without
 * earlier faults, none is.
 */
function settledMs({ breaker, detector }: DocumentedGroup, before: readonly Span[]): number {
  if (before.length === 0) return 0;
  return SETTLED_MS + 2 * detector.minDwellMs + breaker.openDurationMs;
}

function summed(waits: readonly Wait[] | undefined): ProvenTime | undefined {
  if (waits === undefined) return undefined;
  return { ms: sumMs(waits), terms: waits.map(({ what, ms }) => `${what} ${Math.round(ms)}`).join(" + ") };
}

/** What the product proves of such a fault; undefined if its proof does not speak of it. */
function provenTime(fleet: Fleet, settings: DocumentedGroup, span: Span, station: string): ProvenTime | undefined {
  const { fault, fromMs } = span;
  if (stopsBeats(span, settings.name, station)) {
    const isKilled = fault.kind === "crash" && fault.how === "kill";
    return provenTimeOf(fleet, settings, isKilled ? ["silence", "refused"] : ["silence"]);
  }
  if (fault.kind === "service") return undefined;
  return isTimeKnown(fleet, settings.name, fromMs) ? provenTimeOf(fleet, settings, ["unanswered"]) : undefined;
}

/** Is it known by `nowMs` how long stations of the group take to answer? */
function isTimeKnown(fleet: Fleet, group: string, nowMs: number): boolean {
  return (nowMs / 1_000) * (fleet.group(group).plan.commandsPerSecond / 1.5) >= ENOUGH_ANSWERS;
}

interface Wait {
  readonly what: string;
  readonly ms: number;
}

function waitsOf(
  fleet: Fleet,
  settings: DocumentedGroup,
  span: Span,
  station: string,
  unlearnt: boolean,
): Wait[] | undefined {
  const { plan } = fleet.group(settings.name);
  const { latencyMs } = planBoundsOf(fleet, settings.name);
  const silent = stopsBeats(span, settings.name, station);
  const silence = silent ? silenceWaits(fleet, settings, unlearnt) : commandPathWaits(fleet, settings, span);
  const refused = span.fault.kind === "crash" && span.fault.how === "kill" ? refusalWaits(fleet, settings) : undefined;
  const noticed = refused !== undefined && silence !== undefined && sumMs(refused) < sumMs(silence) ? refused : silence;
  if (noticed === undefined) return undefined;
  const gapMs = (1.5 * plan.sources * 1_000) / plan.commandsPerSecond;
  return [...noticed, { what: "the next command", ms: gapMs }, { what: "its way", ms: 2 * latencyMs + LOOK_MS }];
}

/**
 * The gateway declares a silence at the ceiling, or at the level learned from the heartbeats
 * before, and the backup is heard once more.
 */
function silenceWaits(fleet: Fleet, group: DocumentedGroup, unlearnt: boolean): Wait[] {
  const { detector } = group;
  const { silenceMs } = planBoundsOf(fleet, group.name);
  const declaredMs = unlearnt ? declaredWithinMs(group, silenceMs) : detector.ceilingMs;
  return [
    { what: "silence", ms: 1.1 * declaredMs + silenceMs },
    { what: "sustain", ms: 1.1 * detector.sustainMs + 2 * RECHECK_MS },
    { what: "a beat of the backup", ms: silenceMs + RECHECK_MS },
  ];
}

/**
 * If a station answers with failures, the next repeatable command is served elsewhere, whichever
 * station is active. If it answers nothing, two attempts become overdue, and a little later its
 * silence is proof, once the usual time is known. Before that, a number of attempts in a row must
 * time out, over a written time.
 */
function commandPathWaits(
  fleet: Fleet,
  { name, commands, commandPath }: DocumentedGroup,
  span: Span,
): Wait[] | undefined {
  const { plan } = fleet.group(name);
  const { attemptMs } = planBoundsOf(fleet, name);
  const { failingForMs, minFailures, unansweredAfterMs } = commandPath;
  const known = isTimeKnown(fleet, name, span.fromMs);
  if (span.fault.kind === "service") {
    const share = plan.readRatio + (1 - plan.readRatio) * plan.keyedRatio;
    if (share < LEAST_REPEATABLE) return undefined;
    const tries = Math.ceil(Math.log(UNLIKELY) / Math.log(1 - Math.min(share, 0.999)));
    const waits = [
      { what: "a command that may be repeated", ms: 1.1 * arrivalsMs(fleet, name, tries) },
      { what: "its failure", ms: 1.1 * attemptMs + RECHECK_MS },
    ];
    if (known || ANSWERS.has(span.fault.mode)) return waits;
    return [...waits, { what: "an answer, until a second attempt is made", ms: WORTH_A_SECOND_MS + RECHECK_MS }];
  }
  if (known)
    return [
      { what: "commands that are not answered", ms: 1.1 * arrivalsMs(fleet, name, OVERDUE_ATTEMPTS + 1) },
      { what: "until they are overdue", ms: OVERDUE_RATIO * attemptMs + RECHECK_MS },
      { what: "unanswered for", ms: 1.1 * unansweredAfterMs + RECHECK_MS },
    ];
  const waitMs = Math.min(commands.timeoutMs, commands.deadlineMs);
  // The station does not lose an attempt that its caller or deadline ends.
  if (waitMs < commands.timeoutMs || (plan.patienceMs ?? Number.POSITIVE_INFINITY) <= commands.timeoutMs)
    return undefined;
  const roundsOfAttempts = Math.ceil(minFailures / commands.maxConcurrent) + 1;
  return [
    { what: "commands that fail", ms: 1.1 * arrivalsMs(fleet, name, minFailures) },
    { what: "their timeouts", ms: 1.1 * roundsOfAttempts * waitMs },
    { what: "failing for", ms: 1.1 * failingForMs + RECHECK_MS },
  ];
}

/**
 * If the process is gone and the machine is not, connections are refused, and a number of them in a
 * row is proof.
 */
function refusalWaits(fleet: Fleet, { name, commandPath }: DocumentedGroup): Wait[] {
  const { mostMs, silenceMs } = planBoundsOf(fleet, name);
  return [
    { what: "commands that are refused", ms: 1.1 * arrivalsMs(fleet, name, commandPath.refusalsToDeclare + 1) },
    { what: "their way", ms: 1.1 * 4 * mostMs },
    { what: "a beat of the backup", ms: silenceMs + RECHECK_MS },
  ];
}

/**
 * The longest time until at least this many commands have come: each source sends one in at most
 * one and a half times its interval.
 */
function arrivalsMs(fleet: Fleet, group: string, commands: number): number {
  const { commandsPerSecond, sources } = fleet.group(group).plan;
  const rounds = Math.ceil(commands / sources) + 1;
  return (rounds * 1.5 * sources * 1_000) / commandsPerSecond;
}

function sumMs(waits: readonly Wait[]): number {
  return waits.reduce((sum, { ms }) => sum + ms, 0);
}

/** Whether it ends all service of `station`, and only of that one. */
function stopsServing({ fault }: Span, group: string, station: string, { commands }: DocumentedGroup): boolean {
  const node = stationNode(group, station);
  switch (fault.kind) {
    case "crash":
    case "pause":
      return fault.node === node;
    case "link": {
      const between = [fault.from, fault.to];
      return (
        between.includes(node) &&
        between.includes(GATEWAY) &&
        (fault.conditions.cut === true || fault.conditions.held === true)
      );
    }
    case "service":
      return (
        fault.group === group &&
        fault.station === station &&
        fault.rate === 1 &&
        failsAlways(fault.mode, fault.delayMs ?? 0, commands)
      );
    default:
      return false;
  }
}

function failsAlways(mode: string, delayMs: number, { errorBody, timeoutMs }: DocumentedGroup["commands"]): boolean {
  if (mode === "slow") return delayMs > 1.5 * timeoutMs;
  return mode !== "lying-200" || errorBody;
}

/** Whether its heartbeats surely end, too. */
function stopsBeats({ fault }: Span, group: string, station: string): boolean {
  if (fault.kind === "crash" || fault.kind === "pause") return true;
  return fault.kind === "link" && fault.from === stationNode(group, station);
}

/**
 * Whether nothing of the outage is learned as an ordinary gap, because the silence was declared, or
 * there was none. A lost heartbeat of a pushing station leaves a gap in the sequence. If stations
 * are pulled instead, a failed or late answer leaves only the gap.
 */
export function isCleanOutage(
  { fault, fromMs, untilMs }: Span,
  { name, detector, heartbeat }: DocumentedGroup,
): boolean {
  if (fault.kind === "operator" || fault.kind === "surge") return true;
  const long = untilMs - fromMs > 2 * detector.ceilingMs;
  if (fault.kind === "pause") return fault.node.startsWith(`${name}/`) && long;
  if (fault.kind === "crash") return heartbeat.kind === "udp" || long;
  if (heartbeat.kind === "http") return false;
  if (fault.kind === "link") return fault.conditions.cut === true && Object.keys(fault.conditions).length === 1;
  return fault.kind === "service";
}
