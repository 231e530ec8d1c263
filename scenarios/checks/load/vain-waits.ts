/**
 * `nobody-waits-for-nothing`: a command that cannot be served in time is refused early, with
 * `Retry-After`. The gateway chooses which commands it serves, so the check looks at many commands
 * together: those that end within 2 s, were never sent to a station, and have a deadline that the
 * gateway knows (from the caller's header or from the written settings). Of ten or more such
 * commands, at least half must have ended within half of their time and within 500 ms of their
 * arrival. The gateway learns that it is overloaded from the first commands that it could not
 * serve, so commands that arrive up to a second after that are not judged. Nothing is judged while
 * a station has just become active, because its capacity is not known yet. (`goodput-comes-back`
 * judges how many are served then.)
 *
 * Judged if a station has been well for 5 s plus twice the callers' patience. The patience (what
 * callers tell the gateway, and how long they really wait) and the timeout must be long enough for
 * a station at low load, at its slowest. If no attempt can be answered, or the callers of a slow
 * route leave before its answer and come again and again, stations work in vain whatever the
 * gateway does, and waiting is no worse than a refusal. Not judged either while the group has
 * served no command at all: if every route is wrong or takes too long, stations look as if they
 * failed, and are tried one command at a time.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver, Visit } from "../../fleet/observer.ts";
import type { GroupPlan } from "../../fleet/plan.ts";
import { isWide } from "../../fleet/plan.ts";
import { ServedYet } from "../calls/served-yet.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { judged, notJudged } from "../not-judged.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { SlidingCount } from "../sliding-count.ts";
import { wellBetween } from "../stretches.ts";
import { awaitedMs, hasDefaults } from "./quiet-times.ts";
import { meanWorkMs, slownessOf } from "./true-capacity.ts";

const INVARIANT = "nobody-waits-for-nothing";
const WINDOW_MS = 2_000;
const FEWEST = 10;
const MOST_WAIT_MS = 500;
const MOST_WAIT_RATIO = 0.5;
/** The gateway learns within this time from the first command that it could not serve … */
const LEARNS_MS = 1_000;
/** … and may forget it when every command was served for this long. */
const FORGETS_MS = 4_000;
/** As in `goodput-comes-back`: this long after a fault the gateway knows everything about it. */
const SETTLED_MS = 5_000;
const REFUSED_FOR_ROOM: ReadonlySet<string> = new Set([
  "OVERLOADED",
  "NO_ELIGIBLE_STATION",
  "BULKHEAD_FULL",
  "BULKHEAD_TIMEOUT",
]);

interface Watched {
  /**
   * When the first unsent command came of an unbroken series; a series breaks at a gap longer than
   * {@link FORGETS_MS}.
   */
  firstMs: number;
  lastMs: number;
  /** When a station last became active. */
  promotedAtMs: number;
  readonly unsent: SlidingCount;
  readonly vain: SlidingCount;
}

export function vainWaits(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = new Map<string, Watched>();
  for (const plan of fleet.plan.groups) {
    if (isWatched(fleet, plan))
      groups.set(plan.name, {
        firstMs: 0,
        lastMs: Number.NEGATIVE_INFINITY,
        promotedAtMs: Number.NEGATIVE_INFINITY,
        unsent: new SlidingCount(WINDOW_MS),
        vain: new SlidingCount(WINDOW_MS),
      });
  }
  if (groups.size === 0) return {};
  const sent: WeakSet<Command> = new WeakSet();
  const served = new ServedYet(fleet);
  return {
    ...served.hears,
    gatewayEvent(event) {
      const watched = event.type === "promoted" ? groups.get(event.group) : undefined;
      if (watched !== undefined) watched.promotedAtMs = world.nowMs;
    },
    attemptBegan: ({ command }) => void sent.add(command),
    commandAnswered(visit, code, retryAfterMs) {
      const { command, arrivedAtMs } = visit;
      const watched = groups.get(command.group);
      if (watched === undefined || sent.has(command)) return;
      const { nowMs } = world;
      if (code !== undefined && REFUSED_FOR_ROOM.has(code) && retryAfterMs === undefined)
        world.violate(INVARIANT, `${command.id} is refused (${code}) and not told when to come back`);
      if (nowMs - watched.lastMs > FORGETS_MS) watched.firstMs = nowMs;
      watched.lastMs = nowMs;
      if (arrivedAtMs < watched.firstMs + LEARNS_MS || !knowsDeadline(fleet, visit)) return;
      const waitedMs = nowMs - arrivedAtMs;
      watched.unsent.add(nowMs);
      if (waitedMs > Math.min(MOST_WAIT_MS, MOST_WAIT_RATIO * (visit.deadlineMs - arrivedAtMs)))
        watched.vain.add(nowMs);
      if (served.has(command.group)) judge(fleet, command.group, watched);
      else notJudged(world, INVARIANT, "every command so far was wrong");
    },
  };
}

function judge(fleet: Fleet, group: string, { unsent, vain, promotedAtMs }: Watched): void {
  const { world } = fleet;
  const { nowMs } = world;
  const ended = unsent.total(nowMs);
  if (ended < FEWEST) return;
  const fromMs = nowMs - WINDOW_MS - SETTLED_MS - 2 * (fleet.group(group).plan.callers?.patienceMs ?? 0);
  if (wellBetween(fleet, group, fromMs, nowMs).length === 0)
    return notJudged(world, INVARIANT, "no station was well for long enough");
  if (promotedAtMs > fromMs) return notJudged(world, INVARIANT, "a station has just become active");
  if (faultTimelineOf(fleet).disturbsGateway(fromMs, nowMs))
    return notJudged(world, INVARIANT, "the gateway was struck");
  judged(world, INVARIANT);
  const inVain = vain.total(nowMs);
  if (inVain <= ended / 2) return;
  world.violate(
    INVARIANT,
    `${group}: of ${ended} commands that ended in 2 s without having been sent anywhere, ${inVain} had waited for over half of their time, or over ${MOST_WAIT_MS} ms`,
  );
}

/** Whether the gateway knows the deadline of the command. */
export function knowsDeadline(fleet: Fleet, { command }: Visit): boolean {
  if (command.patienceMs !== undefined) return true;
  const { configuration } = fleet.plan;
  const commands = configuration.groups.find(({ name }) => name === command.group)?.["commands"];
  return typeof commands === "object" && commands !== null && "deadline" in commands;
}

function isWatched(fleet: Fleet, plan: GroupPlan): boolean {
  if (!isWide(plan) || plan.breakingPoints === undefined) return false;
  const { quiet, mostMs } = planBoundsOf(fleet, plan.name);
  const neededMs = 3 * (slownessOf(fleet, plan.name) * meanWorkMs(plan) + 8 * mostMs);
  const settings = documentedGroups(fleet).get(plan.name) as DocumentedGroup;
  const why =
    !quiet || !hasDefaults(fleet, plan.name)
      ? "settings of its own"
      : awaitedMs(settings, plan) < neededMs
        ? "callers wait less than a command may take, or the timeout is less"
        : undefined;
  if (why !== undefined) notJudged(fleet.world, INVARIANT, why);
  return why === undefined;
}
