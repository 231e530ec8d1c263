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
  /** When something was first served, by group; true time. */
  readonly #servedAtMs: Map<string, number> = new Map();
  /** Told to those who ask. */
  readonly hears: Required<Pick<FleetObserver, "gatewayStarted" | "attemptEnded">>;

  constructor(fleet: Fleet) {
    const settings = documentedGroups(fleet);
    this.hears = {
      gatewayStarted: () => this.#servedAtMs.clear(),
      attemptEnded: (attempt) => {
        const group = settings.get(attempt.group);
        if (group === undefined || this.has(attempt.group) || endOf(attempt, group) !== "served") return;
        this.#servedAtMs.set(attempt.group, fleet.world.nowMs);
      },
    };
  }

  has(group: string): boolean {
    return this.#servedAtMs.has(group);
  }

  /** … and before `atMs`? */
  hadBefore(group: string, atMs: number): boolean {
    return (this.#servedAtMs.get(group) ?? Number.POSITIVE_INFINITY) < atMs;
  }
}
