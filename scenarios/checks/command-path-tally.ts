/**
 * What calls have shown of one station, counted from outside as docs/guide/failover.md has it ("Evidence"). Each kind of
 * evidence is counted twice: the most that a gateway can hold against the station, for a promotion that it makes, and the
 * least that it has to, for one that it owes. Five kinds speak against a station: connections refused in a row; commands
 * that it failed and another one served; attempts that are out for much longer than usual while it answers nothing at all;
 * commands lost in a row for some time; failures that could not be compared, for some time. What was sent before the
 * station was last cleared (promoted, replaced, heard again) counts no more. How long is usual is learned from the answers
 * of the group: the bounds used here are on either side of what a gateway may learn from the same answers.
 */
import type { Attempt, Command } from "../fleet/observer.ts";
import { endOf, isTimedOut } from "./attempt-ends.ts";
import type { DocumentedGroup } from "./documented.ts";
import { LEAST_WORTH_A_SECOND_MS, sourceOf } from "./documented.ts";

/** Instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;
/** Of so many compared commands … */
export const COMPARED = 20;
/** … so many, and this share, have failed here and were served elsewhere. */
export const LEAST_LOST = 5;
export const LOST_RATE = 0.4;
/** So many in a row are more than that share, whatever came before them. */
const SURELY_LOST = LOST_RATE * COMPARED;
/** So many attempts have to be overdue. */
const LEAST_OVERDUE = 2;
/** Answers that are remembered to tell what is usual. */
const ANSWERS = 100;
/** An attempt is overdue once it is out for longer than nearly all of them: at least than this share of the last. */
const SURELY_QUICKER = 0.9;
/** And surely overdue where it is out for so many times the slowest answer ever seen, once so many are known. */
const SURELY_LATE_RATIO = 2.5;
const SURELY_LATE_MS = 20;
const ENOUGH_ANSWERS = 64;
/** What is late at most for a gateway, which knows by so many answers how long is usual; and how often one is after one that was not, and after one that was, before any was seen. */
const FEWEST_ANSWERS = 20;
const LATE = { ratio: 1.05, marginMs: 5 };
const PRIOR = { share: 0.005, first: 20, next: 6 };
/** So small is the chance that what is late in a row is so by accident. */
const LEAST_CHANCE = 1e-6;
/** What happens more rarely never happens. */
const LEAST_SHARE = 0.001;

/** How long the stations of a group take to answer. */
export class UsualAnswers {
  readonly #lastMs: number[] = [];
  readonly #sources: Set<string> = new Set();
  #slowestMs = 0;
  #answers = 0;
  #late = 0;

  add(tookMs: number, command: Command): void {
    this.#answers++;
    this.#sources.add(sourceOf(command));
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    this.#lastMs.push(tookMs);
    if (this.#lastMs.length > ANSWERS) this.#lastMs.shift();
  }

  /** No gateway may take an attempt for overdue that is out for less. */
  get leastOverdueMs(): number {
    const sorted = this.#lastMs.toSorted((one, other) => one - other);
    return sorted[Math.floor(SURELY_QUICKER * (sorted.length - 1))] ?? 0;
  }

  /** Has any command of its kind been answered? Otherwise no gateway takes one for overdue. */
  knows(command: Command): boolean {
    return this.#sources.has(sourceOf(command));
  }

  /** An attempt has ended, however it did, and was out for so long. */
  noteOut(forMs: number): void {
    if (this.#answers < FEWEST_ANSWERS) return;
    const usualMs = this.leastOverdueMs;
    if (forMs > Math.max(usualMs * LATE.ratio, usualMs + LATE.marginMs)) this.#late++;
  }

  /** No gateway needs more late ones in a row to know that they are no accident, by how many are while all is well. */
  get surelyNoAccident(): number {
    const first = (PRIOR.share * PRIOR.first + this.#late) / (PRIOR.first + this.#answers);
    if (first < LEAST_SHARE) return LEAST_OVERDUE;
    const next = Math.max(first, (PRIOR.share * PRIOR.next + this.#late) / (PRIOR.next + this.#late));
    const more = Math.log(LEAST_CHANCE / first) / Math.log(next);
    return 1 + Math.max(0, Math.ceil(more));
  }

  /** Every gateway has to take an attempt for overdue that is out for longer; `Infinity` while too little is known. */
  get mostOverdueMs(): number {
    if (this.#answers < ENOUGH_ANSWERS) return Number.POSITIVE_INFINITY;
    return SURELY_LATE_RATIO * this.#slowestMs + SURELY_LATE_MS;
  }
}

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

  /** An attempt that was sent at `startedMs` has succeeded: it clears what was there before it was sent. */
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
  /** Attempts that ended without an answer since the last one. */
  #unanswered: Attempt[] = [];
  /** Commands that failed here and are not over, and when they were sent. `sure`: must a gateway compare it? */
  readonly #failedHere: Map<Command, Mark> = new Map();
  /** 1 for a command that was served elsewhere after it had failed here, 0 for one served here; the newest last. */
  #compared: (0 | 1)[] = [];
  /** Of commands that a gateway must have compared, so many in a row failed here and were served elsewhere. */
  #surelyLost = 0;
  /** Commands that were not served here since the last one that was, and how many others were compared with them. */
  #unserved = 0;
  /** When the latest of them ended. */
  #unservedAtMs: number = Number.NEGATIVE_INFINITY;
  #besideCompared = 0;
  #answeredMs: number = Number.NEGATIVE_INFINITY;
  /** When the latest of those that were served was sent. */
  #servedFromMs: number = Number.NEGATIVE_INFINITY;
  /** The least time after which an attempt may have been overdue since then; what others answer meanwhile may raise it. */
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
   * `attempt` has ended at `nowMs` of its gateway's clock. `counts`: it does not distrust itself at that time; `surely`: nor
   * could it have had reason to.
   */
  ended(attempt: Attempt, counts: boolean, surely: boolean, nowMs: number): void {
    if (!this.#out.delete(attempt)) return;
    this.#usual.noteOut(nowMs - attempt.judgedFromLocalMs);
    const { command, localMs } = attempt;
    const end = endOf(attempt, this.#settings);
    // Whatever a reply says, it shows that connections are taken again.
    if (attempt.outcome === "reply") {
      this.#answered(nowMs);
      this.#refused.served(localMs);
    }
    // One that was given up here, because another station answered first, was overdue until then.
    else if (!attempt.ours || this.#isLate(attempt, nowMs)) this.#unanswered.push(attempt);
    if (end !== "served") {
      this.#unserved++;
      this.#unservedAtMs = nowMs;
    }
    if (end === "served") this.#served(attempt, nowMs);
    else if (end === "nothing" || localMs < this.#beginsMs) return;
    else if (end === "refused") {
      if (counts) this.#refused.add(localMs, surely);
    } else {
      this.#failedHere.set(command, { startedMs: localMs, sure: isSurelyFailed(attempt) });
      // Whether it was compared with another station is the gateway's business: it counts at most.
      // A kind that was never answered may be lost by its own fault.
      if (end === "failed") this.#failed.add(localMs, false);
      else if (end === "lost" && counts) {
        // One that a gateway gave up itself says nothing of now where a later one has been served meanwhile.
        const isOvertaken = attempt.signal.aborted && localMs < this.#servedFromMs;
        this.#lost.add(localMs, surely && !isOvertaken && this.#usual.knows(command));
      }
    }
  }

  /**
   * Another station has served its attempt of a command, which has failed here or is still out here for long; or which
   * never was here, while others like it are not served here.
   */
  servedElsewhere(served: Attempt, nowMs: number): void {
    const { command, status = 0, lies, signal } = served;
    const failed = this.#failedHere.get(command) ?? this.#outLong(command, nowMs);
    this.#failedHere.delete(command);
    if (failed === undefined) return this.#servedBeside(nowMs);
    if (failed.startedMs < this.#beginsMs) return;
    this.#compare(1);
    // Which of several sendings of a command failed where cannot be seen; other answers than success may say nothing.
    if (failed.sure && command.sendings === 1 && status < 300 && !lies && !signal.aborted) this.#surelyLost++;
  }

  /** Has an attempt ended since `fromMs` without being served, or is one out for so long that another station is asked? */
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
    this.#unserved = 0;
    this.#besideCompared = 0;
    this.#surelyLost = 0;
    this.#unanswered = [];
    this.#beginsMs = nowMs;
    this.#answeredMs = nowMs;
  }

  /** Can its calls speak against it? */
  mayFail(nowMs: number): boolean {
    const { failingForMs, minimumFailures, refusalsToDeclare } = this.#settings.commandPath;
    // What its gateway gives up in this very step is booked before it ends.
    const givenUp = [...this.#out].filter((one) => isTimedOut(one, this.#settings)).map(({ localMs }) => localMs);
    return (
      this.#refused.may(refusalsToDeclare, 0, [], nowMs) ||
      this.#lost.may(minimumFailures, failingForMs, givenUp, nowMs) ||
      this.#failed.may(minimumFailures, failingForMs, [], nowMs) ||
      this.#isLostByComparison() ||
      this.#isSilent(
        Math.min(this.#leastLateMs, this.#usual.leastOverdueMs),
        this.#settings.commandPath.unansweredAfterMs,
        nowMs,
      )
    );
  }

  /** In a few words why they must; undefined where they need not. */
  mustFail(nowMs: number): string | undefined {
    const { failingForMs, minimumFailures, refusalsToDeclare, unansweredAfterMs } = this.#settings.commandPath;
    if (this.#refused.must(refusalsToDeclare, 0, nowMs)) return "connections are refused";
    if (this.#lost.must(minimumFailures, failingForMs, nowMs)) return "calls are lost";
    if (this.#surelyLost >= SURELY_LOST) return `the last ${this.#surelyLost} calls were served elsewhere`;
    if (this.#mustBeSilent(unansweredAfterMs, nowMs)) return "calls are overdue, and nothing is answered";
    return undefined;
  }

  /** A gateway may compare as many new commands as were not served here. */
  #servedBeside(nowMs: number): void {
    let out = 0;
    for (const attempt of this.#out) if (nowMs - attempt.judgedFromLocalMs >= LEAST_WORTH_A_SECOND_MS) out++;
    if (this.#besideCompared >= this.#unserved + out) return;
    this.#besideCompared++;
    this.#compare(1);
  }

  /** The attempt of `command` that was worth a second one elsewhere; undefined where there is none. */
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
   * How many successes came before the first failure is not remembered by a gateway, and a command that was refused for
   * load may be none to it: any of the failures may be its first.
   */
  #isLostByComparison(): boolean {
    let lost = 0;
    for (let place = this.#compared.length - 1; place >= 0; place--) {
      if (this.#compared[place] === 0) continue;
      lost++;
      if (lost >= LEAST_LOST && lost >= LOST_RATE * (this.#compared.length - place)) return true;
    }
    return false;
  }

  /** Were so many out for longer than `lateMs` at an instant that is `forMs` ago, and has nothing been answered since? */
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
      if (!this.#usual.knows(command) || localMs < this.#servedFromMs) continue;
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
