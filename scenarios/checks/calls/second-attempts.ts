/**
 * `second-attempts-are-few`: a command whose attempt is late may get a second attempt at another
 * station while the first is still out, but a slow station must not double the load of the other
 * one. In any 10 s there are at most five of them, or a tenth of the commands that came if that is
 * more. If a command goes on because its station was declared down or replaced, that is not a
 * second attempt in this sense. Only commands that came once are counted: another sending of the
 * same command is another call.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, FleetObserver } from "../../fleet/observer.ts";
import { SlidingCount } from "../sliding-count.ts";

/**
 * docs/guide/failover.md: hedges are at most this share of all calls, and at least this many are
 * allowed in this time.
 */
const RATIO = 0.1;
const RESERVE = 5;
const WINDOW_MS = 10_000;

/** The counts of one group, on its gateway's clock. */
class Counted {
  readonly arrived: SlidingCount = new SlidingCount(WINDOW_MS);
  readonly second: SlidingCount = new SlidingCount(WINDOW_MS);
}

export function secondAttempts(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups: Map<string, Counted> = new Map();
  const of = (group: string): Counted => {
    const known = groups.get(group) ?? new Counted();
    groups.set(group, known);
    return known;
  };
  /**
   * Commands at the running gateway: how many sendings arrived, and their attempts that are out.
   */
  const there: Map<Command, { visits: number; readonly out: Set<Attempt> }> = new Map();
  const thereOf = (command: Command): { visits: number; readonly out: Set<Attempt> } => {
    const known = there.get(command) ?? { visits: 0, out: new Set() };
    there.set(command, known);
    return known;
  };
  /** Attempts that their commands left, because the station was declared down or replaced. */
  const left: WeakSet<Attempt> = new WeakSet();
  const wentOn = (group: string, station: string): void => {
    for (const { out } of there.values())
      for (const attempt of out) if (attempt.group === group && attempt.station === station) left.add(attempt);
  };
  let running = 0;
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      groups.clear();
      there.clear();
    },
    commandArrived({ command }) {
      thereOf(command).visits++;
      of(command.group).arrived.add(localMs());
    },
    gatewayEvent(event) {
      if (event.type === "declaration" && event.to === "down") wentOn(event.group, event.node);
      else if (event.type === "promoted") wentOn(event.group, event.from);
    },
    attemptBegan(attempt) {
      const { command, group, station } = attempt;
      const { visits, out } = thereOf(command);
      const counted = of(group);
      const isSecond = [...out].some((one) => one.station !== station && !one.signal.aborted && !left.has(one));
      out.add(attempt);
      if (!isSecond || visits !== 1) return;
      const nowMs = localMs();
      counted.second.add(nowMs);
      const [second, arrived] = [counted.second.total(nowMs), counted.arrived.total(nowMs)];
      if (second <= Math.max(RESERVE, RATIO * arrived)) return;
      world.violate(
        "second-attempts-are-few",
        `${group}: ${command.id} goes to ${station} as well; that makes ${second} second attempts in 10 s, of ${arrived} commands that came`,
      );
    },
    attemptEnded(attempt) {
      if (attempt.incarnation === running) there.get(attempt.command)?.out.delete(attempt);
    },
  };
}
