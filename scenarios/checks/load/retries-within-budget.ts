/**
 * B1: counts how many attempts at each station are extra. A command's first attempt at a station is
 * base load there, once for each time that the command came to the gateway (a source's own
 * repetition is a new call). Every further one is extra, whatever its cause: a retry, a parked
 * command that goes on, a re-send after the stations' roles were swapped twice. Attempts that were
 * never sent, and those that a station refused for their epoch, may be made up for free.
 *
 * ADR 0004 counts calls over slightly less than the window and extra attempts over slightly more,
 * so the bound holds in the exact window without any tolerance, on the gateway's own clock. It is
 * recounted here from what was sent.
 *
 * `budget-keeps-books`: what a budget reports of itself agrees with that recount, so it refuses no
 * more than it must, either. An attempt that follows one without effect may be on its books as an
 * extra one, as a call or not at all.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import { SlidingCount } from "../sliding-count.ts";
import { lookAround } from "../status-round.ts";

/**
 * ADR 0004: the whole number of extra attempts that a window may hold however few calls it has: the
 * ratio's share at ten calls a second.
 */
function reserveOf({ budgetRatio, budgetWindowMs }: DocumentedGroup["retry"]): number {
  const perWindow = Math.round(budgetRatio * budgetWindowMs * 1e6) / 1e8;
  return budgetRatio === 0 ? 0 : Math.max(1, Math.floor(perWindow));
}

/** ADR 0004: the number of buckets of a window. */
const SLICES = 20;

/** The attempts at one station, as one gateway process has sent them. */
class Door {
  readonly calls: SlidingCount;
  readonly extra: SlidingCount;
  /** Attempts that replaced one without effect. */
  readonly madeUp: SlidingCount;
  /** Counted over one bucket less and one more, because the buckets allow either. */
  readonly fewestCalls: SlidingCount;
  readonly mostExtra: SlidingCount;
  readonly mostMadeUp: SlidingCount;
  /** Calls that may have allowed an extra attempt which is still pending. */
  readonly callsBefore: SlidingCount;
  /** How often each command's base load has been used up. */
  readonly used: Map<Command, number> = new Map();
  /** How often each command had come to the gateway by then. */
  readonly usedAt: Map<Command, number> = new Map();
  /** Commands whose next attempt replaces one without effect. */
  readonly undone: Set<Command> = new Set();

  constructor({ retry: { budgetWindowMs: windowMs }, commands: { deadlineMs } }: DocumentedGroup) {
    const sliceMs = windowMs / SLICES;
    this.calls = new SlidingCount(windowMs);
    this.extra = new SlidingCount(windowMs);
    this.madeUp = new SlidingCount(windowMs);
    this.fewestCalls = new SlidingCount(windowMs - sliceMs);
    this.mostExtra = new SlidingCount(windowMs + sliceMs);
    this.mostMadeUp = new SlidingCount(windowMs + sliceMs);
    this.callsBefore = new SlidingCount(windowMs + deadlineMs);
  }

  call(atMs: number): void {
    for (const count of [this.calls, this.fewestCalls, this.callsBefore]) count.add(atMs);
  }

  /**
   * One of several sendings of a command by its source: the check cannot see to which of them the
   * attempt belongs.
   */
  callOrAgain(atMs: number): void {
    for (const count of [this.calls, this.mostExtra, this.callsBefore]) count.add(atMs);
  }

  again(atMs: number): void {
    for (const count of [this.extra, this.mostExtra]) count.add(atMs);
  }

  inPlace(atMs: number): void {
    for (const count of [this.madeUp, this.mostMadeUp, this.callsBefore]) count.add(atMs);
  }
}

export function retriesWithinBudget(fleet: Fleet): FleetObserver {
  const groups = documentedGroups(fleet);
  let running = 0;
  const doors = new PerStation((group) => new Door(groups.get(group) as DocumentedGroup));
  /**
   * How often each command came to the running gateway process, and how many of these sendings are
   * there at this moment.
   */
  let visits: Map<Command, number> = new Map();
  let open: Map<Command, number> = new Map();
  /**
   * Commands that were there more than once at the same time: the check cannot see to which sending
   * an attempt belongs.
   */
  let mixed: WeakSet<Command> = new WeakSet();
  return {
    gatewayStarted({ incarnation }) {
      running = incarnation;
      doors.clear();
      visits = new Map();
      open = new Map();
      mixed = new WeakSet();
    },
    commandArrived({ command }) {
      visits.set(command, (visits.get(command) ?? 0) + 1);
      const there = (open.get(command) ?? 0) + 1;
      open.set(command, there);
      if (there > 1) mixed.add(command);
    },
    commandAnswered({ command, incarnation }) {
      if (incarnation !== running) return;
      const there = (open.get(command) ?? 1) - 1;
      if (there > 0) open.set(command, there);
      else open.delete(command);
    },
    attemptBegan(attempt) {
      const { command, localMs, group, station } = attempt;
      const door = doors.of(group, station);
      if (mixed.has(command)) return door.callOrAgain(localMs);
      const used = door.used.get(command) ?? 0;
      const came = visits.get(command) ?? 0;
      if (used < came) {
        door.used.set(command, used + 1);
        const seen = door.usedAt.get(command) === came;
        door.usedAt.set(command, came);
        // The command is at the gateway again, after an attempt without effect: this is a call of
        // its own.
        door.undone.delete(command);
        return seen ? door.callOrAgain(localMs) : door.call(localMs);
      }
      if (door.undone.delete(command)) return door.inPlace(localMs);
      door.again(localMs);
      const { retry } = groups.get(group) as DocumentedGroup;
      const { maxAttempts, budgetRatio, budgetWindowMs } = retry;
      const calls = door.calls.total(localMs);
      const allowed = maxAttempts === 1 ? 0 : Math.max(budgetRatio * calls, reserveOf(retry));
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
    // On the books it may be a call, an extra attempt, or nothing.
    turnedAway: (group, station, localMs) => doors.of(group, station).inPlace(localMs),
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const settings = groups.get(look.group) as DocumentedGroup;
      for (const { name, budget } of look.status.stations) {
        const wrong = budget && misbooked(doors.of(look.group, name), budget, settings, look.process.nowMs());
        if (wrong !== undefined) fleet.world.violate("budget-keeps-books", `${look.group}/${name}: ${wrong}`);
      }
    },
  };
}

type Books = NonNullable<FailoverStatus["stations"][number]["budget"]>;

/** What is wrong with `books`, as a sentence; undefined if nothing is. */
function misbooked(
  door: Door,
  { calls, sent, pending }: Books,
  { retry }: DocumentedGroup,
  nowMs: number,
): string | undefined {
  const [fewestCalls, mostCalls] = [door.fewestCalls.total(nowMs), door.calls.total(nowMs) + door.madeUp.total(nowMs)];
  if (calls < fewestCalls || calls > mostCalls)
    return `its budget knows of ${calls} calls; there were ${fewestCalls} to ${mostCalls}`;
  const fewestSent = door.extra.total(nowMs);
  const mostSent = door.mostExtra.total(nowMs) + door.mostMadeUp.total(nowMs);
  if (sent < fewestSent || sent > mostSent)
    return `its budget knows of ${sent} extra attempts; there were ${fewestSent} to ${mostSent}`;
  const most = Math.max(retry.budgetRatio * door.callsBefore.total(nowMs), reserveOf(retry));
  return pending + sent > most && pending > 0
    ? `${pending} extra attempts are to come after ${sent}, and at most ${most} were ever allowed`
    : undefined;
}
