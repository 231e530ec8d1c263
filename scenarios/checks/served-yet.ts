/**
 * Has anything been served in a group yet, for the gateway process that runs now? Where every command so far was wrong by its
 * own fault, nobody can tell callers that ask for nothing else from stations that fail, or refuse, everything; nothing
 * that a gateway does then can be called needless.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { endOf } from "./attempt-ends.ts";
import { documentedGroups } from "./documented.ts";

export class ServedYet {
  readonly #groups: Set<string> = new Set();
  /** Told to those who ask. */
  readonly hears: Required<Pick<FleetObserver, "gatewayStarted" | "attemptEnded">>;

  constructor(fleet: Fleet) {
    const settings = documentedGroups(fleet);
    this.hears = {
      gatewayStarted: () => this.#groups.clear(),
      attemptEnded: (attempt) => {
        const group = settings.get(attempt.group);
        if (group !== undefined && endOf(attempt, group) === "served") this.#groups.add(attempt.group);
      },
    };
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }
}
