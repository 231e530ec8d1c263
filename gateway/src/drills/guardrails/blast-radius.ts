/**
 * How much a drill may hit. It counts what the injections resolved to, not what their author had in
 * mind: targets and shares come from the injectors. Names are compared without regard to letter
 * case and spelling variants of Unicode, so that `Lease-Store` is not a way past `lease-store`.
 */
import { createHash } from "node:crypto";
import type { Target } from "../injection.ts";

export interface BlastRadius {
  /** Most targets of a run, 1 to 1,000. Default 1: grow one at a time. */
  readonly maxTargets: number;
  /** Largest share of a target's connections that is hit, above 0, up to 1. Default 1. */
  readonly maxShare: number;
  /** Names that are never hit. Default none. */
  readonly never: readonly string[];
  /** Whether no healthy station may be left. Default false. */
  readonly allowTotalOutage: boolean;
}

/** A rule that a plan breaks. */
export interface Breach {
  readonly rule: string;
  readonly observed: string;
}

/** What the targets of one injection are. */
export interface ResolvedInjection {
  readonly activity: string;
  readonly targets: readonly Target[];
}

/** What of the blast radius the injections of a run break. Empty: nothing. */
export function breachesOf(radius: BlastRadius, injections: readonly ResolvedInjection[]): Breach[] {
  const breaches: Breach[] = injections
    .filter(({ targets }) => targets.length === 0)
    .map(({ activity }) => ({ rule: "empty-target", observed: `"${activity}" hits nothing` }));
  const targets = distinctTargets(injections.flatMap((one) => one.targets));
  if (targets.length > radius.maxTargets) {
    const observed = `${targets.length} targets (${shownTargets(targets)}); maxTargets is ${radius.maxTargets}`;
    breaches.push({ rule: "max-targets", observed });
  }
  for (const { kind, name, share } of targets) {
    if (!(share <= radius.maxShare)) {
      const observed = `${share} of ${kind} ${name}; maxShare is ${radius.maxShare}`;
      breaches.push({ rule: "max-share", observed });
    }
  }
  const never = new Set(radius.never.map(plain));
  for (const { kind, name } of targets.filter((one) => never.has(plain(one.name))))
    breaches.push({ rule: "never", observed: `${kind} ${name} is in never` });
  return breaches;
}

/**
 * Whether a healthy station is left besides the targets. `healthy`: the names of the healthy
 * stations, or why they are not known, which is no proof that one is left.
 */
export function outageBreach(
  radius: BlastRadius,
  injections: readonly ResolvedInjection[],
  healthy: readonly string[] | string,
): Breach | undefined {
  const stations = distinctTargets(injections.flatMap((one) => one.targets)).filter(({ isStation }) => isStation);
  if (radius.allowTotalOutage || stations.length === 0) return undefined;
  const taken = new Set(stations.map(({ name }) => plain(name)));
  const rule = "last-healthy-station";
  if (typeof healthy === "string") return { rule, observed: `which stations are healthy is not known: ${healthy}` };
  if (healthy.some((name) => !taken.has(plain(name)))) return undefined;
  const observed = `hits ${shownTargets(stations)}, and no other station is healthy`;
  return { rule, observed: `${observed}; to allow that, set allowTotalOutage` };
}

/** Each target once, with the largest share of its mentions, in a fixed order. */
export function distinctTargets(targets: readonly Target[]): Target[] {
  const byName = new Map<string, Target>();
  for (const target of targets) {
    const key = `${target.kind}\n${plain(target.name)}`;
    const known = byName.get(key);
    // A share that is no number is passed on, so that it breaks the rule on shares.
    const share = known === undefined ? target.share : Math.max(known.share, target.share);
    byName.set(key, { ...target, share, isStation: target.isStation || known?.isStation === true });
  }
  return [...byName].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, target]) => target);
}

/** SHA-256 of the targets of a run, for its journal: equal sets give equal hashes. */
export function targetsHash(targets: readonly Target[]): string {
  const plainTargets = distinctTargets(targets).map(({ kind, name, isStation, share }) => [
    kind,
    name,
    isStation,
    share,
  ]);
  return createHash("sha256").update(JSON.stringify(plainTargets)).digest("hex");
}

/** For a person: `station north (all), proxy uplink (30 %)`. */
export function shownTargets(targets: readonly Target[]): string {
  return targets
    .map(({ kind, name, share }) => `${kind} ${name} (${share === 1 ? "all" : `${Math.round(share * 1_000) / 10} %`})`)
    .join(", ");
}

/** One spelling for all that a person reads as the same name. */
function plain(name: string): string {
  return name.normalize("NFKC").trim().toLowerCase();
}
