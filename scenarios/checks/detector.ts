/**
 * Detection: what a gateway may say of a station's silence, and what it must. Heartbeats are noted beside the gateway as
 * it admits them, and its declarations are held against them: none without silence, none missing after it, in an order
 * that makes sense; suspicion is a number that grows while nothing is heard; and nobody is made active of whom nothing
 * is heard. What to make of a gateway that stood still itself is said in `abstention.ts`.
 */
import type { StationBeat } from "../../gateway/src/fleet/heartbeat-sessions.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver, GatewayProcess } from "../fleet/observer.ts";
import { GATEWAY } from "../fleet/plan.ts";
import { BeatOrder } from "./beat-order.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import type { LeastSilences, Wrong } from "./silence.ts";
import { leastSilences, Silence } from "./silence.ts";
import type { StatusLook } from "./status-round.ts";
import { livingGateway, lookAround } from "./status-round.ts";
import { levelAt } from "./suspicion.ts";
import { troubleOf } from "./trouble.ts";

/** How much later than due a declaration may be, at a gateway that nothing disturbs. */
const LATE_MS = 500;
/** After a disturbance a gateway abstains for a moment, and then counts anew how long a level holds. */
const RECOVERY_MS = 1_000;
/** Relative; the check's own sums are no better. */
const LEVEL_ROUNDING = 1e-6;

interface Watched {
  readonly group: DocumentedGroup;
  readonly silence: Silence;
  readonly order: BeatOrder;
  /** The level at the last look, and how many beats had counted by then. */
  level: number;
  levelBeats: number;
}

export function detector(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const least: Map<DocumentedGroup, LeastSilences> = new Map();
  for (const group of documentedGroups(fleet).values()) least.set(group, leastSilences(group));
  const stations: Map<string, Watched> = new Map();
  let process: GatewayProcess | undefined;
  const report = (name: string, wrong: Wrong): void => {
    if (wrong !== undefined) world.violate(wrong[0], `${name}: ${wrong[1]}`);
  };
  const begin = (of: GatewayProcess): void => {
    process = of;
    stations.clear();
    for (const [group, silences] of least) {
      for (const { name } of group.stations) {
        const silence = new Silence(group, silences, of.nowMs());
        stations.set(`${group.name}/${name}`, {
          group,
          silence,
          order: new BeatOrder(),
          level: Number.NaN,
          levelBeats: -1,
        });
      }
    }
  };
  return {
    gatewayStarted: begin,
    beatCounted(group, station, beat) {
      const name = `${group}/${station}`;
      const watched = stations.get(name);
      if (watched === undefined || process === undefined) return;
      watched.silence.beat(process.nowMs());
      if (beat !== undefined) report(name, oldBeat(watched, beat));
    },
    gatewayEvent(event) {
      if (event.type === "declaration") {
        const name = `${event.group}/${event.node}`;
        const watched = stations.get(name);
        const wrong = watched?.silence.declared(event);
        if (watched !== undefined && knowsBeats(fleet, watched.group)) report(name, wrong);
      } else if (event.type === "promoted") {
        const name = `${event.group}/${event.station}`;
        if (stations.get(name)?.silence.silent === true)
          world.violate("silent-is-not-promoted", `${name}: promoted (${event.cause}), and nothing is heard of it`);
      }
    },
    tick() {
      for (const [name, watched] of stations)
        if (watched.silence.standing !== "down") report(name, undeclared(fleet, watched));
      const look = lookAround(fleet);
      if (look !== undefined) for (const [name, wrong] of wrongLevels(fleet, look, stations)) report(name, wrong);
    },
  };
}

/** Where answers to questions of another kind look like heartbeats from outside, it is not known what counted. */
function knowsBeats(fleet: Fleet, { name }: DocumentedGroup): boolean {
  const { heartbeat, probePath } = fleet.group(name).settings;
  return heartbeat.kind === "udp" || heartbeat.path !== probePath;
}

function oldBeat({ order }: Watched, beat: StationBeat): Wrong {
  const why = order.note(beat);
  return why === undefined ? undefined : ["old-beats-prove-nothing", why];
}

/** A silence that should have been declared by now. */
function undeclared(fleet: Fleet, { group, silence }: Watched): Wrong {
  const process = livingGateway(fleet);
  if (process === undefined) return undefined;
  const overdueMs = silence.overdueMs(process.nowMs());
  if (overdueMs <= LATE_MS || fleet.world.nodeOf(GATEWAY).paused) return undefined;
  const { nowMs } = fleet.world;
  const calmForMs = group.detector.sustainMs + RECOVERY_MS;
  if (troubleOf(fleet).disturbsGateway(nowMs - calmForMs, nowMs)) return undefined;
  return ["silence-is-declared", `${silence.standing}, ${overdueMs} ms after its silence had to be declared`];
}

function* wrongLevels(fleet: Fleet, look: StatusLook, stations: Map<string, Watched>): Iterable<[string, Wrong]> {
  const { group, process, status } = look;
  for (const { name, level } of status.stations) {
    const watched = stations.get(`${group}/${name}`);
    if (watched !== undefined && knowsBeats(fleet, watched.group))
      yield [`${group}/${name}`, wrongLevel(watched, level, process.nowMs())];
  }
}

function wrongLevel(watched: Watched, level: number, nowMs: number): Wrong {
  const { silence, group } = watched;
  const { lastBeatMs, beats } = silence;
  const { level: before, levelBeats } = watched;
  watched.level = level;
  watched.levelBeats = beats;
  if (!(level >= 0)) return ["suspicion-is-a-number", `its level is ${level}`];
  if (beats === levelBeats && level < before - LEVEL_ROUNDING * before)
    return ["suspicion-is-a-number", `its level fell from ${before} to ${level}, and nothing was heard of it`];
  if (lastBeatMs === undefined)
    return level === Number.POSITIVE_INFINITY
      ? undefined
      : ["suspicion-follows-silence", `never heard from, and its level is ${level}`];
  const { threshold, ceilingMs, minimumDeviationMs } = group.detector;
  const silentMs = nowMs - lastBeatMs;
  if (silentMs >= ceilingMs)
    return level >= threshold
      ? undefined
      : ["suspicion-follows-silence", `${silentMs} ms of silence, and its level is ${level}`];
  const mostLevel = levelAt(silentMs / minimumDeviationMs);
  if (level <= mostLevel + LEVEL_ROUNDING * (1 + mostLevel)) return undefined;
  return [
    "suspicion-follows-silence",
    `its level is ${level} after ${silentMs} ms of silence; at most it is ${mostLevel}`,
  ];
}
