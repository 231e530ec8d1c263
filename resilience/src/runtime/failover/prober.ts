/**
 * Probes the command path of idle stations that have to prove their health. Heartbeats show that a
 * process is up again. Only a command can show that commands get through, and that command should
 * not be a caller's. The prober reports the result of each probe and draws no conclusions. Probes
 * of one station do not overlap, and none lasts longer than its interval.
 */
import { wasLocalShortage } from "../../core/outcomes/error-evidence.ts";
import type { Clock } from "../time/clock.ts";
import { afterWait } from "../time/read-first.ts";
import type { NamedStation } from "./options.ts";

export type Probe<S> = (station: S, signal: AbortSignal) => PromiseLike<unknown>;

export class Prober<S extends NamedStation> {
  readonly #clock: Clock;
  #intervalMs: number;
  #probe: Probe<S>;
  readonly #told: (station: S, well: boolean) => void;
  readonly #out: Map<string, AbortController> = new Map();
  #nextMs = 0;

  constructor(clock: Clock, intervalMs: number, probe: Probe<S>, told: (station: S, well: boolean) => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#probe = probe;
    this.#told = told;
  }

  /** Probes in this way from the next probe on. */
  useSettings(intervalMs: number, probe: Probe<S>): void {
    this.#intervalMs = intervalMs;
    this.#probe = probe;
  }

  /** When the next probe is due; never before `nowMs`. */
  nextMs(nowMs: number): number {
    return Math.max(this.#nextMs, nowMs);
  }

  /** Probes `stations` now, if a probe is due. */
  tryIfDue(stations: readonly S[], nowMs: number): void {
    if (nowMs < this.#nextMs || stations.length === 0) return;
    this.#nextMs = nowMs + this.#intervalMs;
    for (const station of stations) if (!this.#out.has(station.name)) this.#try(station);
  }

  /** Gives up all probes that are out; their results are ignored. */
  stop(): void {
    for (const giveUp of [...this.#out.values()]) giveUp.abort();
  }

  #try(station: S): void {
    const giveUp = new AbortController();
    this.#out.set(station.name, giveUp);
    const timer = afterWait(this.#clock, this.#intervalMs, (isFair) => {
      giveUp.abort();
      // A probe during which this process was paused says nothing about the station.
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
        // A probe that could not be sent says nothing about the station.
        (error: unknown) => (wasLocalShortage(error) ? end() : answered(false)),
      );
  }
}
