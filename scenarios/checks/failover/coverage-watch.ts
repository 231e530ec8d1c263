/**
 * Notes the situations of `coverage-points.ts` if they can be seen from outside. A few are noted
 * where they happen (`fleet/*-node.ts`, `fault-injector.ts`) or by the check that watches for them.
 * This observer reports no violations.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { healedAtMs, stationNode } from "../../fleet/plan.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import { livingGateway, lookAround } from "../status-round.ts";

/** A clock further from true time than this is worse than any crystal. */
const WRONG_CLOCK = 0.001;

/**
 * What is remembered of an attempt that is over. Not its signal, which would keep every waiting
 * caller in memory.
 */
type Past = Pick<Attempt, "station" | "incarnation" | "outcome" | "endedAtMs">;

/** What is remembered of a command's attempts. */
interface Way {
  /** Its last attempt that has ended, or is out. */
  last: Past | undefined;
  /** The gateway process at which it arrived last. */
  incarnation: number;
  /** Which life of the station had its last attempt. */
  stationLife: number;
}

/** A promotion, for events of the same instant. */
interface Change {
  readonly atMs: number;
  readonly from: string;
}

/**
 * When the latest planned change of a group ended without a promotion; Infinity while it is under
 * way.
 */
type Handovers = Map<string, number>;

export function coverageWatch(fleet: Fleet): FleetObserver {
  const { world, plan } = fleet;
  const ways: Map<Command, Way> = new Map();
  const handovers: Handovers = new Map();
  const changes: Map<string, Change> = new Map();
  const wayOf = (command: Command): Way => {
    const known = ways.get(command);
    if (known !== undefined) return known;
    const fresh: Way = { last: undefined, incarnation: 0, stationLife: 0 };
    ways.set(command, fresh);
    return fresh;
  };
  const nodes = new PerStation((group, station) => world.nodeOf(stationNode(group, station)));
  const lifeOf = ({ group, station }: Attempt): number => nodes.of(group, station).incarnation;
  world.at(healedAtMs(plan), () => noteBacklog(fleet));
  return {
    gatewayStarted: () => handovers.clear(),
    commandArrived({ command, incarnation }) {
      const way = wayOf(command);
      if (way.incarnation > 0 && incarnation > way.incarnation) world.sometimes("source retried after gateway crash");
      way.incarnation = incarnation;
    },
    commandAnswered({ command, deadlineMs }) {
      if (wayOf(command).last === undefined && world.nowMs >= deadlineMs - 1)
        world.sometimes("deadline spent while waiting");
    },
    commandTold({ told, answer }) {
      if (told === "unknown" && answer.endsWith(" unknown")) world.sometimes("command ambiguous");
    },
    attemptBegan(attempt) {
      const way = wayOf(attempt.command);
      noteMove(fleet, attempt, way.last, changes.get(attempt.group));
      way.last = attempt;
      way.stationLife = lifeOf(attempt);
    },
    attemptEnded(attempt) {
      if (attempt.lies) world.sometimes("lying 200 seen");
      const way = wayOf(attempt.command);
      if (way.last !== attempt) return;
      const { station, incarnation, outcome, endedAtMs } = attempt;
      way.last = { station, incarnation, outcome, endedAtMs };
      const cutShort = outcome === "lost" || outcome === "aborted";
      if (cutShort && lifeOf(attempt) > way.stationLife) world.sometimes("station restart during service");
    },
    gatewayEvent(event, incarnation) {
      noteDecision(fleet, event, handovers);
      noteCircuit(fleet, event);
      if (event.type === "promoted") changes.set(event.group, { atMs: world.nowMs, from: event.from });
      if (event.type === "epoch-adopted" && incarnation > 1) world.sometimes("epoch adopted after gateway restart");
    },
    tick() {
      const look = lookAround(fleet);
      if (look !== undefined) noteStatus(fleet, look.group, look.status);
    },
  };
}

/** `attempt` follows `last`, which was sent to another station. */
function noteMove({ world }: Fleet, attempt: Attempt, last: Past | undefined, change: Change | undefined): void {
  if (last === undefined || last.station === attempt.station || last.incarnation !== attempt.incarnation) return;
  if (last.outcome === "never-sent") world.sometimes("never-sent moved to the other station");
  if (attempt.command.executions > 0) world.sometimes("duplicate after failover");
  const endedBefore = last.endedAtMs !== undefined && last.endedAtMs < world.nowMs;
  if (endedBefore && change?.atMs === world.nowMs && change.from === last.station)
    world.sometimes("held command resumed by promotion");
}

function noteDecision(fleet: Fleet, event: GatewayEvent, handovers: Handovers): void {
  const { world } = fleet;
  if (event.type === "abstention") world.sometimes("abstention");
  else if (event.type === "handover-begun") handovers.set(event.group, Number.POSITIVE_INFINITY);
  else if (event.type === "handover-ended") {
    handovers.set(event.group, event.atMs);
    world.sometimes("failback given up");
  } else if (event.type === "no-eligible-station") {
    world.sometimes("nobody eligible");
    const stations = livingGateway(fleet)?.gateway.groups.get(event.group)?.status.stations ?? [];
    if (stations.every(({ liveness }) => liveness === "down")) world.sometimes("both stations silent");
  } else if (event.type === "promoted") {
    world.sometimes("promotion");
    const wasUnderWay = (handovers.get(event.group) ?? Number.NEGATIVE_INFINITY) >= event.atMs;
    if (event.cause === "failure" && wasUnderWay) world.sometimes("promotion during handover");
    if (event.cause === "failback") world.sometimes("failback");
    if (event.cause === "switchover") world.sometimes("operator switchover done");
    if (event.cause === "maintenance") world.sometimes("maintenance of the active station");
    handovers.delete(event.group);
  } else if (event.type === "declaration" && event.to === "down") {
    const { detector } = documentedGroups(fleet).get(event.group) as DocumentedGroup;
    if ((event.silentForMs ?? 0) >= detector.ceilingMs) world.sometimes("declared down by the ceiling");
    if (anyClockWrong(fleet)) world.sometimes("clock drift over 1000 ppm with a declaration");
  }
}

function noteCircuit({ world }: Fleet, event: GatewayEvent): void {
  if (event.type !== "breaker") return;
  const { from, to } = event.transition;
  if (to === "open") world.sometimes(from === "half-open" ? "half-open probe failed" : "breaker opened");
  else if (from === "half-open") world.sometimes("half-open probe succeeded");
}

function noteStatus(fleet: Fleet, group: string, { waiting, stations }: FailoverStatus): void {
  const { commands } = documentedGroups(fleet).get(group) as DocumentedGroup;
  if (waiting > 0 && waiting >= commands.maxWaiting) fleet.world.sometimes("waiting room full");
  if (stations.some(({ budget }) => (budget?.refused ?? 0) > 0)) fleet.world.sometimes("budget refused");
}

function noteBacklog(fleet: Fleet): void {
  for (const group of livingGateway(fleet)?.gateway.groups.values() ?? []) {
    const { waiting, parked } = group.status;
    if (waiting + parked > 0) fleet.world.sometimes("heal with backlog");
  }
}

function anyClockWrong({ plan, world }: Fleet): boolean {
  const wrong = (rate: number): boolean => Math.abs(rate - 1) > WRONG_CLOCK;
  if (Object.values(plan.clockRates).some(wrong)) return true;
  return plan.faults.some(
    (fault) =>
      fault.kind === "drift" &&
      wrong(fault.rate) &&
      world.nowMs >= fault.atMs &&
      world.nowMs <= fault.atMs + (fault.forMs ?? Number.POSITIVE_INFINITY),
  );
}
