/**
 * The faults that the demo can cause at the active station, and how to end them. A kill is like a
 * power cut. A hang is a process that keeps its sockets but answers nothing. The others break its
 * commands while its heartbeats continue: a detector of silence alone never notices these.
 */
import type { Child } from "../adapters/process/children.ts";
import type { Wait } from "../adapters/process/waiting.ts";

export const DEMO_FAULTS = ["kill", "hang", "errors", "lying-200", "slow", "flap"] as const;
export type DemoFault = (typeof DEMO_FAULTS)[number];

/** Flapping: stopped and running in turn, for this long each, in ms. */
const FLAP_MS = 700;
const FLAPS = 3;

/** The fault in words, for the timeline. */
export const FAULT_IN_WORDS: Readonly<Record<DemoFault, string>> = {
  kill: "SIGKILL",
  hang: "SIGSTOP: it holds its sockets and answers nobody",
  errors: "it answers 500, half of the time after the command was executed",
  "lying-200": "it answers 200 with an error in the body, half of the time after the command was executed",
  slow: "it executes and answers 3 s later",
  flap: `SIGSTOP and SIGCONT in turn, ${FLAP_MS} ms each, ${FLAPS} times`,
};

export class FaultInjector {
  readonly #fault: DemoFault;
  readonly #station: Child;
  readonly #witness: Child;
  readonly #wait: Wait;

  /** `witness`: a process that wakes the station if the demo ends while the station is stopped. */
  constructor(fault: DemoFault, station: Child, witness: Child, wait: Wait) {
    this.#fault = fault;
    this.#station = station;
    this.#witness = witness;
    this.#wait = wait;
  }

  /**
   * Starts the fault at once. Resolves when the fault is complete; for flapping, when it is over.
   */
  async strike(): Promise<void> {
    if (this.#fault === "kill") {
      this.#station.expectedToEnd = true;
      this.#station.signal("SIGKILL");
    } else if (this.#fault === "hang") this.#stop();
    else if (this.#fault === "flap") await this.#flap();
    else this.#station.send({ fault: this.#fault });
  }

  /** Ends the fault, if the station still exists. */
  end(): void {
    if (this.#fault === "hang" || this.#fault === "flap") this.#wake();
    else if (this.#fault !== "kill") this.#station.send({ fault: "none" });
  }

  async #flap(): Promise<void> {
    for (let flap = 0; flap < FLAPS; flap++) {
      this.#stop();
      await this.#wait.pass(FLAP_MS);
      this.#wake();
      await this.#wait.pass(FLAP_MS);
    }
  }

  #stop(): void {
    this.#witness.send({ wake: this.#station.pid });
    this.#station.signal("SIGSTOP");
  }

  #wake(): void {
    this.#station.signal("SIGCONT");
    this.#witness.send({ wake: undefined });
  }
}
