/**
 * What the calls of one station can have shown its gateway, counted from outside. How a failover weighs them is its own
 * business (what it compares with another station, what is late for its source); so two bounds are kept. *May* they speak
 * against the station: at least two refused connections in a row, three attempts of the last forty that were not served,
 * or two that nothing has answered for as long as proof takes. *Must* they: so many refused connections as are proof, one
 * after the other, with nothing served and no other end between.
 */
import { AttemptTimeoutError } from "ground-station-failover";
import type { Attempt } from "../fleet/observer.ts";
import type { DocumentedGroup } from "./documented.ts";

/** Verdicts that a failover keeps, twice over: what is compared counts later than it ends. */
const KEPT = 40;
/** So many of them must have come to nothing. */
const MIN_BAD = 3;
/** So many attempts without an answer are silence. */
const MIN_SILENT = 2;
/** An attempt that is out for less than this is not late for any station. */
const MIN_LATE_MS = 5;
const ROUNDING_MS = 1e-6;

export class CommandPathTally {
  readonly #settings: DocumentedGroup;
  /** Refused connections in a row, counted generously and strictly. */
  #refusals = 0;
  #sureRefusals = 0;
  /** Whether each of the last ends was anything but a success; the newest last. */
  #bad: boolean[] = [];
  /** When anything last came back, and how many attempts were given up unanswered since. */
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #unanswered = 0;
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
    if (outcome === "stale") return;
    const sure = !signal.aborted && localMs >= this.#beginsMs;
    if (outcome === "reply") {
      this.#answeredAtMs = nowMs;
      this.#unanswered = 0;
    } else if (nowMs - localMs >= MIN_LATE_MS) this.#unanswered++;
    if (this.#isServed(attempt)) {
      this.#refusals = this.#sureRefusals = 0;
      this.#note(false);
      return;
    }
    if (!counts) return;
    const refused = outcome === "never-sent";
    if (refused) this.#refusals++;
    this.#sureRefusals = refused && sure && surely ? this.#sureRefusals + 1 : 0;
    // What its caller gave up says nothing, unless it was late.
    const timedOut = signal.reason instanceof AttemptTimeoutError;
    if (outcome !== "aborted" || timedOut || nowMs - localMs >= MIN_LATE_MS) this.#note(true);
  }

  /** Everything held against it is forgotten. */
  startAfresh(nowMs: number): void {
    this.#refusals = this.#sureRefusals = this.#unanswered = 0;
    this.#bad = [];
    this.#answeredAtMs = nowMs;
    this.#beginsMs = nowMs;
  }

  /** Can its calls speak against it, while `out` are out? */
  mayFail(out: Iterable<Attempt>, nowMs: number): boolean {
    if (this.#refusals >= Math.min(2, this.#settings.commandPath.refusalsToDeclare)) return true;
    if (this.#bad.filter((bad) => bad).length >= MIN_BAD) return true;
    let silent = this.#unanswered;
    for (const { localMs } of out) if (nowMs - localMs >= MIN_LATE_MS) silent++;
    const proofMs = this.#settings.commandPath.unansweredAfterMs - ROUNDING_MS;
    return silent >= MIN_SILENT && nowMs - this.#answeredAtMs >= proofMs;
  }

  /** Must they? */
  mustFail(): boolean {
    return this.#sureRefusals >= this.#settings.commandPath.refusalsToDeclare;
  }

  #isServed({ outcome, status = 0, lies }: Attempt): boolean {
    const failed = status >= 500 || status === 408 || status === 429;
    return outcome === "reply" && !failed && !(lies && this.#settings.commands.errorBody);
  }

  #note(bad: boolean): void {
    this.#bad.push(bad);
    if (this.#bad.length > KEPT) this.#bad.shift();
  }
}
