/**
 * B1: at each station's door, how many attempts are extra. A command's first attempt at a station is base load there, for
 * each time that it came to the gateway (a source's own repetition is a new call); every further one is extra, however it
 * came about: a retry, a held command that goes on, a re-send after stations changed places twice. Made up for free are
 * attempts that never left, and those that a station refused for their epoch.
 *
 * ADR 0004 counts calls over slightly less than the window and extra attempts over slightly more, so the bound holds
 * in the exact window without any tolerance, on the gateway's own clock. It is recounted here from what was sent.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Command, FleetObserver } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import { PerStation } from "./per-station.ts";
import { SlidingCount } from "./sliding-count.ts";

/** ADR 0004: so many extra attempts a window may hold however few calls it has. */
const RESERVE = 1;

/** A station's door, as one gateway process has used it. */
class Door {
  readonly calls: SlidingCount;
  readonly extra: SlidingCount;
  /** How often each command's base load has been used up. */
  readonly used: Map<Command, number> = new Map();
  /** Commands whose next attempt takes the place of one that came to nothing. */
  readonly undone: Set<Command> = new Set();

  constructor(windowMs: number) {
    this.calls = new SlidingCount(windowMs);
    this.extra = new SlidingCount(windowMs);
  }
}

export function retriesWithinBudget(fleet: Fleet): FleetObserver {
  const groups = documentedGroups(fleet);
  let running = 0;
  const doors = new PerStation((group) => new Door((groups.get(group) as DocumentedGroup).retry.budgetWindowMs));
  /** How often each command came to the gateway process that runs now. */
  let visits: Map<Command, number> = new Map();
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      doors.clear();
      visits = new Map();
    },
    commandArrived({ command }) {
      visits.set(command, (visits.get(command) ?? 0) + 1);
    },
    attemptBegan(attempt) {
      const { command, localMs, group, station } = attempt;
      const door = doors.of(group, station);
      const used = door.used.get(command) ?? 0;
      if (used < (visits.get(command) ?? 0)) {
        door.used.set(command, used + 1);
        door.calls.add(localMs);
        return;
      }
      if (door.undone.delete(command)) return;
      door.extra.add(localMs);
      const { maxAttempts, budgetRatio, budgetWindowMs } = (groups.get(group) as DocumentedGroup).retry;
      const calls = door.calls.total(localMs);
      const allowed = maxAttempts === 1 ? 0 : Math.max(budgetRatio * calls, RESERVE);
      const extra = door.extra.total(localMs);
      if (extra <= allowed) return;
      fleet.world.violate(
        "retries-within-budget",
        `${group}/${station}: ${extra} extra attempts in ${budgetWindowMs} ms for ${calls} calls; allowed are ${allowed} (${command.id})`,
      );
    },
    attemptEnded(attempt) {
      if (attempt.incarnation < running) return;
      if (attempt.outcome === "never-sent" || attempt.outcome === "stale") {
        doors.of(attempt.group, attempt.station).undone.add(attempt.command);
      }
    },
  };
}
