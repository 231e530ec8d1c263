/**
 * Counts the commands at one group of the gateway and their attempts that are out, from outside: at
 * the points where commands arrive and attempts are sent. A command may have two attempts out (a
 * hedge). A command whose station fell silent may wait for another station while the gateway still
 * listens to its attempt there. So the number of waiting commands is known between two bounds,
 * which are the same number if neither is the case.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Attempt, Command } from "../../fleet/observer.ts";

/** A command at the gateway. */
interface AtTheDoor {
  visits: number;
  readonly out: Set<Attempt>;
  attempted: boolean;
}

export class Door {
  readonly #commands: Map<Command, AtTheDoor> = new Map();
  readonly #out: Map<string, Set<Attempt>> = new Map();
  /** Attempts whose station was declared down, or replaced for failing, while they were out. */
  readonly #left: Set<Attempt> = new Set();
  readonly #hasLedger: boolean;
  /** Sendings that have arrived and are not answered. */
  visits = 0;
  /** Commands without any attempt yet. */
  untried = 0;

  /**
   * `hasLedger`: the gateway keeps answers of keys, so that a command may also wait for its answer
   * to be kept, or for another sending of it. Default: no.
   */
  constructor(hasLedger = false) {
    this.#hasLedger = hasLedger;
  }

  arrived(command: Command): void {
    this.visits++;
    const known = this.#commands.get(command);
    if (known !== undefined) known.visits++;
    else {
      this.#commands.set(command, { visits: 1, out: new Set(), attempted: false });
      this.untried++;
    }
  }

  answered(command: Command): void {
    const known = this.#commands.get(command);
    if (known === undefined) return;
    this.visits--;
    if (--known.visits > 0) return;
    this.#commands.delete(command);
    if (!known.attempted) this.untried--;
  }

  /** Returns how many attempts are now out at its station. */
  began(attempt: Attempt): number {
    const known = this.#commands.get(attempt.command);
    if (known?.attempted === false) {
      known.attempted = true;
      this.untried--;
    }
    known?.out.add(attempt);
    const there = this.#out.get(attempt.station) ?? new Set();
    this.#out.set(attempt.station, there.add(attempt));
    return there.size;
  }

  ended(attempt: Attempt): void {
    this.#commands.get(attempt.command)?.out.delete(attempt);
    this.#out.get(attempt.station)?.delete(attempt);
    this.#left.delete(attempt);
  }

  heard(event: GatewayEvent): void {
    const station =
      event.type === "declaration" && event.to === "down"
        ? event.node
        : event.type === "promoted" && event.cause === "failure"
          ? event.from
          : undefined;
    if (station === undefined) return;
    for (const attempt of this.#out.get(station) ?? []) this.#left.add(attempt);
  }

  /** All attempts out at `station`, also those whose callers have left. */
  outAt(station: string): number {
    return this.#out.get(station)?.size ?? 0;
  }

  /** How many attempts are out, by station. */
  get out(): [station: string, attempts: number][] {
    return [...this.#out].map(([station, attempts]) => [station, attempts.size]);
  }

  /** How many commands wait or are parked, at least and at most. */
  waiting(): { readonly least: number; readonly most: number } {
    let [least, most] = [this.visits, this.visits];
    for (const { visits, out } of this.#commands.values()) {
      const wanted = [...out].filter(({ signal }) => !signal.aborted);
      if (wanted.length === 0) continue;
      least -= Math.min(visits, wanted.length);
      if (wanted.some((attempt) => !this.#left.has(attempt))) most--;
    }
    return { least: this.#hasLedger ? 0 : least, most };
  }
}
