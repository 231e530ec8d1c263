/**
 * Tells whether a group has served anything yet, for the gateway process that runs now. If every
 * command so far was wrong by its own fault, a gateway cannot tell such callers from stations that
 * fail or refuse everything. Then nothing that the gateway does can be called needless. The same
 * holds while all served commands were sent before the first failed one: a station that has just
 * begun to fail still finishes the work that it already has.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import { endOf } from "./attempt-ends.ts";

export class ServedYet {
  /** When something was first served, by group; true time. */
  readonly #servedAtMs: Map<string, number> = new Map();
  /** When the first failed command was sent, by group, on its gateway's clock. */
  readonly #failedFromMs: Map<string, number> = new Map();
  /** Groups that have served a command that was sent later than that. */
  readonly #servedSince: Set<string> = new Set();
  /** Events that the check needs. */
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

  /**
   * Whether nothing has failed yet, or a command was served that was sent after the first failed
   * one.
   */
  hasSinceFirstFailure(group: string): boolean {
    return !this.#failedFromMs.has(group) || this.#servedSince.has(group);
  }

  has(group: string): boolean {
    return this.#servedAtMs.has(group);
  }

  /** Whether that was so before `atMs`. */
  hadBefore(group: string, atMs: number): boolean {
    return (this.#servedAtMs.get(group) ?? Number.POSITIVE_INFINITY) < atMs;
  }
}
