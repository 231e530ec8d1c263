/**
 * Computes how early a command that has just been read may have arrived in the socket. Time left
 * counts from its arrival. But a process that was stopped (SIGSTOP, a paused virtual machine, a
 * suspended laptop) reads a command that arrived long ago as if it had just come. Therefore this
 * clock keeps an instant before which everything that had arrived has been read: it notes the time,
 * lets the event loop poll its sockets a few times, and only then moves the instant forward. The
 * result errs towards "earlier": by at most one interval while the loop runs; after a stall it is
 * the instant before the stall.
 *
 * The clock does not know how long a command was on the wire, or in another machine's buffers.
 */
import type { Clock } from "ground-station-failover";

/**
 * Interval in ms. The result is at most that much too early, which is little compared with any
 * deadline over HTTP.
 */
const LOOK_EVERY_MS = 10;
/**
 * Turns of the event loop after which everything has been read: one accepts a connection, the next
 * reads it, one to spare.
 */
const TURNS_TO_READ_ALL = 3;

export class ArrivalClock implements Disposable {
  readonly #clock: Clock;
  readonly #nextTurn: (run: () => void) => void;
  #allReadBeforeMs: number;
  #timer: Disposable | undefined;
  #stopped = false;

  /**
   * `nextTurn` runs its argument after the event loop has polled its sockets once more. Default:
   * `setImmediate`.
   */
  constructor(clock: Clock, nextTurn: (run: () => void) => void = (run) => void setImmediate(run)) {
    this.#clock = clock;
    this.#nextTurn = nextTurn;
    this.#allReadBeforeMs = clock.nowMs();
    this.#wait();
  }

  /** The earliest instant at which data that is being read now can have arrived. */
  earliestMs(): number {
    return this.#allReadBeforeMs;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  #wait(): void {
    if (this.#stopped) return;
    const nowMs = this.#clock.nowMs();
    this.#timer = this.#clock.at(nowMs + LOOK_EVERY_MS, () => this.#look(this.#clock.nowMs(), TURNS_TO_READ_ALL));
  }

  #look(lookedAtMs: number, turnsLeft: number): void {
    if (turnsLeft > 0) {
      this.#nextTurn(() => this.#look(lookedAtMs, turnsLeft - 1));
      return;
    }
    this.#allReadBeforeMs = lookedAtMs;
    this.#wait();
  }
}
