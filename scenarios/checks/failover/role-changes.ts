/**
 * B4: the active station changes for a reason, and not too often.
 * - In a group that no fault touches, no station is declared down, none is promoted, and no circuit
 *   opens.
 * - In other groups a promotion for failure follows a fault that touched its group, no longer ago
 *   than a gateway remembers (`memoryMs`). A station that is dead for good excuses only what
 *   follows its death. Not judged if a station counts as silent as soon as two commands are late
 *   (`unansweredAfter` below 50 ms): that happens on any day.
 * - The number of role changes for failures in a minute is bounded by the dwells and doubts.
 * - `failback-holds-down`: a failback happens only if it is automatic, and only after the hold-down
 *   since the station last failed or was silent. Each failure of the station doubles the hold-down.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import type { Span } from "../fault-timeline.ts";
import { faultTimelineOf } from "../fault-timeline.ts";
import { planBoundsOf } from "../plan-bounds.ts";
import { SlidingCount } from "../sliding-count.ts";
import { calmGroups } from "./calm-neighbour.ts";
import { holdDownMs } from "./hold-down.ts";

const INVARIANT = "no-needless-role-change";
const FAILBACK = "failback-holds-down";
/**
 * `SupervisorOptions`: declarations within this time of each other double the dwell, up to this.
 */
const FLAP_WINDOW_MS = 60_000;
const LONGEST_DWELL_MS = 30_000;
/**
 * `FailoverOptions.doubtMs`: a station that failed calls is not promoted again for 5 s, then 10,
 * 20, 40, 80.
 */
const MOST_DOUBTS_A_MINUTE = 5;
const LEAST_SILENCE_MS = 50;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

export function roleChanges(fleet: Fleet): FleetObserver {
  const calm = calmGroups(fleet);
  const groups = documentedGroups(fleet);
  if (calm.size > 0) fleet.world.sometimes("calm group watched");
  /** When each station was replaced for failing, oldest first. */
  let failures: Map<string, number[]> = new Map();
  let changes: Map<string, SlidingCount> = new Map();
  /** Since when each station has been alive without a break, by the gateway's account. */
  let wellSinceMs: Map<string, number> = new Map();
  const failuresOf = (group: string, station: string): number[] => failures.get(`${group}/${station}`) ?? [];
  return {
    gatewayStarted() {
      failures = new Map();
      wellSinceMs = new Map();
      changes = new Map([...groups.keys()].map((name) => [name, new SlidingCount(60_000)]));
    },
    gatewayEvent(event) {
      const settings = groups.get(event.group) as DocumentedGroup;
      if (calm.has(event.group)) refuseInCalm(fleet, event);
      if (event.type === "declaration" && event.to === "alive")
        wellSinceMs.set(`${event.group}/${event.node}`, event.atMs);
      if (event.type !== "promoted") return;
      const { group, station, from, cause, atMs } = event;
      const wellMs = wellSinceMs.get(`${group}/${station}`) ?? Number.NEGATIVE_INFINITY;
      if (cause === "failback") heldDown(fleet, settings, failuresOf(group, station), wellMs, event);
      if (cause !== "failure") return;
      failures.set(`${group}/${from}`, [...failuresOf(group, from), atMs]);
      if (settings.commandPath.unansweredAfterMs >= LEAST_SILENCE_MS) refuseUncaused(fleet, settings, event);
      refuseTooOften(fleet, settings, changes.get(event.group) as SlidingCount, event);
    },
  };
}

type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

function refuseInCalm({ world }: Fleet, event: GatewayEvent): void {
  if (event.type === "declaration" && event.to === "down") {
    world.violate(INVARIANT, `${event.node} was declared down (${event.rule}), and nothing touches ${event.group}`);
  } else if (event.type === "promoted") {
    world.violate(INVARIANT, `${event.station} was promoted for ${event.cause}, and nothing touches ${event.group}`);
  } else if (event.type === "breaker" && event.transition.to === "open") {
    world.violate(
      INVARIANT,
      `the circuit of ${event.station} opened (${event.transition.rule}), and nothing touches ${event.group}`,
    );
  }
}

function heldDown(
  { world }: Fleet,
  settings: DocumentedGroup,
  failedAtMs: readonly number[],
  wellSinceMs: number,
  { atMs, group, station }: Promoted,
): void {
  if (settings.failback.mode === "manual")
    return world.violate(FAILBACK, `${group}: back to ${station}, and nobody asked for it`);
  const lastMs = Math.max(wellSinceMs, failedAtMs.at(-1) ?? Number.NEGATIVE_INFINITY);
  const leastMs = holdDownMs(settings, failedAtMs, atMs);
  if (atMs - lastMs >= leastMs - ROUNDING_MS) return;
  world.violate(
    FAILBACK,
    `${group}: back to ${station} ${atMs - lastMs} ms after it failed or was heard again, before its hold-down of ${leastMs} ms`,
  );
}

/**
 * How long after a fault is over it can still lead to a promotion. The sum of: the memory of the
 * breaker's window, of a command under way and of a failing path; the time until a silence is
 * declared; and the time for which a station that was refused meanwhile stays closed.
 */
function memoryMs({ breaker, commands, commandPath, detector, heartbeat }: DocumentedGroup): number {
  const silenceMs = detector.ceilingMs + detector.sustainMs + 3 * heartbeat.intervalMs;
  return (
    10_000 + breaker.windowMs + breaker.openDurationMs + 2 * commands.deadlineMs + commandPath.failingForMs + silenceMs
  );
}

function refuseUncaused(fleet: Fleet, settings: DocumentedGroup, { group, station, from, evidence }: Promoted): void {
  const { nowMs } = fleet.world;
  const { quiet, serves } = planBoundsOf(fleet, group);
  // Stations that start together have their grace period to be heard.
  if (!quiet || !serves) return;
  const sinceMs = nowMs - memoryMs(settings);
  if (
    faultTimelineOf(fleet)
      .of(group)
      .some((span) => span.fromMs <= nowMs && excusesUntilMs(span) >= sinceMs)
  )
    return;
  const why = evidence.filter(({ verdict }) => verdict === "ineligible").map(({ detail }) => detail);
  fleet.world.violate(
    INVARIANT,
    `${group}: ${station} replaced ${from} (${why.join("; ")}), and nothing has touched the group for ${memoryMs(settings)} ms`,
  );
}

/** A station that is dead for good fails only once. */
function excusesUntilMs({ fault, fromMs, untilMs }: Span): number {
  return fault.kind === "crash" && untilMs === Number.POSITIVE_INFINITY ? fromMs : untilMs;
}

function refuseTooOften(
  fleet: Fleet,
  settings: DocumentedGroup,
  lately: SlidingCount,
  { group, atMs }: Promoted,
): void {
  lately.add(atMs);
  // A probe that succeeds ends every doubt, and without a dwell a silence may come and go at any
  // rate.
  if (settings.probes || settings.detector.minDwellMs < 1) return;
  // Each replacement needs a declaration or a doubt; if no station is eligible, one declaration can
  // lead to two replacements.
  const most = settings.stations.length * (2 * mostDeclarations(settings.detector.minDwellMs) + MOST_DOUBTS_A_MINUTE);
  const changes = lately.total(atMs);
  if (changes > most)
    fleet.world.violate(
      INVARIANT,
      `${group}: ${changes} role changes in a minute for failures; dwells and doubts leave room for ${most}`,
    );
}

/** How often a station can be declared down in a minute, if each dwell is twice the last. */
function mostDeclarations(minDwellMs: number): number {
  let declarations = 1;
  let sumMs = 0;
  for (let dwellMs = minDwellMs; sumMs + dwellMs <= FLAP_WINDOW_MS; dwellMs = Math.min(2 * dwellMs, LONGEST_DWELL_MS)) {
    sumMs += dwellMs;
    declarations++;
  }
  return declarations;
}
