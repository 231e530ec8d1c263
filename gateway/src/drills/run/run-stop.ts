/**
 * Why and when a run stops before its end. There is one place for it, because a signal, a
 * guardrail, a control and fail-fast may all ask at once: the first one counts for the outcome. At
 * the same instant the activities under way are cut and everything of ours is lifted; neither waits
 * for the other.
 */
import type { GuardrailTrip } from "../injection.ts";

export type StopReason =
  | {
      readonly kind: "interrupted";
      /** For the journal and the console: a signal's name, or the control's. */
      readonly by: string;
      /** What becomes of the experiment's own rollbacks. */
      readonly rollbacks: "by-strategy" | "play" | "skip";
    }
  | { readonly kind: "aborted"; readonly trip: GuardrailTrip }
  /** `--fail-fast`: the hypothesis was missed too often during the method. */
  | { readonly kind: "failed"; readonly missedPercent: number };

/** The phases of a run. What stops one phase does not stop the next. */
export type Phase = "method" | "hypothesis-after" | "rollbacks" | "clean-up";

/** Asks a run to stop. */
export class RunStop {
  #reason: StopReason | undefined;
  #controller: AbortController = new AbortController();
  #phase: Phase = "method";
  #onStop: ((reason: StopReason) => void) | undefined;

  /** The first reason; undefined: nothing asked to stop. */
  get reason(): StopReason | undefined {
    return this.#reason;
  }

  /** Aborted when the phase that is under way has to stop. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** `run` is called at each request, also at the second one. One listener only: the run itself. */
  onStop(run: (reason: StopReason) => void): void {
    this.#onStop = run;
  }

  /**
   * Stops the phase that is under way. Once the method is over, only a signal or a control stops a
   * phase: rollbacks and clean-up make the system well again, so a guardrail lets them go on.
   */
  request(reason: StopReason): void {
    this.#reason ??= reason;
    const isStopped = reason.kind === "interrupted" || this.#phase === "method" || this.#phase === "hypothesis-after";
    if (isStopped) this.#controller.abort();
    this.#onStop?.(reason);
  }

  /** The next phase begins, with a signal of its own. */
  begin(phase: Phase): void {
    this.#phase = phase;
    this.#controller = new AbortController();
  }
}
