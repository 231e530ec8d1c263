/**
 * Tallies what calls have shown about one station, counted from outside by the rules of
 * docs/guide/failover.md ("Evidence"). Each kind of evidence is counted twice: the most that a
 * gateway can hold against the station (for a promotion that the gateway makes), and the least that
 * it must hold against it (for a promotion that it owes).
 *
 * Five kinds count against a station:
 * - connections refused in a row;
 * - commands that it failed and another station served;
 * - attempts that are out for much longer than usual while it answers nothing at all;
 * - commands lost in a row for some time;
 * - failures that could not be compared, for some time.
 *
 * Attempts sent before the station was last cleared (promoted, replaced, heard again) no longer
 * count. The usual answer time is learned from the answers of the group. The bounds used here lie
 * on both sides of the value that a gateway may learn from the same answers. It is one file because
 * one answer ends several kinds of evidence at once.
 */
import type { Attempt, Command } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { LEAST_WORTH_A_SECOND_MS, sourceOf } from "../documented.ts";
import { type AttemptEnd, endOf, isTimedOut } from "./attempt-ends.ts";
import { LEAST_OVERDUE, type UsualAnswers } from "./usual-answers.ts";

/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;
/** A station is failing if, of this many compared commands … */
export const COMPARED = 20;
/** … at least this many, and at least this share, failed here and were served elsewhere. */
export const LEAST_LOST = 5;
export const LOST_RATE = 0.4;
/** Late commands that another station served may be counted together within this time. */
const BEATEN_MS = 10_000;
/** Of this many of its last commands, a station may have failed a share, … */
const LAST_COMMANDS = 40;
/** … which its gateway may count slightly differently, … */
const RATE_ROUNDING = 0.15;
const MOST_RATE = 0.95;
/**
 * … and which counts if so many new commands are rarely served elsewhere by chance
 * (`fails-some.ts`): a healthy station fails this many times fewer.
 */
const FEWER = 8;
const SHOWN = Math.log(20_000);
/** This many in a row exceed that share, whatever came before them. */
const SURELY_LOST = LOST_RATE * COMPARED;

interface Mark {
  readonly startedMs: number;
  /** Whether a gateway must count it. */
  readonly sure: boolean;
}

/** Ends of one kind with no success between them: the highest and the lowest possible count. */
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
   * An attempt that was sent at `startedMs` has succeeded. It clears the marks of attempts that
   * were sent before it.
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

  /**
   * Whether there can be `count` of them, over `forMs`. `more`: ends that the gateway books in this
   * same step.
   */
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
   * What the gateway gave up here: commands; and for commands that may run twice, their sources,
   * until one of their commands is served.
   */
  readonly #givenUp: Set<Command | string> = new Set();
  /** Attempts that ended without an answer since the last answer. */
  #unanswered: Attempt[] = [];
  /**
   * Commands that failed here and are not over, and when they were sent. `sure`: whether a gateway
   * must compare the command.
   */
  readonly #failedHere: Map<Command, Mark> = new Map();
  /**
   * 1 for a command that was served elsewhere after it had failed here, 0 for one served here; the
   * newest last.
   */
  #compared: (0 | 1)[] = [];
  /**
   * When commands that were out here for long were served elsewhere. Each counts once newer
   * commands are answered here in time.
   */
  #beatenAtMs: number[] = [];
  /**
   * How many commands in a row failed here and were served elsewhere, of those that a gateway must
   * have compared.
   */
  #surelyLost = 0;
  /**
   * Commands that were not served here since the last served one, and how many other commands were
   * compared with them.
   */
  #unserved = 0;
  /** When the latest of them ended. */
  #unservedAtMs: number = Number.NEGATIVE_INFINITY;
  #besideCompared = 0;
  /** Commands that may have been late here and have not been compared since. */
  #late = 0;
  /**
   * For each of its last commands: whether it failed for good; and how clearly new commands served
   * by other stations show that this station is at fault.
   */
  readonly #failedLast: boolean[] = [];
  #likelihood = 0;
  #answeredMs: number = Number.NEGATIVE_INFINITY;
  /** When the latest served attempt was sent. */
  #servedFromMs: number = Number.NEGATIVE_INFINITY;
  /** How many attempts the station has served. */
  served = 0;
  /**
   * The least time after which an attempt may have been overdue since the station's last answer;
   * answers of other stations may raise it meanwhile.
   */
  #leastLateMs: number = Number.POSITIVE_INFINITY;
  /** Attempts sent before this instant no longer count. */
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
   * `attempt` has ended at `nowMs` of its gateway's clock. `counts`: the gateway does not distrust
   * itself at that time. `surely`: it had no reason to, either.
   */
  ended(attempt: Attempt, counts: boolean, surely: boolean, nowMs: number): void {
    if (!this.#out.delete(attempt)) return;
    this.#usual.noteOut(nowMs - attempt.judgedFromLocalMs);
    const { command, localMs } = attempt;
    if (this.#isLate(attempt, nowMs)) this.#late++;
    const end = endOf(attempt, this.#settings);
    // Any reply, whatever it says, shows that the station accepts connections again.
    if (attempt.outcome === "reply") {
      this.#answered(nowMs);
      this.#refused.served(localMs);
    }
    // An attempt that was given up here, because another station answered first, was overdue until
    // then.
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
      // The check cannot know whether the gateway compared it with another station, so it counts
      // only as possible. A kind of command that was never answered may be lost by its own fault.
      if (end === "failed") this.#failed.add(localMs, false);
      else if (end === "lost" && counts) {
        // An attempt that the gateway gave up itself says nothing about the present if a later one
        // has been served meanwhile.
        const isOvertaken = attempt.signal.aborted && localMs < this.#servedFromMs;
        this.#lost.add(localMs, surely && !isOvertaken && !this.#isAgain(command) && this.#usual.knows(command));
      }
    }
  }

  /**
   * Whether a gateway may take it for a repetition of a command that it gave up here before. If so,
   * its lateness is no new evidence.
   */
  #isAgain(command: Command): boolean {
    return this.#givenUp.has(identityOf(command));
  }

  /**
   * Another station has served its attempt of a command. The command has failed here, or is still
   * out here for long, or was never here while others like it are not served here.
   */
  servedElsewhere(served: Attempt, nowMs: number): void {
    const { command, status = 0, lies, signal } = served;
    const failedHere = this.#failedHere.get(command);
    const failed = failedHere ?? this.#outLong(command, nowMs);
    this.#failedHere.delete(command);
    // A command that is out here for long shows as much about the late ones as a new command does.
    if (failedHere === undefined) this.#servedBeside(nowMs);
    if (failed === undefined) return this.#weighShare();
    if (failedHere === undefined) this.#beatenAtMs.push(nowMs);
    if (failed.startedMs < this.#beginsMs) return;
    this.#compare(1);
    // The check cannot see which of several sendings of a command failed here. An answer that is no
    // success may say nothing.
    if (failed.sure && command.sendings === 1 && status < 300 && !lies && !signal.aborted) this.#surelyLost++;
  }

  /** When the latest served attempt was sent; `-Infinity` if none was served. */
  get servedFromMs(): number {
    return this.#servedFromMs;
  }

  /**
   * Whether an attempt has ended since `fromMs` without being served, or is out for so long that
   * the gateway asks another station.
   */
  isUnservedSince(fromMs: number, nowMs: number): boolean {
    if (this.#unservedAtMs >= fromMs) return true;
    return [...this.#out].some((attempt) => attempt.localMs >= fromMs && this.#isLongOut(attempt, nowMs));
  }

  /** `command` is over. */
  over(command: Command): void {
    this.#failedHere.delete(command);
  }

  /** Forgets everything held against the station. */
  startAfresh(nowMs: number): void {
    // The gateway may learn what is late now as an accident: it did not see how it would have
    // ended.
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

  /** Whether calls can count against the station. */
  mayFail(nowMs: number): boolean {
    const { failingForMs, minFailures, refusalsToDeclare } = this.#settings.commandPath;
    // Attempts that the gateway gives up in this same step are booked before they end.
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

  /** Why the calls must count against the station, in a few words; undefined if they need not. */
  mustFail(nowMs: number): string | undefined {
    const { failingForMs, minFailures, refusalsToDeclare, unansweredAfterMs } = this.#settings.commandPath;
    if (this.#refused.must(refusalsToDeclare, 0, nowMs)) return "connections are refused";
    if (this.#lost.must(minFailures, failingForMs, nowMs)) return "calls are lost";
    if (this.#surelyLost >= SURELY_LOST) return `the last ${this.#surelyLost} calls were served elsewhere`;
    if (this.#mustBeSilent(unansweredAfterMs, nowMs)) return "calls are overdue, and nothing is answered";
    return undefined;
  }

  /**
   * A gateway may compare as many new commands as were not served here, and one new command with
   * all that were late here.
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
   * Weighs one new command, after others, against the share of commands that may not run twice and
   * failed here.
   */
  #weighShare(): void {
    const failed = this.#failedLast.filter(Boolean).length;
    const rate = Math.min(MOST_RATE, failed / this.#failedLast.length + RATE_ROUNDING);
    this.#likelihood = failed === 0 ? 0 : this.#likelihood + Math.log((1 - rate / FEWER) / (1 - rate));
  }

  /** The attempt of `command` that was worth a second one elsewhere; undefined if there is none. */
  #outLong(command: Command, nowMs: number): Mark | undefined {
    for (const attempt of this.#out)
      if (attempt.command === command && this.#isLongOut(attempt, nowMs))
        return { startedMs: attempt.localMs, sure: false };
    return undefined;
  }

  /** Whether a second attempt elsewhere may be worth it. */
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
   * A gateway does not remember how many successes came before the first failure, and it may not
   * count a command that was refused for load. So any of the failures may be its first.
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
   * Whether enough attempts were out for longer than `lateMs` at the instant `forMs` ago, and
   * nothing has been answered since.
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
      // An attempt that a later one has overtaken is only slow.
      if (!this.#usual.knows(command) || localMs < this.#servedFromMs || this.#isAgain(command)) continue;
      // An attempt that may have been overdue when the station last answered no longer counts
      // against it.
      if (judgedFromLocalMs + leastOverdueMs <= this.#answeredMs) continue;
      if (!signal.aborted && localMs >= this.#beginsMs && nowMs - forMs - judgedFromLocalMs >= lateMs) late++;
    }
    return late >= Math.max(LEAST_OVERDUE, this.#usual.surelyNoAccident) && this.#answeredMs < nowMs - forMs;
  }
}

/** Whether it got an answer that every gateway counts as a failure of its station. */
function isSurelyFailed({ outcome, status, lies, signal }: Attempt): boolean {
  return outcome === "reply" && (status === 500 || lies) && !signal.aborted;
}

/**
 * What identifies a command to the gateway: one that may run twice and has no key is known by its
 * source.
 */
function identityOf(command: Command): Command | string {
  return command.kind === "read" ? sourceOf(command) : command;
}
