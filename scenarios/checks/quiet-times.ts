/**
 * Quiet times of a group of the wide world: nothing of the plan touches it now or did a moment ago, its stations have room
 * to spare, and so a command takes what its work and its way take. What callers do (hang up, upload slowly, ask for what
 * is wrong or takes long) is no reason for anything else.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Sending } from "../fleet/observer.ts";
import type { GroupPlan } from "../fleet/plan.ts";
import { isWide } from "../fleet/plan.ts";
import { comfortOf } from "./comfort.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import { troubleOf } from "./trouble.ts";
import { usualLoadRatio } from "./true-capacity.ts";

/** What a gateway may still be busy with after something has happened. */
const SETTLED_MS = 15_000;
/** Stations at half of their capacity on average take at most twice their time for a command. */
const MOST_BUSY = 0.5;
const SLOWED = 2;
/** What a gateway does between two messages takes no time in this world; timers are rounded. */
const MARGIN_MS = 50;
/** A connection to be made, a request and its answer. */
const MESSAGES_OF_AN_ATTEMPT = 4;

export interface QuietGroup {
  readonly plan: GroupPlan;
  readonly settings: DocumentedGroup;
  readonly mostMs: number;
  /** Undefined where the operator has left it to the gateway. */
  readonly timeoutMs: number | undefined;
}

/** Who has declared a rate has asked for commands to wait for it: it leaves room where some may come at once. */
function isTight({ stations }: DocumentedGroup, { commandsPerSecond }: GroupPlan): boolean {
  return stations.some(({ capacityPerSecond }) => capacityPerSecond < 5 * commandsPerSecond + 20);
}

function writtenTimeoutMs({ plan }: Fleet, name: string): number | undefined {
  const commands = plan.configuration.groups.find((group) => group.name === name)?.["commands"];
  return ((commands ?? {}) as { readonly timeout?: number }).timeout;
}

/** The groups of which anything can be said at quiet times, by name. */
export function quietGroups(fleet: Fleet): Map<string, QuietGroup> {
  const found = new Map<string, QuietGroup>();
  for (const settings of documentedGroups(fleet).values()) {
    const { plan } = fleet.group(settings.name);
    const { quiet, mostMs } = comfortOf(fleet, settings.name);
    const hasRoom = usualLoadRatio(plan) <= MOST_BUSY && !isTight(settings, plan);
    if (isWide(plan) && quiet && hasDefaults(fleet, settings.name) && hasRoom)
      found.set(settings.name, { plan, settings, mostMs, timeoutMs: writtenTimeoutMs(fleet, settings.name) });
  }
  return found;
}

/** Sections that an operator may have written without taking anything upon himself that these checks rely on. */
const HARMLESS: ReadonlySet<string> = new Set(["name", "listen", "stations", "heartbeat", "commands", "probePath"]);
const HARMLESS_COMMANDS: ReadonlySet<string> = new Set(["deadline", "timeout"]);

/** Has the operator left to the gateway what it does best by itself? */
export function hasDefaults({ plan }: Fleet, name: string): boolean {
  const written = plan.configuration.groups.find((group) => group.name === name) ?? {};
  const commands = ("commands" in written ? written.commands : {}) as object;
  return (
    Object.keys(written).every((section) => HARMLESS.has(section)) &&
    Object.keys(commands).every((field) => HARMLESS_COMMANDS.has(field))
  );
}

/** Was nothing wrong from a while before `fromMs` until `untilMs`? */
export function wasQuiet(fleet: Fleet, group: string, fromMs: number, untilMs: number): boolean {
  return !troubleOf(fleet).touches(group, fromMs - SETTLED_MS, untilMs);
}

/** The longest that `sending` takes at quiet times, its body included, where `stations` are asked one after the other. */
export function mostAtQuietMs({ plan, mostMs }: QuietGroup, sending: Sending, stations: number): number {
  const workMs = sending.command.route?.serviceMs ?? plan.serviceMs;
  const attemptMs = SLOWED * workMs + MESSAGES_OF_AN_ATTEMPT * mostMs;
  return sending.uploadMs + stations * attemptMs + MESSAGES_OF_AN_ATTEMPT * mostMs + MARGIN_MS;
}

/** Would the gateway, its settings and the caller all wait for that long? */
export function isAwaited({ settings, plan, timeoutMs }: QuietGroup, sending: Sending, takesMs: number): boolean {
  const { patienceMs } = sending.command;
  const workMs = sending.command.route?.serviceMs ?? plan.serviceMs;
  return (
    takesMs < sending.waitsMs &&
    takesMs < (patienceMs ?? settings.commands.deadlineMs) &&
    // Who writes a timeout below what a route takes has asked for errors.
    (timeoutMs === undefined
      ? workMs <= ORDINARY_WORK_MS
      : timeoutMs > SLOWED * workMs + sending.uploadMs + 2 * MARGIN_MS)
  );
}

/** An endpoint of five seconds is an ordinary one; nobody writes a timeout for it. */
const ORDINARY_WORK_MS = 5_000;
