/**
 * A gateway that hears no station at all suspects itself before the stations [D7]. This applies if
 * at least two stations are expected, and no heartbeat of any station has counted since the
 * suspected one fell silent. Then the gateway announces an abstention first and declares no station
 * down for the announced time, unless a station is heard again before. A silence past the
 * detector's ceiling is declared anyway. The gateway must not abstain while stations of any group
 * are heard, nor for longer than until the last of them to fall silent is past its ceiling
 * (`doubt-is-short`).
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import { knowsBeats } from "./detector.ts";
import { leastSilenceMs } from "./model-bounds.ts";

/**
 * If two heard stations fall silent together, that is all of them; a single one may really be lost.
 */
const SEVERAL = 2;
/** A heartbeat this recent may not be known to all groups yet. */
const HEARING_MS = 5;
/** A threshold from this level on is far from the clear threshold. */
const HIGH_LEVEL = 6;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

type Abstention = GatewayEvent & { type: "abstention" };
type LivenessChange = GatewayEvent & { type: "declaration" };

/** A group's abstention because no station is heard, on the gateway's clock. */
interface Doubt {
  readonly sinceMs: number;
  readonly untilMs: number;
}

export function hearing(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups = documentedGroups(fleet);
  const doubts: Map<string, Doubt> = new Map();
  const stations = new PerStation(() => ({ heard: false, expected: false }));
  /** When a heartbeat of any station last counted. */
  let newestMs = Number.NEGATIVE_INFINITY;
  const declaredDown = ({ group, node, atMs, silentForMs }: LivenessChange): void => {
    const doubt = doubts.get(group);
    const doubted = doubt !== undefined && doubt.sinceMs > newestMs;
    const { ceilingMs } = (groups.get(group) as DocumentedGroup).detector;
    const pastCeiling = silentForMs !== undefined && silentForMs >= ceilingMs - ROUNDING_MS;
    if (doubted && !pastCeiling && atMs < doubt.untilMs - ROUNDING_MS && stations.of(group, node).heard)
      world.violate(
        "abstention-is-kept",
        `${group}/${node}: down at ${atMs}; it hears nobody, and was to wait for that until ${doubt.untilMs}`,
      );
    if (doubted || silentForMs === undefined || pastCeiling) return;
    if (newestMs > atMs - silentForMs / 2 - HEARING_MS) return;
    if (stations.all.filter(({ expected }) => expected).length < SEVERAL) return;
    world.violate(
      "doubts-its-hearing",
      `${group}/${node}: down at ${atMs} after ${silentForMs} ms of silence; nobody was heard since ${newestMs}, and it did not doubt that first`,
    );
  };
  const beatsKnown = [...groups.values()].every((group) => knowsBeats(fleet, group));
  const begunDoubt = ({ group, atMs, untilMs }: Abstention): void => {
    doubts.set(group, { sinceMs: atMs, untilMs });
    const { ceilingMs } = (groups.get(group) as DocumentedGroup).detector;
    if (beatsKnown && untilMs > newestMs + ceilingMs + ROUNDING_MS)
      world.violate(
        "doubt-is-short",
        `${group}: it doubts its hearing until ${untilMs}; it heard somebody at ${newestMs} last, and the ceiling is ${ceilingMs} ms`,
      );
    if (
      beatsKnown &&
      newestMs > atMs - hearsWithinMs(groups.get(group) as DocumentedGroup) &&
      newestMs < atMs - HEARING_MS
    )
      world.violate("doubts-with-reason", `${group}: at ${atMs} it says that it hears nobody; it did at ${newestMs}`);
  };
  return {
    gatewayStarted() {
      doubts.clear();
      stations.clear();
      newestMs = Number.NEGATIVE_INFINITY;
    },
    beatCounted(group, station) {
      stations.of(group, station).heard = true;
      newestMs = fleet.gateway?.nowMs() ?? newestMs;
    },
    gatewayEvent(event) {
      if (event.type === "abstention" && event.reason === "observer-isolated") begunDoubt(event);
      if (event.type !== "declaration") return;
      if (event.to === "down") declaredDown(event);
      stations.of(event.group, event.node).expected = event.to === "alive" || event.to === "suspected";
    },
  };
}

/**
 * A station that was heard this shortly before a declaration was heard after half of that silence,
 * and after the instant at which the level was no longer clear. For the normal model both instants
 * are at least this long ago. For the other models it is only known that they were not just now,
 * and nothing is known if the threshold is hardly above the clear threshold.
 */
function hearsWithinMs({ detector }: DocumentedGroup): number {
  if (detector.model !== "normal") return detector.threshold >= HIGH_LEVEL ? 2 * HEARING_MS : 0;
  const declareMs = leastSilenceMs(detector, detector.threshold);
  return Math.min(declareMs / 2, declareMs - leastSilenceMs(detector, detector.clearThreshold)) - ROUNDING_MS;
}
