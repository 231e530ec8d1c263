/**
 * The probers of a group's stations, while the group runs. When the settings change, a prober whose
 * station stays keeps what it has seen; with another interval or another time-out it begins its
 * grid anew, with a probe at once. One whose station is gone stops.
 */
import { StationProber, type StationProberOptions } from "./station-prober.ts";

interface RunningProber {
  options: StationProberOptions;
  readonly prober: StationProber;
  stop: AbortController;
  /** Resolves when the prober has stopped. */
  ended: Promise<void>;
}

export class GroupProbers {
  readonly #probers: Map<string, RunningProber> = new Map();
  #signal: AbortSignal | undefined = undefined;

  of(station: string): StationProber | undefined {
    return this.#probers.get(station)?.prober;
  }

  /** Probes with these options from now on, by station; empty if heartbeats are pushed. */
  use(wanted: ReadonlyMap<string, StationProberOptions>): void {
    for (const [station, { stop }] of this.#probers) {
      if (wanted.has(station)) continue;
      stop.abort();
      this.#probers.delete(station);
    }
    for (const [station, options] of wanted) this.#useOne(station, options);
  }

  /** Probes until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const running of this.#probers.values()) this.#start(running);
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    this.#signal = undefined;
    for (const { stop } of this.#probers.values()) stop.abort();
    await Promise.all([...this.#probers.values()].map(({ ended }) => ended));
  }

  #useOne(station: string, options: StationProberOptions): void {
    const known = this.#probers.get(station);
    if (known === undefined) {
      const prober = new StationProber(options);
      const running = { options, prober, stop: new AbortController(), ended: Promise.resolve() };
      this.#probers.set(station, running);
      this.#start(running);
      return;
    }
    const { intervalMs, timeoutMs } = known.options;
    known.prober.useOptions(options);
    known.options = options;
    if (options.intervalMs === intervalMs && options.timeoutMs === timeoutMs) return;
    known.stop.abort();
    known.stop = new AbortController();
    this.#start(known);
  }

  #start(running: RunningProber): void {
    if (this.#signal === undefined) return;
    const { prober, stop, ended } = running;
    // The earlier run gives up the probes that are out as it ends.
    running.ended = ended.then(() => prober.run(stop.signal));
  }
}
