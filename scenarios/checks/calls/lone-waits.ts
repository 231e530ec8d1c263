/**
 * `waiting-goes-by-itself`: a command that waits at a gateway and was never sent depends on the
 * clock alone. Suppose that nothing of its group is out, that nothing has come or ended for a
 * while, and that no fault has touched the group for so long that every station is known to be
 * well. Then the command waits only for time to pass: for the pace of a declared capacity, or for a
 * pause that a station asked for. If a gateway does not wake up for that, other traffic hides the
 * fault: the next command makes the gateway look at the queue. (A gateway that is gone or stopped
 * is a fault that touches every group.) All terms come from the plan and from what went in and out;
 * none comes from the gateway that is judged.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";

const INVARIANT = "waiting-goes-by-itself";
/**
 * By then the longest dwell of a station that was declared down is over, and its circuit is closed.
 */
const SETTLED_MS = 40_000;
/**
 * A station may ask for a pause of one second, is then left alone for most of another second, and
 * is given at least two commands a second.
 */
const ALONE_MS = 2_500;
/** After this time only the clock can make the command go. */
const STILL_MS = 250;

/** The commands that wait for one group, and those that were sent on. */
interface Watched {
  readonly aloneMs: number;
  /**
   * Commands that have arrived and have no answer, and how many sendings of each; those that were
   * sent on are in `tried`.
   */
  readonly open: Map<Command, number>;
  readonly tried: Set<Command>;
  readonly out: Set<Attempt>;
  /** When a command last came, was sent or ended. */
  movedAtMs: number;
}

export function loneWaits(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = new Map<string, Watched>();
  let running = 0;
  const begin = (): void => {
    for (const { name, stations } of documentedGroups(fleet).values()) {
      if (!planBoundsOf(fleet, name).quiet) continue;
      const paceMs = 1_000 / Math.min(...stations.map(({ capacityPerSecond }) => capacityPerSecond));
      const nothing = { open: new Map(), tried: new Set<Command>(), out: new Set<Attempt>() };
      groups.set(name, { aloneMs: ALONE_MS + paceMs, ...nothing, movedAtMs: world.nowMs });
    }
  };
  begin();
  const moved = (name: string): Watched | undefined => {
    const group = groups.get(name);
    if (group !== undefined) group.movedAtMs = world.nowMs;
    return group;
  };
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      begin();
    },
    commandArrived({ command }) {
      const open = moved(command.group)?.open;
      open?.set(command, (open.get(command) ?? 0) + 1);
    },
    commandAnswered({ command, incarnation }) {
      if (incarnation !== running) return;
      const group = moved(command.group);
      const left = (group?.open.get(command) ?? 1) - 1;
      if (left > 0) return void group?.open.set(command, left);
      group?.open.delete(command);
      group?.tried.delete(command);
    },
    attemptBegan(attempt) {
      const group = moved(attempt.group);
      group?.out.add(attempt);
      if (group?.open.has(attempt.command) === true) group.tried.add(attempt.command);
    },
    attemptEnded(attempt) {
      if (attempt.incarnation === running) moved(attempt.group)?.out.delete(attempt);
    },
    tick() {
      for (const [name, group] of groups) look(fleet, name, group);
    },
  };
}

function look(fleet: Fleet, name: string, { open, tried, out, movedAtMs, aloneMs }: Watched): void {
  const { world } = fleet;
  const { nowMs } = world;
  const stillMs = nowMs - movedAtMs;
  if (out.size > 0 || stillMs < STILL_MS) return;
  const left = [...open.keys()].filter((command) => !tried.has(command));
  if (left.length === 0) return;
  if (faultTimelineOf(fleet).touches(name, nowMs - SETTLED_MS, nowMs)) return;
  judged(world, INVARIANT);
  if (stillMs < aloneMs) return;
  world.violate(
    INVARIANT,
    `${name}: ${left[0]?.id} and ${left.length - 1} others wait and were never sent; nothing is out, every station is well, and nothing has happened for ${Math.round(stillMs)} ms`,
  );
}
