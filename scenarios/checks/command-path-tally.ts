/**
 * What calls have shown of one station, counted from outside as the manual has it (docs/guide/failover.md, "Evidence"): so
 * many connections refused in a row, or every attempt failed for so long. An attempt that its gateway gave up may have
 * been booked as a failure or not at all, which cannot be seen here: so there are two counts, the most that a gateway can
 * hold against a station, and the least that it has to.
 */
import type { Attempt } from "../fleet/observer.ts";
import { verdictOn } from "./breaker-evidence.ts";
import type { DocumentedGroup } from "./documented.ts";

/** Instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

class Count {
  failures = 0;
  refusals = 0;
  sinceMs: number = Number.POSITIVE_INFINITY;
  lastSuccessMs: number = Number.NEGATIVE_INFINITY;

  clear(): void {
    this.failures = this.refusals = 0;
    this.sinceMs = Number.POSITIVE_INFINITY;
  }

  succeeded(nowMs: number): void {
    this.clear();
    this.lastSuccessMs = nowMs;
  }

  failed(startedMs: number, refusals: number): void {
    this.failures++;
    this.refusals = refusals;
    this.sinceMs = Math.min(this.sinceMs, Math.max(startedMs, this.lastSuccessMs));
  }

  isFailing({ commandPath }: DocumentedGroup, nowMs: number): boolean {
    if (this.refusals >= commandPath.refusalsToDeclare) return true;
    const { minimumFailures, failingForMs } = commandPath;
    return this.failures >= minimumFailures && nowMs - this.sinceMs >= failingForMs - ROUNDING_MS;
  }
}

export class CommandPathTally {
  readonly #settings: DocumentedGroup;
  readonly #most: Count = new Count();
  readonly #least: Count = new Count();
  /** Attempts from before count no more. */
  #beginsMs = Number.NEGATIVE_INFINITY;

  constructor(settings: DocumentedGroup) {
    this.#settings = settings;
  }

  /**
   * `attempt` has ended at `nowMs` of its gateway's clock. `counts`: it does not distrust itself at that time; `surely`: nor
   * could it have had reason to.
   */
  ended(attempt: Attempt, counts: boolean, surely: boolean, nowMs: number): void {
    const { outcome, signal, localMs } = attempt;
    const verdict = verdictOn(attempt, this.#settings, nowMs);
    if (outcome === "stale") return;
    const sure = !signal.aborted;
    if (verdict === "success" || verdict === "slow-success") {
      this.#least.succeeded(nowMs);
      if (sure) this.#most.succeeded(nowMs);
      return;
    }
    const refused = outcome === "never-sent";
    // Given up soon, it says nothing.
    if (verdict === undefined && nowMs - localMs < this.#settings.commandPath.unansweredAfterMs - ROUNDING_MS) return;
    if (!counts) return;
    this.#most.failed(localMs, this.#mostRefusals(refused, sure));
    if (!sure) this.#least.refusals = 0;
    else if (surely && localMs >= this.#beginsMs) this.#least.failed(localMs, refused ? this.#least.refusals + 1 : 0);
  }

  /** Everything held against it is forgotten. */
  startAfresh(nowMs: number): void {
    this.#most.clear();
    this.#least.clear();
    this.#beginsMs = nowMs;
  }

  /** Can its calls speak against it, if `givenUp` attempts are being booked in this very step? */
  mayFail(givenUp: number, nowMs: number): boolean {
    const { minimumFailures } = this.#settings.commandPath;
    return (
      this.#most.isFailing(this.#settings, nowMs) || (givenUp > 0 && this.#most.failures + givenUp >= minimumFailures)
    );
  }

  /** Must they? */
  mustFail(nowMs: number): boolean {
    return this.#least.isFailing(this.#settings, nowMs);
  }

  #mostRefusals(refused: boolean, sure: boolean): number {
    const { refusals } = this.#most;
    return refused ? refusals + 1 : sure ? 0 : refusals;
  }
}
