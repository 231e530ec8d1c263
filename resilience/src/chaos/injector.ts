/**
 * One kind of fault of one {@link Chaos}: its schedule while it is set, its own streams of random
 * numbers, its waits and its counts. The streams belong to the kind and are kept when the fault is
 * set again or taken off, so this never changes the draws of another kind. A draw is made for every
 * call within the blast radius at any probability, so that a higher probability affects the same
 * calls and more.
 */
import { CallAbortedError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { Clock } from "../runtime/time/clock.ts";
import type { Fault, FaultKind } from "./fault.ts";
import { Schedule, type ScheduleOptions } from "./schedule.ts";

/** The settings of one kind of fault, and what it has done. */
export interface FaultStatus {
  readonly kind: FaultKind;
  /** False after it was taken off. */
  readonly armed: boolean;
  /** The probability in force now; 0 if not set. */
  readonly probability: number;
  /** Calls within the blast radius, since the Chaos was created. */
  readonly calls: number;
  /** Calls that this fault has acted on, since the Chaos was created. */
  readonly fired: number;
  /** Calls that it is delaying now. */
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

  /** `keys` is shared by all kinds, so that each affects the same keys. */
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

  /** Takes the fault off and ends all its waits. */
  disarm(): void {
    this.#schedule = undefined;
    this.#fault = undefined;
    for (const release of [...this.#releases]) release();
  }

  /**
   * Decides for one call: undefined if it is not affected, else the fault to put around its `send`.
   */
  strike(nowMs: number, key: string | undefined): Fault | undefined {
    const schedule = this.#schedule;
    if (schedule === undefined || !schedule.covers(key)) return undefined;
    this.#calls++;
    return this.#strikes.next() < schedule.probability(nowMs) ? this.#fault : undefined;
  }

  /** Lets `fault` act on a call that it affects. `signalOf` is called only if there is a wait. */
  async act(
    fault: Fault,
    send: () => unknown,
    key: string | undefined,
    signalOf: () => AbortSignal | undefined,
  ): Promise<unknown> {
    // Another fault may have delayed this call until this one was taken off; then it is not
    // affected.
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
