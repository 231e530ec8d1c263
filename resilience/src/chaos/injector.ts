/**
 * One kind of fault of one {@link Chaos}: its schedule while it is armed, its own streams of
 * chance, its waits and its counts. Streams belong to the kind and outlive arming, so that setting
 * one kind, or setting it again, never moves the draws of another; a draw is made for every call
 * within the blast radius, whatever the probability, so that a higher probability strikes the same
 * calls and more.
 */
import { CallAbortedError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { Clock } from "../runtime/time/clock.ts";
import type { Fault, FaultKind } from "./fault.ts";
import { Schedule, type ScheduleOptions } from "./schedule.ts";

/** What one kind of fault is set to and what it has done. */
export interface FaultStatus {
  readonly kind: FaultKind;
  /** False once it was taken off. */
  readonly armed: boolean;
  /** The probability in force now; 0 where not armed. */
  readonly probability: number;
  /** Calls that came within the blast radius, since the Chaos was made. */
  readonly calls: number;
  /** Calls this fault has acted on, since the Chaos was made. */
  readonly fired: number;
  /** Calls it keeps waiting at this moment. */
  readonly waiting: number;
}

export class Injector {
  readonly kind: FaultKind;
  readonly #clock: Clock;
  readonly #strikes: Random;
  readonly #durations: Random;
  readonly #keys: Random;
  readonly #releases: Set<() => void> = new Set();
  #schedule: Schedule | undefined;
  #fault: Fault | undefined;
  #calls = 0;
  #fired = 0;

  /** `keys` is shared by all kinds: the same keys suffer from each. */
  constructor(kind: FaultKind, clock: Clock, random: Random, keys: Random) {
    this.kind = kind;
    this.#clock = clock;
    this.#strikes = random.fork("strikes");
    this.#durations = random.fork("durations");
    this.#keys = keys;
  }

  get armed(): boolean {
    return this.#fault !== undefined;
  }

  get status(): FaultStatus {
    return {
      kind: this.kind,
      armed: this.armed,
      probability: this.#schedule?.probability(this.#clock.nowMs()) ?? 0,
      calls: this.#calls,
      fired: this.#fired,
      waiting: this.#releases.size,
    };
  }

  arm(fault: Fault, options: ScheduleOptions): void {
    this.#schedule = new Schedule(`Chaos ${this.kind}`, options, this.#keys, this.#clock.nowMs());
    this.#fault = fault;
  }

  /** Takes the fault off and ends every wait it has caused. */
  disarm(): void {
    this.#schedule = undefined;
    this.#fault = undefined;
    for (const release of [...this.#releases]) release();
  }

  /** Decides for one call: undefined where it is spared, else what to put around its `send`. */
  strike(nowMs: number, key: string | undefined): Fault | undefined {
    const schedule = this.#schedule;
    if (schedule === undefined || !schedule.covers(key)) return undefined;
    this.#calls++;
    return this.#strikes.next() < schedule.probability(nowMs) ? this.#fault : undefined;
  }

  /**
   * Lets `fault` act on a call it strikes. `signalOf` is asked only if there is something to wait
   * for.
   */
  async act(
    fault: Fault,
    send: () => unknown,
    key: string | undefined,
    signalOf: () => AbortSignal | undefined,
  ): Promise<unknown> {
    // Another fault may have held this call back until after this one was taken off: then it is
    // spared.
    if (!this.armed) return send();
    this.#fired++;
    return fault(send, {
      key,
      random: this.#durations,
      pause: (durationMs) => this.#pause(durationMs, signalOf()),
    });
  }

  #pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(new CallAbortedError(signal.reason));
      if (!this.armed) return resolve();
      const end = (): void => {
        timer?.[Symbol.dispose]();
        signal?.removeEventListener("abort", abort);
        this.#releases.delete(release);
      };
      const release = (): void => {
        end();
        resolve();
      };
      const abort = (): void => {
        end();
        reject(new CallAbortedError(signal?.reason));
      };
      const endless = durationMs === Number.POSITIVE_INFINITY;
      const timer = endless ? undefined : this.#clock.at(this.#clock.nowMs() + durationMs, release);
      signal?.addEventListener("abort", abort);
      this.#releases.add(release);
    });
  }
}
