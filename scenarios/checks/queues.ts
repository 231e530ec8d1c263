/**
 * B3 and L5, from the status of the moment, a group at a time. `queues-are-bounded`: what waits, is held or is out in a group
 * are exactly the commands that have arrived and have no answer yet (nothing is kept of one that is over, and none is
 * lost on the way), and no more are held than may wait. `waiting-moves`: while commands wait, the active station is fit,
 * its circuit is closed and it has room, something is sent within two seconds.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import { lookAround } from "./status-round.ts";
import { troubleOf } from "./trouble.ts";

/** For so long something could have been sent and was not. */
const STUCK_MS = 2_000;
/** A gateway that was stopped finds its own work first. */
const RECOVERY_MS = 1_000;

/** What is noted of one group. */
interface Seen {
  /** Commands that have arrived at the process that runs now, and have no answer. */
  open: number;
  /** Since when commands have waited that could have been sent; Infinity while none do. */
  stuckSinceMs: number;
}

export function queues(fleet: Fleet): FleetObserver {
  const settingsOf = documentedGroups(fleet);
  const trouble = troubleOf(fleet);
  let seen: Map<string, Seen> = new Map();
  const of = (group: string): Seen => seen.get(group) as Seen;
  const forget = (): void => {
    seen = new Map([...settingsOf.keys()].map((name) => [name, { open: 0, stuckSinceMs: Number.POSITIVE_INFINITY }]));
  };
  forget();
  let running = 0;
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      forget();
    },
    commandArrived: ({ command }) => void of(command.group).open++,
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) of(command.group).open--;
    },
    attemptBegan({ group }) {
      of(group).stuckSinceMs = Number.POSITIVE_INFINITY;
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const settings = settingsOf.get(look.group) as DocumentedGroup;
      const seen = of(look.group);
      refuseStrays(fleet, settings, look.status, seen.open);
      const { nowMs } = fleet.world;
      const awake = !trouble.disturbsGateway(nowMs - RECOVERY_MS, nowMs);
      if (!awake || look.status.waiting === 0 || !couldSend(look.status, settings))
        seen.stuckSinceMs = Number.POSITIVE_INFINITY;
      else seen.stuckSinceMs = Math.min(seen.stuckSinceMs, nowMs);
      if (nowMs - seen.stuckSinceMs < STUCK_MS) return;
      const { waiting, active } = look.status;
      fleet.world.violate(
        "waiting-moves",
        `${look.group}: ${waiting} commands wait for ${active}, which is fit and has room, and nothing was sent for ${STUCK_MS} ms`,
      );
    },
  };
}

function refuseStrays(
  { world }: Fleet,
  { name, commands }: DocumentedGroup,
  status: FailoverStatus,
  open: number,
): void {
  const { waiting, held, stations } = status;
  const out = stations.reduce((sum, station) => sum + station.inFlight, 0);
  if (waiting + held + out !== open) {
    world.violate(
      "queues-are-bounded",
      `${name}: ${open} commands have no answer; ${waiting} wait, ${held} are held, ${out} are out`,
    );
  }
  if (held > commands.maxWaiting) {
    world.violate("queues-are-bounded", `${name}: ${held} commands are held, at most ${commands.maxWaiting} may wait`);
  }
}

function couldSend({ handover, stations }: FailoverStatus, { commands }: DocumentedGroup): boolean {
  const active = stations.find((station) => station.active);
  if (active === undefined || handover !== undefined) return false;
  const { assessment, breaker, ramp, inFlight } = active;
  const closed = breaker === undefined || breaker.state === "closed";
  return assessment.fit && closed && ramp.inFlight < ramp.limit && inFlight < commands.maxConcurrent;
}
