/**
 * Finds stations that are surely eligible, given all that their gateway can know. It uses the
 * declarations and the outcomes of commands, and not the gateway's own status. If a gateway calls
 * such a station ineligible, that is no excuse. An excuse needs certainty in one direction only, so
 * the rule is narrow. A station does not qualify if it was ever replaced, or if any of its attempts
 * under this gateway process failed or took long. It may be eligible all the same.
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
   * Its circuit opened, an operator took it out of service, it was replaced, or a failback to it
   * was given up.
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
  /** Events that the check needs. */
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

  /**
   * Whether `station` is eligible, by its gateway's own account or by all that the gateway can
   * know.
   */
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
