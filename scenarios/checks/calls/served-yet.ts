/**
 * Has anything been served in a group yet, for the gateway process that runs now? Where every
 * command so far was wrong by its own fault, nobody can tell callers that ask for nothing else from
 * stations that fail, or refuse, everything; nothing that a gateway does then can be called
 * needless. Nor can they be told apart while all that was served had been sent before the first
 * that failed: a station that has just begun to fail finishes what it was given before.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import { endOf } from "./attempt-ends.ts";

export class ServedYet {
  /** When something was first served, by group; true time. */
  readonly #servedAtMs: Map<string, number> = new Map();
  /** When the first command was sent that failed, by group; its gateway's clock. */
  readonly #failedFromMs: Map<string, number> = new Map();
  /** Groups in which one that was sent later was served. */
  readonly #servedSince: Set<string> = new Set();
  /** Told to those who ask. */
  readonly hears: Required<Pick<FleetObserver, "gatewayStarted" | "attemptEnded">>;

  constructor(fleet: Fleet) {
    const settings = documentedGroups(fleet);
    this.hears = {
      gatewayStarted: () => {
        this.#servedAtMs.clear();
        this.#failedFromMs.clear();
        this.#servedSince.clear();
      },
      attemptEnded: (attempt) => {
        const settingsOf = settings.get(attempt.group);
        if (settingsOf !== undefined) this.#ended(attempt, endOf(attempt, settingsOf), fleet.world.nowMs);
      },
    };
  }

  #ended({ group, localMs }: Attempt, end: ReturnType<typeof endOf>, nowMs: number): void {
    const failedFromMs = this.#failedFromMs.get(group) ?? Number.POSITIVE_INFINITY;
    if (end === "failed") this.#failedFromMs.set(group, Math.min(failedFromMs, localMs));
    if (end !== "served") return;
    if (!this.has(group)) this.#servedAtMs.set(group, nowMs);
    if (localMs >= failedFromMs) this.#servedSince.add(group);
  }

  /** Has nothing failed yet, or was something served that was sent after the first that did? */
  hasSinceFirstFailure(group: string): boolean {
    return !this.#failedFromMs.has(group) || this.#servedSince.has(group);
  }

  has(group: string): boolean {
    return this.#servedAtMs.has(group);
  }

  /** … and before `atMs`? */
  hadBefore(group: string, atMs: number): boolean {
    return (this.#servedAtMs.get(group) ?? Number.POSITIVE_INFINITY) < atMs;
  }
}
