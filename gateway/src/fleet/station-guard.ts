/**
 * What a station decides about a command before it carries it on. An epoch older than the newest
 * seen belongs to a gateway that has been replaced, and is refused (the fencing token of lease
 * literature); a command whose time is up is worth nothing to its source any more, and is dropped.
 * Time left counts from the arrival, and is looked at last of all:
 *
 *   arrived ──admit──► stale                       refused
 *                ├───► unproven                    refused
 *                └───► admitted ──beforeSending──► stale      refused: a newer epoch was seen while it waited here
 *                                          ├─────► late       dropped
 *                                          └─────► in-time    sent, with the time left
 *
 * It has no clock, no socket and no words for callers: whoever asks it brings the times and says
 * what became of it.
 */

import { NO_DEADLINE } from "ground-station-failover";
import { MAX_EPOCHS_AHEAD } from "ground-station-failover/core";

/**
 * May a command that has arrived go on? `stale`: a newer epoch than its own has been seen;
 * `unproven`: its own is newer, and may be made up.
 */
type Admission = Admitted | Stale | { readonly type: "unproven" };

/** It may go on until `deadlineMs`, and while no newer epoch is seen than its own. */
export interface Admitted {
  readonly type: "admitted";
  readonly epoch: number | undefined;
  readonly deadlineMs: number;
}

interface Stale {
  readonly type: "stale";
  readonly epochSeen: number;
}

/**
 * May a command that was admitted be sent now? `timeLeftMs` is what goes on with it; `Infinity`
 * where it has no deadline.
 */
type Departure = { readonly type: "in-time"; readonly timeLeftMs: number } | { readonly type: "late" } | Stale;

export class StationGuard {
  #epochSeen = 0;
  /** The newest that a gateway has proved. */
  #epochProven = 0;

  /** The newest epoch that a command, or the service behind, has shown; 0 before any has. */
  get epochSeen(): number {
    return this.#epochSeen;
  }

  /**
   * Judges a command that arrived at `arrivedMs`; its epoch counts as seen from then on, even if
   * the command is dropped later. `epoch`: undefined where it carries none, which is never stale.
   * `timeLeftMs`: as it came, at least 0; undefined where its source waits for ever. `isProven`:
   * does the epoch come from a gateway for certain? One that is newer than the newest seen is
   * believed from a gateway only, and then however far ahead it is: what one station believes, each
   * other station, which may have seen nothing yet, has to believe after a take-over.
   */
  admit(
    epoch: number | undefined,
    timeLeftMs: number | undefined,
    arrivedMs: number,
    isProven: (epoch: number) => boolean,
  ): Admission {
    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };
    if (epoch !== undefined && epoch > this.#epochSeen) {
      if (!isProven(epoch)) return { type: "unproven" };
      this.#epochSeen = epoch;
      this.#epochProven = epoch;
    }
    return { type: "admitted", epoch, deadlineMs: timeLeftMs === undefined ? NO_DEADLINE : arrivedMs + timeLeftMs };
  }

  /**
   * The last look before a command leaves: at its deadline it is late, because the way behind takes
   * time too.
   */
  beforeSending({ epoch, deadlineMs }: Omit<Admitted, "type">, nowMs: number): Departure {
    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };
    const timeLeftMs = deadlineMs - nowMs;
    return timeLeftMs <= 0 ? { type: "late" } : { type: "in-time", timeLeftMs };
  }

  /**
   * An epoch that was seen elsewhere, such as in a refusal of the service behind, which proves
   * nothing. An older one, or none, changes nothing; nor does one that is so far ahead of what
   * gateways have proved that it cannot be one: every true one would be old then, and no gateway
   * would go above it, because gateways keep to the same bound.
   */
  noteEpochSeen(epoch: number | undefined): void {
    if (epoch === undefined || epoch <= this.#epochSeen || epoch > this.#epochProven + MAX_EPOCHS_AHEAD) return;
    this.#epochSeen = epoch;
  }

  #isOver(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < this.#epochSeen;
  }
}
