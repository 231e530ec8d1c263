/**
 * Signals of a process that plays drills. SIGINT, SIGTERM and a terminal that goes away interrupt
 * the run; SIGUSR1 leaves it and plays the rollbacks, SIGUSR2 leaves it without them, as in Chaos
 * Toolkit. No signal but SIGKILL ends the process before everything of ours is lifted, not even a
 * second one; a second one only ends what is under way, such as rollbacks.
 */
import { heldSignals } from "../../adapters/process/process-life.ts";
import type { RunStop, StopReason } from "./run-stop.ts";

const ROLLBACKS = {
  SIGINT: "by-strategy",
  SIGTERM: "by-strategy",
  SIGHUP: "by-strategy",
  SIGUSR1: "play",
  SIGUSR2: "skip",
} as const;

type StopSignal = keyof typeof ROLLBACKS;

/** Passes signals on to the run that is under way, and remembers that there was one. */
export class RunSignals {
  #current: RunStop | undefined;
  #reason: StopReason | undefined;

  constructor() {
    for (const signal of Object.keys(ROLLBACKS) as StopSignal[]) process.on(signal, () => this.#stop(signal));
    // One that came while the program was loading.
    for (const signal of heldSignals()) if (signal in ROLLBACKS) this.#stop(signal as StopSignal);
  }

  /** True once a signal has asked to stop: no further drill is begun. */
  get isStopped(): boolean {
    return this.#reason !== undefined;
  }

  /** The run that a signal stops from now on. */
  stops(stop: RunStop): void {
    this.#current = stop;
    if (this.#reason !== undefined) stop.request(this.#reason);
  }

  #stop(signal: StopSignal): void {
    const reason: StopReason = { kind: "interrupted", by: signal, rollbacks: ROLLBACKS[signal] };
    this.#reason ??= reason;
    this.#current?.request(reason);
  }
}
