/**
 * Checks deadlines: an instant at the gateway, a time left in every message that it sends on.
 * Waits, retries and other stations never move the instant by which a command's source wants an
 * answer, and the gateway never sends the command on after that instant. Each attempt also has an
 * earlier end of its own, counted from when its body was sent. Instants are compared on the clock
 * of the process that promised them.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver, Relay, Visit } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { PerStation } from "../per-station.ts";
import { livingGateway } from "../status-round.ts";

/** Sums of instants are rounded. */
const ROUNDING_MS = 1e-6;
/** How much longer than its timeout an attempt may be out at a gateway that no fault disturbs. */
const LATE_MS = 50;

export function deadlines(fleet: Fleet): FleetObserver {
  const visits: Map<Command, Visit[]> = new Map();
  const out: PerStation<Set<Attempt>> = new PerStation(() => new Set());
  const clear = (): void => {
    visits.clear();
    out.clear();
  };
  return {
    gatewayStarted: clear,
    commandArrived(visit) {
      const open = visits.get(visit.command);
      if (open === undefined) visits.set(visit.command, [visit]);
      else open.push(visit);
    },
    commandAnswered(visit) {
      const open = visits.get(visit.command)?.filter((one) => one !== visit) ?? [];
      if (open.length === 0) visits.delete(visit.command);
      else visits.set(visit.command, open);
    },
    attemptBegan(attempt) {
      out.of(attempt.group, attempt.station).add(attempt);
      const deadlineMs = latestDeadlineMs(visits.get(attempt.command));
      if (deadlineMs !== undefined) compare(fleet, attempt, deadlineMs);
    },
    attemptEnded: (attempt) => void out.of(attempt.group, attempt.station).delete(attempt),
    relaySent: (relay) => passedOnInTime(fleet, relay),
    tick() {
      for (const attempts of out.all) for (const attempt of attempts) refuseOverdue(fleet, attempt);
    },
  };
}

/**
 * A command may be at the gateway twice, if its source has given up on a connection that the
 * gateway still holds.
 */
function latestDeadlineMs(open: readonly Visit[] | undefined): number | undefined {
  return open?.reduce((latestMs, visit) => Math.max(latestMs, visit.deadlineLocalMs), Number.NEGATIVE_INFINITY);
}

function compare({ world }: Fleet, { command, station, localMs, timeLeftMs }: Attempt, deadlineMs: number): void {
  if (localMs >= deadlineMs)
    world.violate(
      "sent-before-deadline",
      `${command.id} goes to ${station} ${localMs - deadlineMs} ms after its deadline`,
    );
  const grownMs = localMs + timeLeftMs - deadlineMs;
  if (grownMs > ROUNDING_MS)
    world.violate(
      "deadline-never-grows",
      `${command.id} goes to ${station} with ${timeLeftMs} ms left, ${grownMs} ms more than there are`,
    );
}

function passedOnInTime({ world }: Fleet, relay: Relay): void {
  const { command, group, station, arrivedLocalMs, timeLeftMs = Number.POSITIVE_INFINITY, sentTimeLeftMs = 0 } = relay;
  const sentMs = relay.sentLocalMs ?? arrivedLocalMs;
  const leftMs = arrivedLocalMs + timeLeftMs - sentMs;
  if (leftMs <= 0)
    world.violate(
      "stations-drop-the-late",
      `${group}/${station} carried ${command.id} on ${-leftMs} ms after its deadline`,
    );
  if (sentTimeLeftMs > leftMs + ROUNDING_MS)
    world.violate(
      "deadline-never-grows",
      `${group}/${station} carried ${command.id} on with ${sentTimeLeftMs} ms left of ${leftMs}`,
    );
}

/** An attempt whose caller still waits is out for no longer than its timeout. */
function refuseOverdue(fleet: Fleet, attempt: Attempt): void {
  if (attempt.signal.aborted) return;
  const process = livingGateway(fleet);
  const timeoutMs = documentedGroups(fleet).get(attempt.group)?.commands.timeoutMs ?? Number.POSITIVE_INFINITY;
  if (process === undefined || process.nowMs() - attempt.judgedFromLocalMs <= timeoutMs + LATE_MS) return;
  const { world } = fleet;
  if (faultTimelineOf(fleet).disturbsGateway(attempt.atMs, world.nowMs)) return;
  const outMs = process.nowMs() - attempt.judgedFromLocalMs;
  world.violate(
    "attempts-time-out",
    `${attempt.command.id} is out at ${attempt.group}/${attempt.station} for ${outMs} ms; its timeout is ${timeoutMs} ms`,
  );
}
