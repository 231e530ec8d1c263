/**
 * How many connections each listener may accept, so that this process never runs out of file
 * descriptors. Callers are refused while stations can still be reached, because a gateway that
 * cannot connect would take its own shortage for a fault of its stations. Linux gives the limit in
 * /proc; if it is not known, nothing is bounded.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Descriptors of this process before it listens. */
export interface Descriptors {
  /** Most that may be open at once. */
  readonly limit: number;
  readonly open: number;
}

/** Most connections of each group's listener, and of the control listener. */
export interface ConnectionLimits {
  readonly callers: number;
  readonly control: number;
}

/**
 * For lookups, for files that are read now and then, and one that must be free to refuse a
 * connection.
 */
const SPARE = 8;
/** The control listener, the heartbeat listener and that of agent checks. */
const OTHER_LISTENERS = 3;
/** Most probes in flight at each station. */
const PROBES_PER_STATION = 3;
/**
 * The caller's connection, the connection of its attempt, and an idle one left by another attempt.
 */
const PER_CALLER = 3;
/** For dashboards, scrapers and event readers. */
const MAX_CONTROL = 512;
const CONTROL_RATIO = 0.1;
const MIN_CONTROL = 2;

/**
 * The limits for `groups` groups with `stations` stations in all. If `descriptors` is undefined,
 * callers have no limit.
 */
export function connectionLimits(
  descriptors: Descriptors | undefined,
  { groups, stations }: { readonly groups: number; readonly stations: number },
): ConnectionLimits {
  if (descriptors === undefined) return { callers: Number.POSITIVE_INFINITY, control: MAX_CONTROL };
  const listeners = groups + OTHER_LISTENERS;
  const free = Math.max(0, descriptors.limit - descriptors.open - listeners - SPARE);
  const control = Math.min(MAX_CONTROL, Math.max(MIN_CONTROL, Math.floor(free * CONTROL_RATIO)));
  const forCallers = free - control - stations * PROBES_PER_STATION;
  return { callers: Math.max(1, Math.floor(forCallers / PER_CALLER / Math.max(1, groups))), control };
}

/** The descriptors of this process now; undefined if the operating system does not say. */
export function ownDescriptors(): Descriptors | undefined {
  try {
    const limit = openFilesLimit(readFileSync("/proc/self/limits", "utf8"));
    return limit === undefined ? undefined : { limit, open: readdirSync("/proc/self/fd").length };
  } catch {
    return undefined;
  }
}

/** The soft limit in the text of /proc/self/limits; undefined if there is none. */
export function openFilesLimit(text: string): number | undefined {
  const limit = /^Max open files +(\d+)/m.exec(text)?.[1];
  return limit === undefined ? undefined : Number(limit);
}
