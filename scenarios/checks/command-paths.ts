/**
 * F1, whose failure it was: who is replaced for failing has failed, and who has failed is replaced.
 * - `promotes-on-evidence`: something that happened speaks against the station that is replaced: it was declared down, its
 *   circuit is open, its calls came to nothing (`command-path-tally.ts`), or it is in doubt since it was replaced before.
 * - `fails-over-when-due`: while its calls come to nothing and another station is fit, it does not stay active.
 */
import type { GatewayEvent } from "../../gateway/src/compose.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../fleet/observer.ts";
import { CommandPathTally } from "./command-path-tally.ts";
import type { DocumentedGroup } from "./documented.ts";
import { documentedGroups } from "./documented.ts";
import { PerStation } from "./per-station.ts";
import type { StatusLook } from "./status-round.ts";
import { livingGateway, lookAround } from "./status-round.ts";
import { troubleOf } from "./trouble.ts";

/** `FailoverOptions.doubtMs`, and where its doubling ends. */
const DOUBT_MS = 5_000;
const LONGEST_DOUBT_MS = 80_000;
/** For so long a station may stay active although its calls fail: a few looks round. */
const LATE_MS = 2_000;
/** A gateway that was stopped finds its own work first. */
const RECOVERY_MS = 1_000;
/** Instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

/** One station, as its gateway can know it. */
class Known {
  readonly tally: CommandPathTally;
  readonly timeoutMs: number;
  readonly out: Set<Attempt> = new Set();
  isDown = false;
  circuitOpen = false;
  inMaintenance = false;
  /** How often it was replaced, and until when it can be in doubt for that. */
  replaced = 0;
  doubtUntilMs: number = Number.NEGATIVE_INFINITY;
  /** Since when it should have been replaced. */
  dueSinceMs: number = Number.POSITIVE_INFINITY;

  constructor(settings: DocumentedGroup) {
    this.tally = new CommandPathTally(settings);
    this.timeoutMs = settings.commands.timeoutMs;
  }

  replacedAt(nowMs: number): void {
    this.doubtUntilMs = nowMs + Math.min(LONGEST_DOUBT_MS, DOUBT_MS * 2 ** this.replaced++);
  }
}

export function commandPaths(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const stations = new PerStation((group) => new Known(groups.get(group) as DocumentedGroup));
  /** Until when each group's gateway distrusts itself. */
  const distrust: Map<string, number> = new Map();
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  return {
    gatewayStarted() {
      stations.clear();
      distrust.clear();
    },
    attemptBegan: (attempt) => void stations.of(attempt.group, attempt.station).out.add(attempt),
    attemptEnded(attempt) {
      const known = stations.of(attempt.group, attempt.station);
      if (!known.out.delete(attempt)) return;
      const trusted = localMs() >= (distrust.get(attempt.group) ?? 0) && !disturbed(fleet);
      known.tally.ended(attempt, trusted, localMs());
    },
    gatewayEvent(event) {
      if (event.type === "abstention") distrust.set(event.group, event.untilMs);
      else if (event.type === "breaker")
        stations.of(event.group, event.station).circuitOpen = event.transition.to === "open";
      else if (event.type === "maintenance")
        stations.of(event.group, event.station).inMaintenance = event.reason !== undefined;
      else if (event.type === "declaration") {
        const known = stations.of(event.group, event.node);
        if (known.isDown && event.to === "alive") known.tally.startAfresh(localMs());
        known.isDown = event.to === "down";
      } else if (event.type === "promoted") {
        const [from, to] = [stations.of(event.group, event.from), stations.of(event.group, event.station)];
        if (event.cause === "failure") refuseUnfounded(fleet, from, event, localMs());
        for (const known of [from, to]) {
          known.tally.startAfresh(localMs());
          known.dueSinceMs = Number.POSITIVE_INFINITY;
        }
        from.replacedAt(localMs());
      }
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      const known = stations.of(look.group, look.status.active);
      const due = known.tally.mustFail(localMs()) && isDue(look, distrust.get(look.group)) && !disturbed(fleet);
      known.dueSinceMs = due ? Math.min(known.dueSinceMs, world.nowMs) : Number.POSITIVE_INFINITY;
      if (world.nowMs - known.dueSinceMs < LATE_MS) return;
      world.violate(
        "fails-over-when-due",
        `${look.group}: calls to ${look.status.active} come to nothing, another station is fit, and it stays active`,
      );
    },
  };
}

type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

function refuseUnfounded({ world }: Fleet, from: Known, event: Promoted, nowMs: number): void {
  if (from.isDown || from.circuitOpen || from.inMaintenance || nowMs < from.doubtUntilMs) return;
  if (from.tally.mayFail(givenUp(from, nowMs), nowMs)) return;
  const why = event.evidence.filter(({ verdict }) => verdict === "unfit").map(({ detail }) => detail);
  world.violate(
    "promotes-on-evidence",
    `${event.group}: ${event.station} replaced ${event.from} (${why.join("; ")}), and nothing that happened speaks against that one`,
  );
}

/** An attempt that its gateway gives up is booked before it ends; of those whose caller hangs up in this very step, one is. */
function givenUp({ out, timeoutMs }: Known, nowMs: number): number {
  const over = [...out].filter(
    ({ signal, localMs, timeLeftMs }) =>
      signal.aborted || nowMs - localMs >= Math.min(timeLeftMs, timeoutMs) - ROUNDING_MS,
  ).length;
  return over < out.size ? over + 1 : over;
}

/** Is somebody there to be promoted, by a gateway that may decide? */
function isDue({ status, process }: StatusLook, distrustUntilMs = Number.NEGATIVE_INFINITY): boolean {
  if (status.handover !== undefined || process.nowMs() < distrustUntilMs) return false;
  return status.stations.some(
    ({ active, standing, assessment }) => !active && standing === "alive" && assessment.fit && assessment.confirmed,
  );
}

function disturbed(fleet: Fleet): boolean {
  const { nowMs } = fleet.world;
  return livingGateway(fleet) === undefined || troubleOf(fleet).disturbsGateway(nowMs - RECOVERY_MS, nowMs);
}
