/**
 * Counts pulled heartbeats on the way to each station, on the gateway's own clock.
 * - `pulls-are-not-made-up`: the gateway leaves out the pulls that a stall has swallowed, because a
 *   burst would say no more than one pull. So no three begin within less than one interval (25 ms
 *   after a refused connection, if that is less).
 * - `pulls-keep-time`: while nothing disturbs the group or its gateway, and no answer is late, the
 *   gateway sends as many pulls as the interval says: they do not drift by the time of an answer.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { PerStation } from "../per-station.ts";
import { livingGateway } from "../status-round.ts";

/**
 * At most this many within less than an interval: one that a stall has delayed, and the next one on
 * time.
 */
const MOST_AT_ONCE = 2;
/**
 * A station that refused the last connection is asked again after this long
 * (docs/guide/configuration.md).
 */
const REFUSED_INTERVAL_MS = 25;
/** The check looks back this many intervals; one pull may be missing, by rounding at either end. */
const INTERVALS = 60;
const MISSING = 1;
/** A clock may run at most by this factor faster or slower than true time. */
const DRIFT = 1.2;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

/** One station under one gateway process, on its clock. */
interface Pulled {
  /** When the newest pulls began, newest last. */
  readonly atMs: number[];
  out: number;
  /** Whether the last one that ended was refused. */
  isRefused: boolean;
  /** When a pull was last refused. */
  refusedAtMs: number;
  /** Since when the next pull has never had to wait for an answer; undefined before the first. */
  freeSinceMs: number | undefined;
}

export function pulls(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const timeline = faultTimelineOf(fleet);
  const stations = new PerStation<Pulled>(() => ({
    atMs: [],
    out: 0,
    isRefused: false,
    refusedAtMs: Number.NEGATIVE_INFINITY,
    freeSinceMs: undefined,
  }));
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  const lookAt = (group: DocumentedGroup, station: string, nowMs: number): void => {
    const { atMs, freeSinceMs = nowMs, refusedAtMs } = stations.of(group.name, station);
    const lookedBackMs = INTERVALS * group.heartbeat.intervalMs;
    const sinceMs = nowMs - lookedBackMs;
    if (freeSinceMs > sinceMs || refusedAtMs > sinceMs) return;
    if (timeline.touches(group.name, world.nowMs - DRIFT * lookedBackMs, world.nowMs)) return;
    const pulled = atMs.filter((beganMs) => beganMs > sinceMs).length;
    world.sometimes("judged: pulls-keep-time");
    if (pulled < INTERVALS - MISSING)
      world.violate(
        "pulls-keep-time",
        `${group.name}/${station}: ${pulled} heartbeats were asked for in ${lookedBackMs} ms, in all calm; it takes ${INTERVALS}`,
      );
  };
  return {
    gatewayStarted: () => stations.clear(),
    pulled(group, station) {
      const of = stations.of(group, station);
      const nowMs = localMs();
      const { intervalMs } = (groups.get(group) as DocumentedGroup).heartbeat;
      of.out++;
      of.freeSinceMs ??= nowMs;
      // At most two are out at once: a third would wait for an answer.
      if (of.out > 1) of.freeSinceMs = nowMs;
      of.atMs.push(nowMs);
      if (of.atMs.length > 2 * INTERVALS) of.atMs.shift();
      const isRefused = of.refusedAtMs > nowMs - 2 * intervalMs;
      const everyMs = isRefused ? Math.min(intervalMs, REFUSED_INTERVAL_MS) : intervalMs;
      const atOnce = of.atMs.filter((beganMs) => beganMs > nowMs - everyMs + ROUNDING_MS).length;
      if (atOnce > MOST_AT_ONCE)
        world.violate(
          "pulls-are-not-made-up",
          `${group}/${station}: ${atOnce} heartbeats are asked for within less than ${everyMs} ms`,
        );
    },
    pullEnded(group, station, isRefused) {
      const of = stations.of(group, station);
      of.out = Math.max(0, of.out - 1);
      if (isRefused || of.isRefused) of.refusedAtMs = localMs();
      of.isRefused = isRefused;
    },
    tick() {
      if (livingGateway(fleet) === undefined) return;
      const nowMs = localMs();
      for (const group of groups.values()) {
        if (group.heartbeat.kind !== "http") continue;
        for (const { name } of group.stations)
          if (stations.of(group.name, name).atMs.length > 0) lookAt(group, name, nowMs);
      }
    },
  };
}
