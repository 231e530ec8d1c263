/**
 * What a station decides about a command before it forwards it. A command with an epoch older than
 * the newest seen comes from a gateway that has been replaced, and is refused (the fencing token of
 * lease literature). A command whose deadline has passed is of no more use to its source, and is
 * dropped. Time left counts from the arrival; the guard checks it last, just before sending:
 *
 *   arrived ──admit──► stale                       refused
 *                ├───► unproven                    refused
 *                └───► admitted ──beforeSending──► stale      refused: a newer epoch was seen while it waited here
 *                                          ├─────► late       dropped
 *                                          └─────► in-time    sent, with the time left
 *
 * It has no clock, no socket and no messages for callers: its user passes the times in and reports
 * the result.
 */

import { NO_DEADLINE } from "ground-station-failover";
import { MAX_EPOCHS_AHEAD } from "ground-station-failover/core";

/**
 * Whether a command that has arrived may go on. `stale`: a newer epoch than its own has been seen.
 * `unproven`: its own epoch is newer than any seen, and may be forged.
 */
type Admission = Admitted | Stale | { readonly type: "unproven" };

/** The command may go on until `deadlineMs`, while no newer epoch than its own is seen. */
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
 * Whether an admitted command may be sent now. `timeLeftMs` is sent along with it; `Infinity` if it
 * has no deadline.
 */
type Departure = { readonly type: "in-time"; readonly timeLeftMs: number } | { readonly type: "late" } | Stale;

export class StationGuard {
  #epochSeen = 0;
  /** The newest epoch that a gateway has proved. */
  #epochProven = 0;

  /** The newest epoch that a command or the service behind has shown; 0 if none has. */
  get epochSeen(): number {
    return this.#epochSeen;
  }

  /**
   * Judges a command that arrived at `arrivedMs`. Its epoch counts as seen from then on, even if
   * the command is dropped later.
   *
   * `epoch`: undefined if the command carries none; it is then never stale. `timeLeftMs`: as
   * received, at least 0; undefined if its source waits for ever. `isProven`: true if the epoch is
   * proved to come from a gateway. The guard believes an epoch newer than the newest seen only from
   * a gateway, and then however far ahead it is: after a failover, a station which may have seen no
   * epoch yet must believe the same epochs as the station before it.
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
   * The last check before a command leaves. At exactly its deadline it is late, because the answer
   * needs time too.
   */
  beforeSending({ epoch, deadlineMs }: Omit<Admitted, "type">, nowMs: number): Departure {
    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };
    const timeLeftMs = deadlineMs - nowMs;
    return timeLeftMs <= 0 ? { type: "late" } : { type: "in-time", timeLeftMs };
  }

  /**
   * Notes an epoch that was seen elsewhere, for example in a refusal of the service behind, which
   * proves nothing. An older epoch, or none, changes nothing. An epoch too far ahead of those that
   * gateways have proved is ignored, because it cannot be true: gateways observe the same bound. If
   * the guard believed it, every true epoch would be stale, and no gateway would exceed it.
   */
  noteEpochSeen(epoch: number | undefined): void {
    if (epoch === undefined || epoch <= this.#epochSeen || epoch > this.#epochProven + MAX_EPOCHS_AHEAD) return;
    this.#epochSeen = epoch;
  }

  #isOver(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < this.#epochSeen;
  }
}
