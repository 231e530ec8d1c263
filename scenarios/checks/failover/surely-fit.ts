/**
 * Stations that are surely eligible by all that their gateway can know, told from what was declared
 * and from what became of commands, and not from the gateway's own status. A gateway that calls
 * such a station ineligible has no excuse in it. For an excuse only one side counts, so this is
 * narrow: a station that was ever replaced, or of which anything under this gateway process came to
 * nothing or took long, is none of these, although it may be eligible.
 */
import type { FailoverStatus } from "ground-station-failover";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import { endOf } from "../calls/attempt-ends.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups, LEAST_WORTH_A_SECOND_MS } from "../documented.ts";
import { PerStation } from "../per-station.ts";

type StationStatus = Pick<FailoverStatus["stations"][number], "name" | "assessment">;

interface Seen {
  alive: boolean;
  /**
   * Its circuit opened, somebody took it out of service or replaced it, or a failback to it was
   * given up.
   */
  marked: boolean;
  /** An attempt at it was not served. */
  failed: boolean;
  readonly out: Set<Attempt>;
}

export class SurelyFit {
  readonly #fleet: Fleet;
  readonly #settings: ReadonlyMap<string, DocumentedGroup>;
  readonly #stations = new PerStation<Seen>(() => ({ alive: false, marked: false, failed: false, out: new Set() }));
  #running = 0;
  /** Told to those who ask. */
  readonly hears: Required<Pick<FleetObserver, "gatewayStarted" | "gatewayEvent" | "attemptBegan" | "attemptEnded">>;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#settings = documentedGroups(fleet);
    this.hears = {
      gatewayStarted: ({ incarnation }) => {
        this.#running = incarnation;
        this.#stations.clear();
      },
      gatewayEvent: (event) => this.#heard(event),
      attemptBegan: (attempt) => void this.#stations.of(attempt.group, attempt.station).out.add(attempt),
      attemptEnded: (attempt) => this.#ended(attempt),
    };
  }

  has(group: string, station: string): boolean {
    const { alive, marked, failed, out } = this.#stations.of(group, station);
    if (!alive || marked || failed) return false;
    const { nowMs } = this.#fleet.world;
    return [...out].every(({ atMs }) => nowMs - atMs < LEAST_WORTH_A_SECOND_MS);
  }

  /** Is `station` eligible, by its gateway's own word or by all that this one can know? */
  isFit(group: string, { name, assessment }: StationStatus): boolean {
    return assessment.eligible || this.has(group, name);
  }

  #heard(event: GatewayEvent): void {
    const { type, group } = event;
    if (type === "declaration") this.#stations.of(group, event.node).alive = event.to === "alive";
    else if (type === "breaker" || type === "maintenance" || type === "handover-ended")
      this.#stations.of(group, event.station).marked = true;
    else if (type === "promoted") this.#stations.of(group, event.from).marked = true;
  }

  #ended(attempt: Attempt): void {
    if (attempt.incarnation !== this.#running) return;
    const seen = this.#stations.of(attempt.group, attempt.station);
    seen.out.delete(attempt);
    const settings = this.#settings.get(attempt.group) as DocumentedGroup;
    if (endOf(attempt, settings) !== "served") seen.failed = true;
  }
}
