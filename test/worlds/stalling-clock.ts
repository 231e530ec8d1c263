/**
 * The clock of a process that can stand still while the world goes on: after a stall all its
 * overdue timers run at once, in their order and before anything that arrived meanwhile is read, as
 * in a real event loop.
 */
import type { Clock } from "ground-station-failover";
import type { VirtualClock } from "ground-station-failover/sim";

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
  timer: Disposable;
}

export class StallingClock implements Clock {
  readonly #world: VirtualClock;
  readonly #entries: Set<Entry> = new Set();
  #stoodStillMs = 0;
  /**
   * By how much every timer is late: a system's timers are never early, and never quite in time.
   */
  latenessMs = 0;

  constructor(world: VirtualClock) {
    this.#world = world;
  }

  nowMs(): number {
    return this.#world.nowMs() + this.#stoodStillMs;
  }

  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    const entry: Entry = {
      atMs,
      run: () => {
        this.#entries.delete(entry);
        run(subject as Subject);
      },
      timer: { [Symbol.dispose]: () => undefined },
    };
    entry.timer = this.#world.at(atMs - this.#stoodStillMs + this.latenessMs, entry.run);
    this.#entries.add(entry);
    return {
      [Symbol.dispose]: () => {
        entry.timer[Symbol.dispose]();
        this.#entries.delete(entry);
      },
    };
  }

  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void> {
    return this.#world.sleepUntil(atMs - this.#stoodStillMs, signal);
  }

  /** This process stood still for `ms`. */
  stall(ms: number): void {
    this.#stoodStillMs += ms;
    const overdue = [...this.#entries].filter(({ atMs }) => atMs <= this.nowMs()).sort((a, b) => a.atMs - b.atMs);
    for (const entry of overdue) {
      entry.timer[Symbol.dispose]();
      entry.timer = this.#world.at(this.#world.nowMs(), entry.run);
    }
  }
}
