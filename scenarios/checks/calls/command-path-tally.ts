/**
 * What calls have shown of one station, counted from outside as docs/guide/failover.md has it
 * ("Evidence"). Each kind of evidence is counted twice: the most that a gateway can hold against
 * the station, for a promotion that it makes, and the least that it has to, for one that it owes.
 * Five kinds speak against a station: connections refused in a row; commands that it failed and
 * another one served; attempts that are out for much longer than usual while it answers nothing at
 * all; commands lost in a row for some time; failures that could not be compared, for some time.
 * What was sent before the station was last cleared (promoted, replaced, heard again) counts no
 * more. How long is usual is learned from the answers of the group: the bounds used here are on
 * either side of what a gateway may learn from the same answers. It is one file because one answer
 * ends several kinds of evidence at once.
 */
import type { Attempt, Command } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { LEAST_WORTH_A_SECOND_MS, sourceOf } from "../documented.ts";
import { type AttemptEnd, endOf, isTimedOut } from "./attempt-ends.ts";
import { LEAST_OVERDUE, type UsualAnswers } from "./usual-answers.ts";

/** Instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;
/** Of so many compared commands … */
export const COMPARED = 20;
/** … so many, and this share, have failed here and were served elsewhere. */
export const LEAST_LOST = 5;
export const LOST_RATE = 0.4;
/** Late commands that another station served may be told of together, within this. */
const BEATEN_MS = 10_000;
/** Of so many of its last commands a station may have failed a share, … */
const LAST_COMMANDS = 40;
/** … which its gateway counts a little otherwise, … */
const RATE_ROUNDING = 0.15;
const MOST_RATE = 0.95;
/**
 * … and which counts where so few would be served elsewhere by chance (`fails-some.ts`): at a
 * station that is well so many times fewer fail.
 */
const FEWER = 8;
const SHOWN = Math.log(20_000);
/** So many in a row are more than that share, whatever came before them. */
const SURELY_LOST = LOST_RATE * COMPARED;

interface Mark {
  readonly startedMs: number;
  /** Must a gateway count it? */
  readonly sure: boolean;
}

/** Ends of one kind with no success between, the most and the least of them. */
class InARow {
  #marks: Mark[] = [];
  #least = 0;
  #leastSinceMs = Number.POSITIVE_INFINITY;

  add(startedMs: number, sure: boolean): void {
    this.#marks.push({ startedMs, sure });
    if (!sure) return;
    this.#least++;
    this.#leastSinceMs = Math.min(this.#leastSinceMs, startedMs);
  }

  /**
   * An attempt that was sent at `startedMs` has succeeded: it clears what was there before it was
   * sent.
   */
  served(startedMs: number): void {
    this.#least = 0;
    this.#leastSinceMs = Number.POSITIVE_INFINITY;
    const sure = this.#marks.filter((mark) => mark.sure).map((mark) => mark.startedMs);
    const clearsFromMs = sure.length > 0 ? Math.min(...sure) : Math.max(...this.#marks.map((mark) => mark.startedMs));
    if (startedMs >= clearsFromMs) this.#marks = [];
  }

  clear(): void {
    this.#marks = [];
    this.served(Number.POSITIVE_INFINITY);
  }

  /** Can they be so many, for so long? `more`: ends that are being booked in this very step. */
  may(count: number, forMs: number, more: readonly number[], nowMs: number): boolean {
    const all = [...this.#marks.map((mark) => mark.startedMs), ...more];
    return all.length >= count && nowMs - Math.min(...all) >= forMs - ROUNDING_MS;
  }

  must(count: number, forMs: number, nowMs: number): boolean {
    return this.#least >= count && nowMs - this.#leastSinceMs >= forMs;
  }
}

export class CommandPathTally {
  readonly #settings: DocumentedGroup;
  readonly #usual: UsualAnswers;
  readonly #refused: InARow = new InARow();
  readonly #lost: InARow = new InARow();
  readonly #failed: InARow = new InARow();
  readonly #out: Set<Attempt> = new Set();
  /**
   * What was given up here: commands, and sources whose commands may run twice until they are
   * served.
   */
  readonly #givenUp: Set<Command | string> = new Set();
  /** Attempts that ended without an answer since the last one. */
  #unanswered: Attempt[] = [];
  /**
   * Commands that failed here and are not over, and when they were sent. `sure`: must a gateway
   * compare it?
   */
  readonly #failedHere: Map<Command, Mark> = new Map();
  /**
   * 1 for a command that was served elsewhere after it had failed here, 0 for one served here; the
   * newest last.
   */
  #compared: (0 | 1)[] = [];
  /**
   * When commands that were out here for long were served elsewhere: each counts when newer ones
   * are answered here in time.
   */
  #beatenAtMs: number[] = [];
  /**
   * Of commands that a gateway must have compared, so many in a row failed here and were served
   * elsewhere.
   */
  #surelyLost = 0;
  /**
   * Commands that were not served here since the last one that was, and how many others were
   * compared with them.
   */
  #unserved = 0;
  /** When the latest of them ended. */
  #unservedAtMs: number = Number.NEGATIVE_INFINITY;
  #besideCompared = 0;
  /** Commands that may have been late here, and that were compared with nothing since. */
  #late = 0;
  /**
   * Of its last commands, did each fail for good; and how clearly new ones that others served show
   * that this is its own fault.
   */
  readonly #failedLast: boolean[] = [];
  #likelihood = 0;
  #answeredMs: number = Number.NEGATIVE_INFINITY;
  /** When the latest of those that were served was sent. */
  #servedFromMs: number = Number.NEGATIVE_INFINITY;
  /** How many attempts have been served there. */
  served = 0;
  /**
   * The least time after which an attempt may have been overdue since then; what others answer
   * meanwhile may raise it.
   */
  #leastLateMs: number = Number.POSITIVE_INFINITY;
  /** Attempts from before count no more. */
  #beginsMs: number = Number.NEGATIVE_INFINITY;

  constructor(settings: DocumentedGroup, usual: UsualAnswers) {
    this.#settings = settings;
    this.#usual = usual;
  }

  began(attempt: Attempt): void {
    this.#leastLateMs = Math.min(this.#leastLateMs, this.#usual.leastOverdueMs);
    this.#out.add(attempt);
  }

  /**
   * `attempt` has ended at `nowMs` of its gateway's clock. `counts`: it does not distrust itself at
   * that time; `surely`: nor could it have had reason to.
   */
  ended(attempt: Attempt, counts: boolean, surely: boolean, nowMs: number): void {
    if (!this.#out.delete(attempt)) return;
    this.#usual.noteOut(nowMs - attempt.judgedFromLocalMs);
    const { command, localMs } = attempt;
    if (this.#isLate(attempt, nowMs)) this.#late++;
    const end = endOf(attempt, this.#settings);
    // Whatever a reply says, it shows that connections are taken again.
    if (attempt.outcome === "reply") {
      this.#answered(nowMs);
      this.#refused.served(localMs);
    }
    // One that was given up here, because another station answered first, was overdue until then.
    else if (!attempt.ours || this.#isLate(attempt, nowMs)) this.#unanswered.push(attempt);
    if (end === "served" || (end === "failed" && command.kind === "once")) this.#noteShare(end === "failed");
    if (end !== "served") {
      this.#unserved++;
      this.#unservedAtMs = nowMs;
    }
    if (end === "served") this.#served(attempt, nowMs);
    else if (end !== "nothing" && localMs >= this.#beginsMs) this.#failedAs(end, attempt, counts, surely);
    if (end === "served" && command.kind === "read") this.#givenUp.delete(sourceOf(command));
    else if (attempt.signal.aborted) this.#givenUp.add(identityOf(command));
  }

  #failedAs(end: AttemptEnd, attempt: Attempt, counts: boolean, surely: boolean): void {
    const { command, localMs } = attempt;
    if (end === "refused") {
      if (counts) this.#refused.add(localMs, surely);
    } else {
      this.#failedHere.set(command, { startedMs: localMs, sure: isSurelyFailed(attempt) });
      // Whether it was compared with another station is the gateway's business: it counts at most.
      // A kind that was never answered may be lost by its own fault.
      if (end === "failed") this.#failed.add(localMs, false);
      else if (end === "lost" && counts) {
        // One that a gateway gave up itself says nothing of now where a later one has been served
        // meanwhile.
        const isOvertaken = attempt.signal.aborted && localMs < this.#servedFromMs;
        this.#lost.add(localMs, surely && !isOvertaken && !this.#isAgain(command) && this.#usual.knows(command));
      }
    }
  }

  /**
   * May a gateway take it for the repetition of a command that it gave up here before? Then it is
   * no news that it is late.
   */
  #isAgain(command: Command): boolean {
    return this.#givenUp.has(identityOf(command));
  }

  /**
   * Another station has served its attempt of a command, which has failed here or is still out here
   * for long; or which never was here, while others like it are not served here.
   */
  servedElsewhere(served: Attempt, nowMs: number): void {
    const { command, status = 0, lies, signal } = served;
    const failedHere = this.#failedHere.get(command);
    const failed = failedHere ?? this.#outLong(command, nowMs);
    this.#failedHere.delete(command);
    // One that is out here for long shows as much of those that were late as a new one does.
    if (failedHere === undefined) this.#servedBeside(nowMs);
    if (failed === undefined) return this.#weighShare();
    if (failedHere === undefined) this.#beatenAtMs.push(nowMs);
    if (failed.startedMs < this.#beginsMs) return;
    this.#compare(1);
    // Which of several sendings of a command failed where cannot be seen; other answers than
    // success may say nothing.
    if (failed.sure && command.sendings === 1 && status < 300 && !lies && !signal.aborted) this.#surelyLost++;
  }

  /** When the latest of its calls that were served was sent; `-Infinity` where none was. */
  get servedFromMs(): number {
    return this.#servedFromMs;
  }

  /**
   * Has an attempt ended since `fromMs` without being served, or is one out for so long that
   * another station is asked?
   */
  isUnservedSince(fromMs: number, nowMs: number): boolean {
    if (this.#unservedAtMs >= fromMs) return true;
    return [...this.#out].some((attempt) => attempt.localMs >= fromMs && this.#isLongOut(attempt, nowMs));
  }

  /** `command` is over. */
  over(command: Command): void {
    this.#failedHere.delete(command);
  }

  /** Everything held against it is forgotten. */
  startAfresh(nowMs: number): void {
    // What is late now may be learned as an accident: it was not seen how it would have ended.
    for (const { judgedFromLocalMs } of this.#out) this.#usual.noteOut(nowMs - judgedFromLocalMs);
    this.#refused.clear();
    this.#lost.clear();
    this.#failed.clear();
    this.#compared = [];
    this.#beatenAtMs = [];
    this.#unserved = 0;
    this.#late = 0;
    this.#besideCompared = 0;
    this.#failedLast.length = 0;
    this.#likelihood = 0;
    this.#surelyLost = 0;
    this.#unanswered = [];
    this.#beginsMs = nowMs;
    this.#answeredMs = nowMs;
  }

  /** Can its calls speak against it? */
  mayFail(nowMs: number): boolean {
    const { failingForMs, minFailures, refusalsToDeclare } = this.#settings.commandPath;
    // What its gateway gives up in this very step is booked before it ends.
    const givenUp = [...this.#out].filter((one) => isTimedOut(one, this.#settings)).map(({ localMs }) => localMs);
    return (
      this.#refused.may(refusalsToDeclare, 0, [], nowMs) ||
      this.#lost.may(minFailures, failingForMs, givenUp, nowMs) ||
      this.#failed.may(minFailures, failingForMs, [], nowMs) ||
      this.#isLostByComparison(nowMs) ||
      this.#isSilent(
        Math.min(this.#leastLateMs, this.#usual.leastOverdueMs),
        this.#settings.commandPath.unansweredAfterMs,
        nowMs,
      )
    );
  }

  /** In a few words why they must; undefined where they need not. */
  mustFail(nowMs: number): string | undefined {
    const { failingForMs, minFailures, refusalsToDeclare, unansweredAfterMs } = this.#settings.commandPath;
    if (this.#refused.must(refusalsToDeclare, 0, nowMs)) return "connections are refused";
    if (this.#lost.must(minFailures, failingForMs, nowMs)) return "calls are lost";
    if (this.#surelyLost >= SURELY_LOST) return `the last ${this.#surelyLost} calls were served elsewhere`;
    if (this.#mustBeSilent(unansweredAfterMs, nowMs)) return "calls are overdue, and nothing is answered";
    return undefined;
  }

  /**
   * A gateway may compare as many new commands as were not served here; and one new one with all
   * that were late here.
   */
  #servedBeside(nowMs: number): void {
    let out = 0;
    for (const attempt of this.#out) if (this.#isLongOut(attempt, nowMs)) out++;
    for (let late = this.#late + out; late > 0; late--) this.#compare(1);
    this.#late = 0;
    if (this.#besideCompared >= this.#unserved + out) return;
    this.#besideCompared++;
    this.#compare(1);
  }

  #noteShare(isFailure: boolean): void {
    this.#failedLast.push(isFailure);
    if (this.#failedLast.length > LAST_COMMANDS) this.#failedLast.shift();
  }

  /**
   * One new command, after others, with the share of those that may not run twice that failed here.
   */
  #weighShare(): void {
    const failed = this.#failedLast.filter(Boolean).length;
    const rate = Math.min(MOST_RATE, failed / this.#failedLast.length + RATE_ROUNDING);
    this.#likelihood = failed === 0 ? 0 : this.#likelihood + Math.log((1 - rate / FEWER) / (1 - rate));
  }

  /**
   * The attempt of `command` that was worth a second one elsewhere; undefined where there is none.
   */
  #outLong(command: Command, nowMs: number): Mark | undefined {
    for (const attempt of this.#out)
      if (attempt.command === command && this.#isLongOut(attempt, nowMs))
        return { startedMs: attempt.localMs, sure: false };
    return undefined;
  }

  /** May a second attempt elsewhere be worth it? */
  #isLongOut(attempt: Attempt, nowMs: number): boolean {
    return this.#isLate(attempt, nowMs) || nowMs - attempt.judgedFromLocalMs >= LEAST_WORTH_A_SECOND_MS;
  }

  #isLate({ judgedFromLocalMs }: Attempt, nowMs: number): boolean {
    return nowMs - judgedFromLocalMs >= Math.min(this.#leastLateMs, this.#usual.leastOverdueMs);
  }

  #answered(nowMs: number): void {
    this.#answeredMs = nowMs;
    this.#leastLateMs = this.#usual.leastOverdueMs;
    this.#unanswered = [];
  }

  #served({ command, localMs, judgedFromLocalMs }: Attempt, nowMs: number): void {
    for (const row of [this.#lost, this.#failed]) row.served(localMs);
    this.#servedFromMs = Math.max(this.#servedFromMs, localMs);
    this.served++;
    this.#compare(0);
    this.#unserved = 0;
    this.#besideCompared = 0;
    this.#surelyLost = 0;
    const tookMs = nowMs - judgedFromLocalMs;
    if (tookMs >= 0) this.#usual.add(tookMs, command);
  }

  #compare(verdict: 0 | 1): void {
    this.#compared.push(verdict);
    if (this.#compared.length > COMPARED) this.#compared.shift();
  }

  /**
   * How many successes came before the first failure is not remembered by a gateway, and a command
   * that was refused for load may be none to it: any of the failures may be its first.
   */
  #isLostByComparison(nowMs: number): boolean {
    this.#beatenAtMs = this.#beatenAtMs.filter((atMs) => nowMs - atMs <= BEATEN_MS);
    const beaten = this.#beatenAtMs.length;
    let lost = beaten;
    if (lost >= LEAST_LOST || this.#likelihood >= SHOWN) return true;
    for (let place = this.#compared.length - 1; place >= 0; place--) {
      if (this.#compared[place] === 0) continue;
      lost++;
      if (lost >= LEAST_LOST && lost >= LOST_RATE * (beaten + this.#compared.length - place)) return true;
    }
    return false;
  }

  /**
   * Were so many out for longer than `lateMs` at an instant that is `forMs` ago, and has nothing
   * been answered since?
   */
  #isSilent(lateMs: number, forMs: number, nowMs: number): boolean {
    const sinceMs = nowMs - forMs + ROUNDING_MS;
    if (this.#answeredMs > sinceMs) return false;
    let late = 0;
    for (const attempt of [...this.#out, ...this.#unanswered]) {
      const { localMs, judgedFromLocalMs } = attempt;
      if (localMs >= this.#beginsMs && sinceMs - judgedFromLocalMs >= lateMs) late++;
    }
    return late >= LEAST_OVERDUE;
  }

  #mustBeSilent(forMs: number, nowMs: number): boolean {
    const { leastOverdueMs, mostOverdueMs: lateMs } = this.#usual;
    let late = 0;
    for (const { command, localMs, judgedFromLocalMs, signal } of this.#out) {
      // One that was overtaken by another only takes long.
      if (!this.#usual.knows(command) || localMs < this.#servedFromMs || this.#isAgain(command)) continue;
      // One that may have been overdue when the station last answered is held against it no more.
      if (judgedFromLocalMs + leastOverdueMs <= this.#answeredMs) continue;
      if (!signal.aborted && localMs >= this.#beginsMs && nowMs - forMs - judgedFromLocalMs >= lateMs) late++;
    }
    return late >= Math.max(LEAST_OVERDUE, this.#usual.surelyNoAccident) && this.#answeredMs < nowMs - forMs;
  }
}

/** Did it get an answer that every gateway takes for a failure of its station? */
function isSurelyFailed({ outcome, status, lies, signal }: Attempt): boolean {
  return outcome === "reply" && (status === 500 || lies) && !signal.aborted;
}

/**
 * What tells it from other commands: one that may run twice and has no key is known by its source.
 */
function identityOf(command: Command): Command | string {
  return command.kind === "read" ? sourceOf(command) : command;
}
