/**
 * Detection: checks what a gateway may declare about a station's silence, and what it must.
 * Heartbeats are noted here as the gateway admits them, and its declarations are compared with
 * them. No declaration without silence, none missing after it, and all in a valid order. The
 * suspicion level grows while nothing is heard. No station is made active that is not heard.
 * `abstention.ts` covers a gateway that stood still itself.
 */
import type { StationBeat } from "../../../gateway/src/fleet/heartbeat-sessions.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver, GatewayProcess } from "../../fleet/observer.ts";
import { GATEWAY, hasTwin } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { PerStation } from "../per-station.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import type { StatusLook } from "../status-round.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { BeatOrder } from "./beat-order.ts";
import { isCleanOutage } from "./isolated-faults.ts";
import { declaredWithinMs, levelAboveBound } from "./model-bounds.ts";
import type { LeastSilences, LivenessChange, Wrong } from "./silence.ts";
import { leastSilences, Silence } from "./silence.ts";

/** How much later than due a declaration may be, at a gateway that no fault disturbs. */
const LATE_MS = 500;
/**
 * After a disturbance a gateway abstains for a moment, and then measures anew how long a level
 * holds.
 */
const RECOVERY_MS = 1_000;
/** … for at most one interval of the heartbeats, from the late wake on. */
const abstentionMs = ({ heartbeat }: DocumentedGroup): number =>
  heartbeat.kind === "http" ? Math.max(heartbeat.intervalMs, heartbeat.timeoutMs) : heartbeat.intervalMs;
/**
 * How much later than due an undisturbed supervisor may check: twice its interval, and a timer's
 * delay.
 */
const SUPERVISION_MS = 110;
/** Relative; the check's own sums are no more precise. */
const LEVEL_ROUNDING = 1e-6;

interface Watched {
  /** Used in violation messages. */
  readonly name: string;
  readonly group: DocumentedGroup;
  /** Whether it is known here which heartbeats counted. */
  readonly beatsKnown: boolean;
  readonly silence: Silence;
  readonly order: BeatOrder;
  /** The level in the last round, and how many heartbeats had counted by then. */
  level: number;
  levelBeats: number;
}

export function detector(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const least: Map<string, LeastSilences> = new Map();
  for (const [name, group] of groups) least.set(name, leastSilences(group));
  let process: GatewayProcess | undefined;
  const stations = new PerStation((name, station): Watched => {
    const group = groups.get(name) as DocumentedGroup;
    const silence = new Silence(group, least.get(name) as LeastSilences, process?.nowMs() ?? 0);
    const order = new BeatOrder(hasTwin(fleet.plan, name, station));
    const beatsKnown = knowsBeats(fleet, group);
    return { name: `${name}/${station}`, group, beatsKnown, silence, order, level: Number.NaN, levelBeats: -1 };
  });
  const report = (name: string, wrong: Wrong): void => {
    if (wrong !== undefined) world.violate(wrong[0], `${name}: ${wrong[1]}`);
  };
  /** Groups whose gateway has abstained, and was late for that reason. */
  const abstained: Set<string> = new Set();
  const begin = (of: GatewayProcess): void => {
    process = of;
    abstained.clear();
    stations.clear();
    // All of them, because a station that is never heard is watched as well.
    for (const group of groups.values()) for (const { name } of group.stations) stations.of(group.name, name);
  };
  return {
    gatewayStarted: begin,
    beatCounted(group, station, beat) {
      if (process === undefined) return;
      const watched = stations.of(group, station);
      watched.silence.beat(process.nowMs());
      if (beat !== undefined) report(watched.name, oldBeat(watched, beat));
    },
    gatewayEvent(event) {
      if (event.type === "declaration") {
        const watched = stations.of(event.group, event.node);
        const wrong = watched.silence.declared(event);
        if (watched.beatsKnown) report(watched.name, wrong);
        if (watched.beatsKnown && !abstained.has(event.group))
          report(watched.name, declaredLate(fleet, watched, event));
      } else if (event.type === "abstention") abstained.add(event.group);
      else if (event.type === "promoted") {
        const { name, silence } = stations.of(event.group, event.station);
        if (silence.silent)
          world.violate("silent-is-not-promoted", `${name}: promoted (${event.cause}), and nothing is heard of it`);
      }
    },
    tick() {
      for (const watched of stations.all)
        if (watched.silence.liveness !== "down") report(watched.name, undeclared(fleet, watched));
      const look = lookAround(fleet);
      if (look !== undefined) for (const [name, wrong] of wrongLevels(look, stations)) report(name, wrong);
    },
  };
}

/**
 * If answers to questions of another kind look like heartbeats from outside, it is not known which
 * of them counted.
 */
export function knowsBeats(fleet: Fleet, { name }: DocumentedGroup): boolean {
  const { heartbeat, probePath } = fleet.group(name).settings;
  return heartbeat.kind === "udp" || heartbeat.path !== probePath;
}

function oldBeat({ order }: Watched, beat: StationBeat): Wrong {
  const why = order.note(beat);
  return why === undefined ? undefined : ["old-beats-prove-nothing", why];
}

/**
 * `declaration-when-due`: if only whole outages have disturbed the heartbeats, they spread by no
 * more than their network path does, and an outage is not learned. So the gateway declares a
 * silence as soon as the widest fit to such heartbeats reaches the level, and not at the ceiling.
 */
function declaredLate(fleet: Fleet, { group, silence }: Watched, { to, silentForMs }: LivenessChange): Wrong {
  if (to !== "down" || silence.lastBeatMs === undefined || silentForMs === undefined) return undefined;
  const { quiet, silenceMs } = planBoundsOf(fleet, group.name);
  if (!quiet || !onlyOutages(fleet, group)) return undefined;
  const dueMs = declaredWithinMs(group, silenceMs) + group.detector.sustainMs;
  if (silentForMs <= dueMs + SUPERVISION_MS) return undefined;
  return ["declaration-when-due", `down after ${silentForMs} ms of silence; it was due after ${dueMs} at the latest`];
}

function onlyOutages(fleet: Fleet, group: DocumentedGroup): boolean {
  const timeline = faultTimelineOf(fleet);
  const { nowMs } = fleet.world;
  const past = timeline.of(group.name).filter(({ fromMs }) => fromMs <= nowMs);
  return timeline.leavesGatewayAlone && past.every((span) => isCleanOutage(span, group));
}

/** A silence that should have been declared by now. */
function undeclared(fleet: Fleet, { group, silence }: Watched): Wrong {
  const process = livingGateway(fleet);
  if (process === undefined) return undefined;
  const overdueMs = silence.overdueMs(process.nowMs());
  if (overdueMs <= LATE_MS || fleet.world.nodeOf(GATEWAY).paused) return undefined;
  const { nowMs } = fleet.world;
  const calmForMs = group.detector.sustainMs + RECOVERY_MS + abstentionMs(group);
  const timeline = faultTimelineOf(fleet);
  if (timeline.disturbsGateway(nowMs - calmForMs, nowMs)) return undefined;
  // A gateway that lacks the resources for pulling says nothing about stations that it cannot ask.
  if (group.heartbeat.kind === "http" && timeline.isShort(nowMs - calmForMs, nowMs)) return undefined;
  return ["silence-is-declared", `${silence.liveness}, ${overdueMs} ms after its silence had to be declared`];
}

function* wrongLevels(look: StatusLook, stations: PerStation<Watched>): Iterable<[string, Wrong]> {
  const { group, process, status } = look;
  for (const { name, level } of status.stations) {
    const watched = stations.of(group, name);
    if (watched.beatsKnown) yield [watched.name, wrongLevel(watched, level, process.nowMs())];
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
  const { threshold, ceilingMs } = group.detector;
  const silentMs = nowMs - lastBeatMs;
  if (silentMs >= ceilingMs)
    return level >= threshold
      ? undefined
      : ["suspicion-follows-silence", `${silentMs} ms of silence, and its level is ${level}`];
  const mostLevel = levelAboveBound(group.detector, level, silentMs);
  if (mostLevel === undefined) return undefined;
  return [
    "suspicion-follows-silence",
    `its level is ${level} after ${silentMs} ms of silence; at most it is ${mostLevel}`,
  ];
}
