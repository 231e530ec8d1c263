/**
 * What a station decides about a command before it carries it on. An epoch older than the newest seen belongs to a
 * gateway that has been replaced, and is refused (the fencing token of lease literature); a command whose time is up is
 * worth nothing to its source any more, and is dropped. Time left counts from the arrival, and is looked at last of all:
 *
 *   arrived ──admit──► stale                       refused
 *                └───► admitted ──beforeSending──► stale      refused: a newer epoch was seen while it waited here
 *                                          ├─────► late       dropped
 *                                          └─────► in-time    sent, with the time left
 *
 * It has no clock, no socket and no words for callers: whoever asks it brings the times and says what became of it.
 */
import { MAX_EPOCHS_AHEAD, NO_DEADLINE } from "ground-station-failover";

/** May a command that has arrived go on? `stale`: a newer epoch than its own has been seen; `absurd`: its own cannot be one. */
type Admission = Admitted | Stale | { readonly type: "absurd"; readonly most: number };

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

/** May a command that was admitted be sent now? `timeLeftMs` is what goes on with it; `Infinity` where it has no deadline. */
type Departure = { readonly type: "in-time"; readonly timeLeftMs: number } | { readonly type: "late" } | Stale;

export class StationGuard {
  #epochSeen = 0;

  /** The newest epoch that a command, or the service behind, has shown; 0 before any has. */
  get epochSeen(): number {
    return this.#epochSeen;
  }

  /**
   * Judges a command that arrived at `arrivedMs`; its epoch counts as seen from then on, even if the command is dropped
   * later. `epoch`: undefined where it carries none, which is never stale. `timeLeftMs`: as it came, at least 0;
   * undefined where its source waits for ever.
   */
  admit(epoch: number | undefined, timeLeftMs: number | undefined, arrivedMs: number): Admission {
    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };
    if (!this.noteEpochSeen(epoch)) return { type: "absurd", most: this.#epochSeen + MAX_EPOCHS_AHEAD };
    return { type: "admitted", epoch, deadlineMs: timeLeftMs === undefined ? NO_DEADLINE : arrivedMs + timeLeftMs };
  }

  /** The last look before a command leaves: at its deadline it is late, because the way behind takes time too. */
  beforeSending({ epoch, deadlineMs }: Omit<Admitted, "type">, nowMs: number): Departure {
    if (this.#isOver(epoch)) return { type: "stale", epochSeen: this.#epochSeen };
    const timeLeftMs = deadlineMs - nowMs;
    return timeLeftMs <= 0 ? { type: "late" } : { type: "in-time", timeLeftMs };
  }

  /**
   * An epoch that was seen elsewhere, such as in a refusal of the service behind. An older one, or none, changes nothing; nor does
   * one that is so far ahead that it cannot be one (false): after that every true one would be old.
   */
  noteEpochSeen(epoch: number | undefined): boolean {
    if (epoch === undefined || epoch <= this.#epochSeen) return true;
    if (epoch > this.#epochSeen + MAX_EPOCHS_AHEAD) return false;
    this.#epochSeen = epoch;
    return true;
  }

  #isOver(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < this.#epochSeen;
  }
}
