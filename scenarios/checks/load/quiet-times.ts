/**
 * Quiet times of a group of the wide world: no fault of the plan touches the group, none did in the
 * last 15 s, and its stations have spare capacity. At such times a command takes the time of its
 * work and of its messages, and no longer. Hang-ups, slow uploads, wrong commands and slow routes
 * do not end a quiet time. There are exceptions:
 * - A route that takes longer than its callers wait is a load of its own: every station works on
 *   each of its commands, as often as the caller asks.
 * - If most callers leave before their command is done, a station that is well looks overloaded. So
 *   does a station whose commands a written timeout ends, if they are more than a few.
 * - If a station has become slower for good, a command takes as long as it does there.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Sending } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import { mostWorkMs, workOfMost } from "../../fleet/work.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { meanWorkMs, slownessOf, usualLoadRatio } from "./true-capacity.ts";

/** After a fault, a group needs this time to return to normal. */
const SETTLED_MS = 15_000;
/**
 * … and this time after a station has become slower for good: the gateway finds out by trials that
 * the station is not crowded, which takes a while.
 */
const PACE_KNOWN_MS = 30_000;
/** Stations at half of their capacity on average take at most twice their time for a command. */
const MOST_BUSY = 0.5;
const SLOWED = 2;
/** … and twice as long if several commands with much work may be there by chance. */
const SLOWED_BY_CHANCE = 4;
/** What a gateway does between two messages takes no time in this world; timers are rounded. */
const MARGIN_MS = 50;
/**
 * If a timeout ends more than the rest of the commands, it says nothing about a station. Without a
 * written timeout this is not needed.
 */
const SHARE_IN_TIME = 0.98;
/** A connection to open, a request and its answer. */
const MESSAGES_OF_AN_ATTEMPT = 4;

export interface QuietGroup {
  readonly plan: GroupPlan;
  readonly settings: DocumentedGroup;
  readonly mostMs: number;
  /** How many times its usual time the slowest station takes at the end of the plan. */
  readonly slowness: number;
  /** Undefined if the operator has left it to the gateway. */
  readonly timeoutMs: number | undefined;
}

/**
 * A declared capacity makes commands wait when several arrive together, unless it is far above the
 * usual load.
 */
function isTight({ stations }: DocumentedGroup, { commandsPerSecond }: GroupPlan): boolean {
  return stations.some(({ capacityPerSecond }) => capacityPerSecond < 5 * commandsPerSecond + 20);
}

/**
 * How long a command is out at a station, at most, before its caller has left or its gateway no
 * longer waits.
 */
export function awaitedMs({ commands }: DocumentedGroup, { patienceMs, callers }: GroupPlan): number {
  const most = Number.POSITIVE_INFINITY;
  return Math.min(commands.timeoutMs, commands.deadlineMs, patienceMs ?? most, callers?.patienceMs ?? most);
}

function writtenTimeoutMs({ plan }: Fleet, name: string): number | undefined {
  const commands = plan.configuration.groups.find((group) => group.name === name)?.["commands"];
  return ((commands ?? {}) as { readonly timeout?: number }).timeout;
}

/** The groups that can be judged at quiet times, by name. */
export function quietGroups(fleet: Fleet): Map<string, QuietGroup> {
  const found = new Map<string, QuietGroup>();
  for (const settings of documentedGroups(fleet).values()) {
    const { plan } = fleet.group(settings.name);
    const { quiet, mostMs } = planBoundsOf(fleet, settings.name);
    const hasRoom = usualLoadRatio(plan, awaitedMs(settings, plan)) <= MOST_BUSY && !isTight(settings, plan);
    const slowness = slownessOf(fleet, settings.name);
    // If a station has become slower than its callers wait, it serves no caller, whatever it
    // answers.
    const hasPatience = (plan.callers?.patienceMs ?? Number.POSITIVE_INFINITY) >= slowness * meanWorkMs(plan);
    const timeoutMs = writtenTimeoutMs(fleet, settings.name);
    const isRare = timeoutMs === undefined || timeoutMs >= workOfMost(plan, SHARE_IN_TIME) * meanWorkMs(plan);
    if (isWide(plan) && quiet && hasDefaults(fleet, settings.name) && hasRoom && hasPatience && isRare)
      found.set(settings.name, { plan, settings, mostMs, timeoutMs, slowness });
  }
  return found;
}

/** Sections that do not change what these checks rely on. */
const HARMLESS: ReadonlySet<string> = new Set([
  "name",
  "listen",
  "stations",
  "objective",
  "assume",
  "heartbeat",
  "commands",
  "probePath",
]);
const HARMLESS_COMMANDS: ReadonlySet<string> = new Set(["deadline", "timeout"]);

/** Whether all settings that these checks rely on have their defaults. */
export function hasDefaults({ plan }: Fleet, name: string): boolean {
  const written = plan.configuration.groups.find((group) => group.name === name) ?? {};
  const commands = ("commands" in written ? written.commands : {}) as object;
  return (
    Object.keys(written).every((section) => HARMLESS.has(section)) &&
    Object.keys(commands).every((field) => HARMLESS_COMMANDS.has(field))
  );
}

/** Whether nothing was wrong from a while before `fromMs` until `untilMs`. */
export function wasQuiet(fleet: Fleet, group: string, fromMs: number, untilMs: number): boolean {
  const isPaceKnown = fleet.plan.faults.every(
    (fault) => fault.kind !== "slowdown" || fault.group !== group || fault.atMs + PACE_KNOWN_MS < fromMs,
  );
  return isPaceKnown && !faultTimelineOf(fleet).touches(group, fromMs - SETTLED_MS, untilMs);
}

function slowed({ plan: { spread }, slowness }: QuietGroup): number {
  return slowness * (spread === undefined ? SLOWED : SLOWED_BY_CHANCE);
}

/**
 * The longest time that `sending` takes at quiet times, with its body, if `stations` are asked one
 * after the other.
 */
export function mostAtQuietMs(group: QuietGroup, sending: Sending, stations: number): number {
  const { plan, mostMs } = group;
  const workMs = mostWorkMs(plan, sending.command.workMs);
  const attemptMs = slowed(group) * workMs + MESSAGES_OF_AN_ATTEMPT * mostMs;
  return sending.uploadMs + stations * attemptMs + MESSAGES_OF_AN_ATTEMPT * mostMs + MARGIN_MS;
}

/** Whether the caller, the deadline and the timeout allow `takesMs`. */
export function isAwaited(group: QuietGroup, sending: Sending, takesMs: number): boolean {
  const { settings, plan, timeoutMs } = group;
  const { patienceMs } = sending.command;
  const workMs = mostWorkMs(plan, sending.command.workMs);
  return (
    takesMs < sending.waitsMs &&
    takesMs < (patienceMs ?? settings.commands.deadlineMs) &&
    // A written timeout that is shorter than the route's work asks for errors, as does a deadline,
    // which bounds the timeout.
    (timeoutMs === undefined
      ? workMs <= Math.min(ORDINARY_WORK_MS, settings.commands.timeoutMs / slowed(group))
      : timeoutMs > slowed(group) * workMs + sending.uploadMs + 2 * MARGIN_MS)
  );
}

/** An endpoint that takes 5 s is ordinary and must work without a written timeout. */
const ORDINARY_WORK_MS = 5_000;
