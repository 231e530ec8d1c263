/**
 * The difference between two settings of a gateway: each value that changed, as a person would name
 * it, and what a change of it means. Lists of things with names (groups, stations) are compared by
 * name, so that a station that moved in the order is the same station. Secrets are compared and
 * never shown.
 *
 * A setting that nothing here knows is one that cannot be changed while the gateway runs: a change
 * of it refuses the whole reload, and is not applied by halves.
 */
import type { GatewaySettings, GroupSettings } from "./settings.ts";

/** Names on the way to a value: `groups`, `atlantic`, `detector`, `threshold`. */
type Way = readonly string[];

/** One value that changed. `from` or `to` is undefined if it is not set on that side. */
export interface SettingChange {
  readonly way: Way;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Sections of a gateway's settings that can be changed while it runs. */
const CHANGEABLE: ReadonlySet<string> = new Set<keyof GatewaySettings>([
  "groups",
  "control",
  "heartbeats",
  "callers",
  "drainDelayMs",
  "drainMs",
]);
/** The same for the settings of a group. */
const CHANGEABLE_IN_GROUP: ReadonlySet<string> = new Set<keyof GroupSettings>([
  "name",
  "listen",
  "trustedProxies",
  "stations",
  "heartbeat",
  "detector",
  "supervisor",
  "commands",
  "retry",
  "breaker",
  "commandPath",
  "failback",
  "probePath",
  "limits",
]);

/** A value longer than this is shortened for people. */
const MAX_SHOWN = 120;

/** Every value that differs, in the order of the settings. */
export function changesOf(before: GatewaySettings, after: GatewaySettings): SettingChange[] {
  const changes: SettingChange[] = [];
  compare([], before, after, changes);
  return changes;
}

/** True if nothing differs. */
export function isSame(before: unknown, after: unknown): boolean {
  const changes: SettingChange[] = [];
  compare([], before, after, changes);
  return changes.length === 0;
}

/** The changed settings that need a restart. */
export function needingRestart(before: GatewaySettings, after: GatewaySettings): SettingChange[] {
  return changesOf(before, after).filter(({ way }) => {
    const [section = "", name, field] = way;
    if (!CHANGEABLE.has(section) || way.includes("tls")) return true;
    if (section !== "groups") return false;
    if (field !== undefined) return !CHANGEABLE_IN_GROUP.has(field) || (field === "stations" && isFixed(thing(way)));
    const own = [...before.groups, ...after.groups].filter((group) => group.name === name);
    return own.some(isFixed);
  });

  /** The station that comes or goes by a change. */
  function thing([, group, , station]: Way): object | undefined {
    const own = [...before.groups, ...after.groups].filter(({ name }) => name === group);
    return own.flatMap(({ stations }) => stations).find(({ name, tls }) => name === station && tls !== undefined);
  }
}

/** Its certificates are set up when the gateway starts. */
function isFixed(thing: object | undefined): boolean {
  return (thing as { readonly tls?: unknown } | undefined)?.tls !== undefined;
}

/** What is not carried over by a change, in sentences. */
export function lostBy(changes: readonly SettingChange[]): string[] {
  return changes.flatMap(({ way, from, to }) => {
    const path = way.join(".");
    if (from === undefined && way[0] === "groups" && way.length === 2)
      return [`${path}: a new group takes asynchronous commands (Prefer: respond-async) only after a restart`];
    if (from === undefined || to === undefined) return [];
    switch (way.slice(-2).join(".")) {
      case "detector.model":
        return from === "adaptive" || to === "adaptive"
          ? [`${path}: the new model begins with the mean and the deviation of the last gaps, not with their shape`]
          : [];
      case "heartbeat.intervalMs":
        return [`${path}: how the heartbeats of each station are spaced is learned anew`];
      case "breaker.windowMs":
      case "retry.budgetWindowMs":
        return [`${path}: calls older than the shorter of both windows are not counted`];
      default:
        return path.startsWith("heartbeats.listen.") ? [`${path}: the counters of datagrams begin at 0`] : [];
    }
  });
}

/** `groups.atlantic.detector.threshold: 8 → 9`. */
export function changeInWords({ way, from, to }: SettingChange): string {
  return `${way.join(".")}: ${from ?? "not set"} → ${to ?? "not set"}`;
}

type Fields = Readonly<Record<string, unknown>>;

function compare(way: Way, before: unknown, after: unknown, changes: SettingChange[]): void {
  if (Object.is(before, after)) return;
  if (isHidden(way)) {
    if (!isDeeplyEqual(before, after)) changes.push({ way, from: hidden(before), to: hidden(after) });
    return;
  }
  if (isFields(before) && isFields(after)) return compareFields(way, before, after, changes);
  const [named, alsoNamed] = [byName(before), byName(after)];
  if (named !== undefined && alsoNamed !== undefined) {
    compareFields(way, named, alsoNamed, changes);
    const kept = Object.keys(named).filter((name) => name in alsoNamed);
    const order = Object.keys(alsoNamed).filter((name) => name in named);
    if (kept.join() !== order.join())
      changes.push({ way: [...way, "(order)"], from: kept.join(", "), to: order.join(", ") });
    return;
  }
  if (!isDeeplyEqual(before, after)) changes.push({ way, from: shown(before), to: shown(after) });
}

function compareFields(way: Way, before: Fields, after: Fields, changes: SettingChange[]): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
    compare([...way, name], before[name], after[name], changes);
}

/** The secrets that sign heartbeats, and headers of a health page, which may hold credentials. */
function isHidden(way: Way): boolean {
  return (way[0] === "heartbeats" && way[1] === "secrets") || (way[4] === "healthPage" && way[5] === "headers");
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A list of things with names, by name; undefined for anything else. */
function byName(value: unknown): Fields | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const things = value as readonly unknown[];
  if (!things.every((thing) => isFields(thing) && typeof thing["name"] === "string")) return undefined;
  return Object.fromEntries(things.map((thing) => [(thing as { readonly name: string }).name, thing]));
}

function isDeeplyEqual(one: unknown, other: unknown): boolean {
  return serialized(one) === serialized(other);
}

/** Text that is the same for equal values only. */
function serialized(value: unknown): string {
  return (
    JSON.stringify(value, (_name, part: unknown) => {
      if (part instanceof Map) return ["map", ...part];
      if (part instanceof Uint8Array) return ["bytes", ...part];
      if (typeof part === "number" && !Number.isFinite(part)) return ["number", String(part)];
      return part;
    }) ?? "undefined"
  );
}

function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === "string" || typeof value === "number" ? String(value) : serialized(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function hidden(value: unknown): string | undefined {
  return value === undefined ? undefined : "(not shown)";
}
