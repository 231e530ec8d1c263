/**
 * Tries the command path of idle stations that have to prove themselves. Heartbeats say that a
 * process is up again; that commands get through is shown by a command, and nobody wants a caller's
 * to be the first. It says what came of each try and draws no conclusions. Tries of one station do
 * not overlap, and none outlives its interval.
 */
import { wasLocalShortage } from "../../core/outcomes/error-evidence.ts";
import type { Clock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import type { NamedStation } from "./options.ts";

export type Probe<S> = (station: S, signal: AbortSignal) => PromiseLike<unknown>;

export class Prober<S extends NamedStation> {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #probe: Probe<S>;
  readonly #told: (station: S, well: boolean) => void;
  readonly #out: Map<string, AbortController> = new Map();
  #nextMs = 0;

  constructor(clock: Clock, intervalMs: number, probe: Probe<S>, told: (station: S, well: boolean) => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#probe = probe;
    this.#told = told;
  }

  /** When the next try is due, not before `nowMs`. */
  nextMs(nowMs: number): number {
    return Math.max(this.#nextMs, nowMs);
  }

  /** Tries `stations` now, if a try is due. */
  tryIfDue(stations: readonly S[], nowMs: number): void {
    if (nowMs < this.#nextMs || stations.length === 0) return;
    this.#nextMs = nowMs + this.#intervalMs;
    for (const station of stations) if (!this.#out.has(station.name)) this.#try(station);
  }

  /** Gives up on every try that is out; what they still say is not heard. */
  stop(): void {
    for (const giveUp of [...this.#out.values()]) giveUp.abort();
  }

  #try(station: S): void {
    const giveUp = new AbortController();
    this.#out.set(station.name, giveUp);
    const timer = afterWait(this.#clock, this.#intervalMs, (isFair) => {
      giveUp.abort();
      // A try that this process has slept through says nothing of the station.
      if (isFair) this.#told(station, false);
    });
    const end = (): void => {
      timer[Symbol.dispose]();
      this.#out.delete(station.name);
    };
    giveUp.signal.addEventListener("abort", end, { once: true });
    const answered = (well: boolean): void => {
      if (giveUp.signal.aborted) return;
      end();
      this.#told(station, well);
    };
    Promise.resolve()
      .then(() => this.#probe(station, giveUp.signal))
      .then(
        () => answered(true),
        // A try that could not be sent says nothing of the station.
        (error: unknown) => (wasLocalShortage(error) ? end() : answered(false)),
      );
  }
}
