/**
 * Checks rules L1 and L5, one layer each.
 * - `answered-in-time`: a command that arrived at a gateway is answered by its deadline, on the
 *   gateway's own clock, whatever its stations do. Attempts, back-offs, and waits for a slot or for
 *   a station all end by then. A command that no station could take is answered when it has waited
 *   for the longest time allowed. A process that was stopped owes the answer one second after it
 *   runs again.
 * - `sources-are-told`: at the end of a run every source knows an outcome for everything that it
 *   sent, unless the source itself was gone or stopped meanwhile.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver, Visit } from "../../fleet/observer.ts";
import { LOOK_EVERY_MS } from "../../fleet/observer.ts";
import { endsAtMs } from "../../fleet/plan.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf, nodesOf } from "../fault-timeline.ts";
import { livingGateway } from "../status-round.ts";

/** Timers are exact in a world; this allows for what follows from a timer in the same event. */
const SLACK_MS = 5;
const FEW_SLOTS = 20;

export function answeredInTime(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const timeline = faultTimelineOf(fleet);
  const groups = documentedGroups(fleet);
  /** Commands that were sent to a station at least once. */
  const attempted: Set<Command> = new Set();
  /**
   * When an answer is due, on the gateway's clock. A command waits for a slot for half a timeout,
   * before and after its wait in the queue.
   */
  const dueLocalMs = (visit: Visit): number => {
    const { maxWaitMs = 0, timeoutMs = 0, maxConcurrent = 0 } = groups.get(visit.command.group)?.commands ?? {};
    // If there are few slots, the command may alternate between waiting for a slot and waiting in
    // the queue, until its deadline.
    if (attempted.has(visit.command) || maxConcurrent < FEW_SLOTS) return visit.deadlineLocalMs;
    const arrivedLocalMs = visit.deadlineLocalMs - (visit.deadlineMs - visit.arrivedAtMs);
    return Math.min(visit.deadlineLocalMs, arrivedLocalMs + maxWaitMs + timeoutMs);
  };
  /** Commands without an answer, by the tick at which each is due. */
  let due: Map<number, Visit[]> = new Map();
  let ticks = 0;
  const expect = (visit: Visit, byMs: number): void => {
    const tick = Math.max(ticks + 1, Math.ceil(byMs / LOOK_EVERY_MS));
    const others = due.get(tick);
    if (others === undefined) due.set(tick, [visit]);
    else others.push(visit);
  };
  return {
    gatewayStarted() {
      due = new Map();
    },
    commandArrived: (visit) =>
      expect(
        visit,
        world.nowMs + SLACK_MS + dueLocalMs(visit) - (visit.deadlineLocalMs - (visit.deadlineMs - world.nowMs)),
      ),
    commandAnswered({ command, deadlineLocalMs }) {
      const lateMs = (livingGateway(fleet)?.nowMs() ?? 0) - deadlineLocalMs;
      if (lateMs > SLACK_MS && !timeline.disturbsGatewayLately(world.nowMs))
        world.violate(
          "answered-in-time",
          `${command.id} (${command.kind}) has its answer ${lateMs} ms after its deadline`,
        );
    },
    attemptBegan: ({ command }) => void attempted.add(command),
    tick() {
      ticks++;
      const visits = due.get(ticks);
      if (visits === undefined) return;
      due.delete(ticks);
      const gateway = livingGateway(fleet);
      if (gateway === undefined) return;
      const disturbed = timeline.disturbsGatewayLately(world.nowMs);
      for (const visit of visits) {
        if (visit.answeredAtMs !== undefined) continue;
        const overdueMs = gateway.nowMs() - dueLocalMs(visit);
        if (overdueMs <= SLACK_MS || disturbed) expect(visit, world.nowMs + Math.max(LOOK_EVERY_MS, -overdueMs));
        else {
          const { command, arrivedAtMs } = visit;
          world.violate(
            "answered-in-time",
            `${command.id} (${command.kind}) arrived at ${arrivedAtMs} ms and has no answer ${overdueMs} ms after ${attempted.has(command) ? "its deadline" : "all the time that it may wait"}`,
          );
        }
      }
    },
  };
}

/**
 * How sources behave (source-node.ts), with a margin: they wait longer than the gateway does, and
 * pause before each repetition.
 */
const PATIENCE_MARGIN_MS = 2_000;
const BETWEEN_SENDINGS_MS = 1_000;

export function sourcesAreTold(fleet: Fleet): FleetObserver {
  const { plan, world } = fleet;
  const groups = documentedGroups(fleet);
  const spans = faultTimelineOf(fleet).spans;
  const troubled = new Set(spans.filter(({ fault }) => fault.kind !== "link").flatMap(({ fault }) => nodesOf(fault)));
  const owed: Set<Command> = new Set();
  const longestMs = (group: string): number => {
    const { patienceMs, sourceRetries, callers } = fleet.group(group).plan;
    const slowest = Math.min(1, ...Object.values(plan.clockRates));
    if (callers !== undefined) {
      const sendingMs = callers.patienceMs + (callers.uploads?.forMs ?? 0) + callers.retryAfterMs;
      return ((1 + callers.retries) * sendingMs) / slowest + BETWEEN_SENDINGS_MS;
    }
    const waitMs = patienceMs ?? (groups.get(group)?.commands.deadlineMs ?? 0) + PATIENCE_MARGIN_MS;
    return ((1 + sourceRetries) * (waitMs + BETWEEN_SENDINGS_MS)) / slowest;
  };
  return {
    commandSent: (command) => void owed.add(command),
    commandTold: (command) => void owed.delete(command),
    ended() {
      for (const command of owed) {
        if (troubled.has(sourceOf(command)) || command.sentAtMs + longestMs(command.group) > endsAtMs(plan)) continue;
        world.violate(
          "sources-are-told",
          `${command.id} (${command.kind}), sent at ${command.sentAtMs} ms, was never told anything`,
        );
        return;
      }
    },
  };
}

/** The node of the source that sent the command: commands are numbered `group.source.number`. */
function sourceOf({ group, id }: Command): string {
  return `${group}/source-${id.slice(group.length + 1).split(".")[0]}`;
}
