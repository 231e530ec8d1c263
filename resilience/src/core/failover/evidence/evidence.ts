/**
 * What calls show of one station. Heartbeats prove that a process is up, not that commands get
 * through. Evidence is either strong (connections refused, attempts overdue while nothing at all is
 * answered, commands lost one after the other) or comparative: what this station failed, another
 * one served. A failure that both stations give is the command's own and is no evidence; a failure
 * that could not be compared counts only where everything fails, for some time, for several sources
 * of calls. None of it is a count of failures (incident CN-2702-003): a success clears it.
 *
 * A success clears what began before it: an attempt that was sent before the station began to fail
 * proves, by its late answer, nothing about those sent after. Silence is different: any answer ends
 * it.
 *
 * Two verdicts follow. In *doubt* the station gets no new calls for the moment if another can take
 * them: quick and reversible. *Failing* makes it ineligible, and moves the active role. It is one
 * file because one answer clears several kinds of evidence at once.
 */
import { COUNT, checked, DURATION_MS } from "../../options.ts";
import { Accidents, UsualShare } from "./accidents.ts";
import { FailsSome } from "./fails-some.ts";
import { LateAlone } from "./late-alone.ts";
import { Overtaken } from "./overtaken.ts";
import { MANY_SOURCES, Uncompared } from "./uncompared.ts";

/**
 * Options that decide when failing calls count as proof against a station that still sends
 * heartbeats.
 */
export interface CommandPathOptions {
  /**
   * Failures that could not be compared must have lasted for at least this long. In ms, from 0,
   * below 2^31. Default 1,000: shorter troubles pass by themselves.
   */
  readonly failingForMs?: number | undefined;
  /**
   * … and there must have been at least so many of them, with no success between. A whole number
   * from 1, below 2^31. Default 5: fewer are an accident.
   */
  readonly minFailures?: number | undefined;
  /**
   * So many refused connections in a row, with no answer between, are proof at once. A whole number
   * from 1, below 2^31. Default 2: no service that listens refuses twice in a row.
   */
  readonly refusalsToDeclare?: number | undefined;
  /**
   * Overdue attempts are proof once nothing has been answered for this long beyond the time they
   * were due. In ms, from 0, below 2^31. Default 250: answers that are only late, after a pause of
   * the service or of the network, come within it.
   */
  readonly unansweredAfterMs?: number | undefined;
}

/** Verdicts of commands that are kept: served here, or failed here and served elsewhere. */
const VERDICTS = 20;
/** So many of them must be failures, … */
const MIN_LOST = 5;
/**
 * … and this share of them: a station that fails one command in ten at random stays, for it is no
 * worse than many.
 */
const LOST_RATE = 0.4;
/** So many of them in a row put a station in doubt. */
const DOUBTED_AFTER_LOST = 3;
/**
 * So many calls in a row that are refused for load put a station in doubt, where another one serves
 * them, …
 */
const DOUBTED_AFTER_REFUSED = 8;
/** … or fewer, where it has served nothing for so long. */
const REFUSING_MS = 250;
/**
 * So many overdue or lost attempts in a row put a station in doubt: a doubt costs nothing but the
 * way of new calls. Overdue ones …
 */
const DOUBTED_AFTER = 2;
/**
 * … only where the chance of an accident is no higher: where hardly any ever is overdue, two are
 * none.
 */
export const ACCIDENT = 1e-6;
/**
 * How long calls take is known after so many times that, and no sooner than after so long, in ms.
 */
const SHOWN_AFTER = 5;
const SHOWN_MS = 2_000;
/**
 * So many calls in a row that are refused for load, of sources that nobody serves, are the
 * station's and not the calls'.
 */
const MIN_OVERLOADED = 8;
/**
 * Sources that the station has served before, told apart among refusals for load; of others it
 * takes MANY_SOURCES.
 */
const MIN_SOURCES = 2;
/**
 * Failures that are not compared are proof if they are of so many sources: with fewer, another
 * station is asked first, where there is one (`uncompared.ts`).
 */
const PROVEN_SOURCES = MANY_SOURCES + 2;
/** Another source that failed within this time failed lately. */
const LATELY_MS = 10_000;

/**
 * What calls show of one station: whether new calls should avoid it (`isDoubted`), and whether it
 * should be replaced (`isFailing`).
 *
 * @example
 * ```ts
 * import { StationEvidence } from "ground-station-failover/core";
 *
 * const evidence = new StationEvidence({ refusalsToDeclare: 2 });
 * evidence.noteServed(0, 20);
 * evidence.noteRefused(100); // a connection sent at 100 was refused
 * console.log(evidence.isFailing(110)); // false
 * evidence.noteRefused(120);
 * console.log(evidence.isFailing(130)); // true
 * ```
 */
export class StationEvidence {
  readonly #failingForMs: number;
  readonly #minFailures: number;
  readonly #refusalsToDeclare: number;
  readonly #unansweredAfterMs: number;
  /** Attempts that began before this belong to a time that is over. */
  #beginsMs: number = Number.NEGATIVE_INFINITY;
  #lastServedMs: number = Number.NEGATIVE_INFINITY;
  /** When it was first served of all, and is not forgotten. */
  #firstServedMs: number = Number.POSITIVE_INFINITY;
  /** When the latest of those that were served was sent. */
  #servedFromMs: number = Number.NEGATIVE_INFINITY;
  #overloadedInRow = 0;
  readonly #overloadedSources: Set<object> = new Set();
  #overloadsWhatItServed = false;
  /** Of the calls refused for load in a row, so many were served by another station. */
  #refusedHereOnly = 0;
  #isRefusingAll = false;
  #refused = 0;
  #refusedSinceMs: number = Number.POSITIVE_INFINITY;
  #lost = 0;
  #lostSinceMs: number = Number.POSITIVE_INFINITY;
  #failed = 0;
  /**
   * When the first of them was sent, which a success must not precede; and when it was answered,
   * from which they last.
   */
  #failedSinceMs: number = Number.POSITIVE_INFINITY;
  #failedFromMs: number = Number.POSITIVE_INFINITY;
  #failsWhatItServed = false;
  readonly #failedSources: Set<object> = new Set();
  /** The source that failed last, and when; and when another one did before it. */
  #lastFailed: object | undefined = undefined;
  #lastFailedAtMs: number = Number.NEGATIVE_INFINITY;
  #otherFailedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Attempts that became overdue, or whose callers' time was over, since anything was answered. */
  readonly #late: Accidents;
  /** Another attempt was about to be overdue when one was. */
  #isNextOverdue = false;
  /** Callers who left since anything was answered, where that is no accident. */
  #deserted = 0;
  readonly #unanswered: Uncompared = new Uncompared();
  readonly #failedAlone: Uncompared = new Uncompared();
  readonly #brokenUploads: Uncompared = new Uncompared();
  readonly #lateAlone: LateAlone = new LateAlone();
  readonly #failsSome: FailsSome = new FailsSome();
  readonly #overtaken: Overtaken = new Overtaken();
  /** What new calls at another station may be compared with. */
  readonly #comparable = [
    this.#failedAlone,
    this.#brokenUploads,
    this.#unanswered,
    this.#lateAlone,
    this.#failsSome,
  ] as const;
  #silentAtMs: number = Number.NEGATIVE_INFINITY;
  /** Since when so many are overdue that the station counts as silent; may be yet to come. */
  #silentSinceMs: number = Number.POSITIVE_INFINITY;
  /**
   * 1 for a command that another station served after this one had failed it, 0 for one served
   * here; the newest last.
   */
  #verdicts: number[] = [];
  /** Nothing at all is held against it. Kept beside the rest, because every call asks. */
  #isClear = true;

  /** `usualLate`: how many calls are late while stations are well, learned from all of a group. */
  constructor(options: CommandPathOptions = {}, usualLate: UsualShare = new UsualShare()) {
    this.#late = new Accidents(usualLate);
    const part = "commandPath";
    const duration = { ...DURATION_MS, aboveMin: false };
    this.#failingForMs = checked(part, "failingForMs", options.failingForMs ?? 1_000, duration);
    this.#unansweredAfterMs = checked(part, "unansweredAfterMs", options.unansweredAfterMs ?? 250, duration);
    this.#minFailures = checked(part, "minFailures", options.minFailures ?? 5, COUNT);
    this.#refusalsToDeclare = checked(part, "refusalsToDeclare", options.refusalsToDeclare ?? 2, COUNT);
  }

  /** An attempt that was sent at `startedMs` has succeeded. */
  noteServed(startedMs: number, nowMs: number): void {
    this.#lastServedMs = nowMs;
    if (this.#firstServedMs === Number.POSITIVE_INFINITY) this.#firstServedMs = nowMs;
    if (startedMs > this.#servedFromMs) this.#servedFromMs = startedMs;
    if (this.#isClear) this.#late.noteWell();
    else this.#clearBefore(startedMs);
  }

  /**
   * An attempt that was sent at `startedMs` has succeeded: what began before it no longer counts.
   */
  #clearBefore(startedMs: number): void {
    this.noteAnswer(startedMs);
    this.#lateAlone.noteServed();
    this.#failsSome.noteServed();
    if (this.#overloadedInRow > 0) this.#clearOverloaded();
    if (startedMs >= this.#lostSinceMs) this.#clearLost();
    if (startedMs >= this.#failedSinceMs) this.#clearFailed();
    this.#addVerdict(0);
    this.#isClear = !this.isSuspect && this.#overloadedInRow === 0 && !this.hasUncompared && !this.awaitsOvertaking;
  }

  /**
   * Something came back, whatever it was: the station is not silent. `startedMs`: when the attempt
   * was sent; one that was sent after a refused connection shows that the station takes connections
   * again.
   */
  noteAnswer(startedMs: number = Number.NEGATIVE_INFINITY): void {
    if (startedMs >= this.#refusedSinceMs) this.#clearRefused();
    this.#late.noteWell();
    this.#silentSinceMs = Number.POSITIVE_INFINITY;
    this.#isNextOverdue = false;
    this.#deserted = 0;
    this.#silentAtMs = Number.NEGATIVE_INFINITY;
    this.#unanswered.clear();
    this.#brokenUploads.clear();
  }

  /**
   * A call of `source` (`wasServed`: before, and here) was refused for load. True if one of those
   * in a row was served.
   */
  noteOverloaded(source: object, wasServed: boolean, startedMs: number): boolean {
    this.noteAnswer(startedMs);
    this.#isClear = false;
    this.#overloadedInRow++;
    if (wasServed) this.#overloadsWhatItServed = true;
    if (this.#overloadedSources.size < MANY_SOURCES) this.#overloadedSources.add(source);
    return this.#overloadsWhatItServed;
  }

  /**
   * A call that was refused here for load was served by another station. One that only has too much
   * to do serves some.
   */
  noteRefusedHereOnly(nowMs: number): void {
    if (this.#overloadedInRow === 0 || ++this.#refusedHereOnly < DOUBTED_AFTER_LOST) return;
    const isLong = this.#overloadedInRow >= DOUBTED_AFTER_REFUSED || nowMs - this.#lastServedMs >= REFUSING_MS;
    if (isLong) this.#isRefusingAll = true;
  }

  /**
   * Have many calls been refused for load, of several sources that were served before or of many,
   * and none served since?
   */
  get isRefusingForLoad(): boolean {
    const least = this.#overloadsWhatItServed ? MIN_SOURCES : MANY_SOURCES;
    return this.#overloadedInRow >= MIN_OVERLOADED && this.#overloadedSources.size >= least;
  }

  /** A connection was refused. */
  noteRefused(startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#refused++;
    this.#isClear = false;
    this.#refusedSinceMs = Math.min(this.#refusedSinceMs, startedMs);
  }

  /** A command was sent at `startedMs`, and its connection was lost or its time was up. */
  noteLost(startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#lost++;
    this.#isClear = false;
    this.#lostSinceMs = Math.min(this.#lostSinceMs, startedMs);
  }

  /**
   * A command of `source` was answered with a failure, and is not compared with another station.
   * `wasServed`: has the station ever served this source? Then its failures are news, however few
   * sources there are. True where another source has failed lately, too, so that it is not one
   * caller who repeats itself.
   */
  noteFailed(source: object, wasServed: boolean, startedMs: number, nowMs: number): boolean {
    // Whether it ended before or after one that was sent later, and served, is chance.
    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return false;
    if (source !== this.#lastFailed) {
      this.#otherFailedAtMs = this.#lastFailedAtMs;
      this.#lastFailed = source;
    }
    this.#lastFailedAtMs = nowMs;
    this.#isClear = false;
    this.#failed++;
    this.#failedSinceMs = Math.min(this.#failedSinceMs, startedMs);
    this.#failedFromMs = Math.min(this.#failedFromMs, nowMs);
    if (wasServed) this.#failsWhatItServed = true;
    if (this.#failedSources.size < PROVEN_SOURCES) this.#failedSources.add(source);
    this.#failedAlone.note(source);
    return nowMs - this.#otherFailedAtMs <= LATELY_MS;
  }

  /**
   * A command of `source` was answered with a failure, and may not run twice: others are served
   * here, or are not.
   */
  noteFailedForGood(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#failsSome.note(source);
  }

  /**
   * Another station gave a call the same failure as this one. Where only sources fail that were
   * never served here, it is likely that this is their own, and that a change of roles would mend
   * nothing; nor is a refusal for load then one.
   */
  noteFailedAlike(): boolean {
    const wasRefusing = this.isRefusingForLoad;
    if (!this.#failsWhatItServed) this.#clearFailed();
    if (!this.#overloadsWhatItServed) this.#clearOverloaded();
    return wasRefusing && !this.isRefusingForLoad;
  }

  /**
   * A command that failed here was served by another station. `startedMs`: when it was sent here.
   */
  noteServedElsewhere(startedMs: number): void {
    if (startedMs >= this.#beginsMs) this.#addVerdict(1);
  }

  /**
   * A call of `source` is out for so long that it is worth a second attempt, which it cannot have.
   * Its time is unknown.
   */
  noteUnanswered(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#unanswered.note(source);
  }

  /**
   * A call that was sent at `startedMs` is late: one of `source`, which cannot have a second
   * attempt, or one that another station has served meanwhile (`undefined`). It counts when newer
   * ones have been answered here in time.
   */
  noteLate(startedMs: number, source?: object): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#overtaken.note(startedMs, source);
  }

  /** Are there late calls that newer ones may overtake? */
  get awaitsOvertaking(): boolean {
    return this.#overtaken.size > 0;
  }

  /** A call was served here that was sent at `startedMs`; in time, or late. */
  noteOvertaking(startedMs: number, isInTime: boolean): void {
    if (!isInTime) {
      this.#overtaken.noteAnswered(startedMs);
      return;
    }
    const found = this.#overtaken.noteInTime(startedMs);
    if (found.length === 0) return;
    // Where many are told at once, as many count as were among the last that it was given.
    const most = Math.max(1, Math.round((VERDICTS * found.length) / (found.length + this.#overtaken.inTime)));
    let counted = 0;
    for (const { source } of found) {
      if (source !== undefined) this.#lateAlone.note(source);
      else if (counted++ < most) this.noteServedElsewhere(startedMs);
    }
  }

  /**
   * The connection of a call of `source` broke that had brought a long body, and it cannot be sent
   * again. A station that will not have a body may close the connection on it, so this says nothing
   * of the station unless another one takes it.
   */
  noteUploadBroken(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#brokenUploads.note(source);
  }

  /** Are there calls that were not served here and may be compared with new ones? */
  get hasUncompared(): boolean {
    return this.#comparable.some(({ size }) => size > 0);
  }

  /** Is it worth finding out whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#comparable.some((calls) => calls.isWorthComparing(source));
  }

  /**
   * Another station served a new call of `source`; `isQuick`: in less time than calls here have
   * been out for. True where that speaks against this one.
   */
  noteServedBeside(source: object, isQuick: boolean, nowMs: number): boolean {
    if (!isQuick) this.#unanswered.clear();
    const isAgainst =
      this.#failedAlone.take(source) || this.#brokenUploads.take(source) || this.#unanswered.take(source);
    const failed = Math.max(isAgainst ? 1 : 0, this.#failsSome.noteServedBeside(source, VERDICTS));
    for (let each = 0; each < failed; each++) this.noteServedElsewhere(nowMs);
    return failed > 0;
  }

  /**
   * Another station served a new call of `source`; `isInTime`: in the time that this one needs for
   * such calls as a rule. True where that speaks against this one.
   */
  noteServedBesideLate(source: object, isInTime: boolean, nowMs: number): boolean {
    if (!isInTime) this.#lateAlone.clear();
    const late = this.#lateAlone.take(source, VERDICTS);
    for (let each = 0; each < late; each++) this.noteServedElsewhere(nowMs);
    return late > 0;
  }

  /**
   * Nor did another station serve a new call: it takes as many more that are not served here until
   * that is asked again.
   */
  noteUnservedBeside(): void {
    this.#failedAlone.clear();
    this.#brokenUploads.clear();
    this.#unanswered.clear();
    this.#lateAlone.clear();
    this.#failsSome.noteFailedBeside();
  }

  /**
   * An attempt became overdue; from `silentAtMs` on, now or later, that shows that its station is
   * silent. One that was overtaken by another, which was served, only takes long: the last ones out
   * are always the slowest.
   */
  noteOverdue(startedMs: number, silentAtMs: number): void {
    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return;
    this.#late.note();
    this.#isClear = false;
    if (this.#silentSinceMs < Number.POSITIVE_INFINITY) return;
    this.#silentAtMs = Math.max(this.#silentAtMs, silentAtMs);
    if (this.#areLate) this.#silentSinceMs = this.#silentAtMs;
  }

  /**
   * So many callers have left since anything was answered, the last one's call sent at `startedMs`,
   * that it is no accident: calls that wait for a limit are out for too short a time to become
   * overdue.
   */
  noteDeserted(left: number, startedMs: number, nowMs: number): void {
    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return;
    this.#deserted = left;
    this.#isClear = false;
    if (nowMs < this.#silentSinceMs) this.#silentSinceMs = nowMs;
  }

  /**
   * Beside one that became overdue another will in a moment: enough for a doubt, which costs
   * nothing. It is no proof, which would change roles: until it is overdue, the other may be
   * answered in its usual time.
   */
  noteNextOverdue(startedMs: number): void {
    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs || this.#late.inRow === 0) return;
    if (this.#late.chance(1) <= ACCIDENT) this.#isNextOverdue = true;
  }

  /** When an attempt last succeeded; `-Infinity` if never. */
  get lastServedMs(): number {
    return this.#lastServedMs;
  }

  /**
   * Has it been seen to serve for long enough to know whether calls take `tookMs` there? Its quick
   * answers come first: what is slow as a rule has not been seen once when its first call is out
   * for long. One that serves nothing needs no time.
   */
  hasShown(tookMs: number, nowMs: number): boolean {
    if (this.#firstServedMs === Number.POSITIVE_INFINITY) return true;
    return nowMs - this.#firstServedMs >= Math.max(SHOWN_MS, SHOWN_AFTER * tookMs);
  }

  /** When the latest of those that succeeded was sent; `-Infinity` if none did. */
  get servedFromMs(): number {
    return this.#servedFromMs;
  }

  /**
   * Is nothing held against the station, so that it is neither in doubt nor failing, and nothing is
   * to be compared? It may still be false for a while after that: until the station serves the next
   * call.
   */
  get isClear(): boolean {
    return this.#isClear;
  }

  /** Is something held against the station? */
  get isQuestioned(): boolean {
    return this.#refused > 0 || this.#lost > 0 || this.#failed > 0 || this.#late.inRow > 0 || this.#deserted > 0;
  }

  /** Is something held against the station, or has another station served what this one failed? */
  get isSuspect(): boolean {
    return this.isQuestioned || this.#verdicts.length > 0;
  }

  /** Is it silent: are attempts overdue, or about to be, while nothing is answered? */
  get isSilent(): boolean {
    return this.#isNextOverdue || this.#areLate || this.#deserted > 0;
  }

  /**
   * … and has nothing been answered for so long that it is proof? Until then what is out there may
   * be answered yet.
   */
  isProvenSilent(nowMs: number): boolean {
    return nowMs >= this.#overdueProofMs();
  }

  /** Were connections refused, and none served since? */
  get isRefusing(): boolean {
    return this.#refused > 0;
  }

  /** Should new calls go elsewhere, if they can? */
  get isDoubted(): boolean {
    return this.#isRefusingAll || this.#isDoubtedOtherwise;
  }

  /**
   * … and is that because it refuses them for load, and for nothing else? Then it can take as many
   * as it is given time for.
   */
  get isDoubtedForLoad(): boolean {
    return this.#isRefusingAll && !this.#isDoubtedOtherwise;
  }

  get #isDoubtedOtherwise(): boolean {
    return this.#refused > 0 || this.#lost >= DOUBTED_AFTER || this.isSilent || this.#lastVerdictsLost();
  }

  /** Why it is in doubt, or that it is not, in a few words. */
  get doubt(): string {
    if (this.#refused > 0) return `${this.#refused} connections refused`;
    if (this.#late.inRow >= DOUBTED_AFTER && this.isSilent)
      return `${this.#late.inRow} calls became overdue, and nothing is answered`;
    if (this.#deserted > 0) return `${this.#deserted} callers left, and nothing is answered`;
    if (this.isSilent) return "a call became overdue, the next is about to, and nothing is answered";
    if (this.#isRefusingAll) return `${this.#overloadedInRow} calls in a row were refused here, and served elsewhere`;
    if (this.#lost >= DOUBTED_AFTER) return `${this.#lost} calls in a row were sent and not answered`;
    if (this.#lastVerdictsLost())
      return `the last ${DOUBTED_AFTER_LOST} calls failed here and were served by another station`;
    return "it answers";
  }

  /** Is the command path failing at `nowMs`? */
  isFailing(nowMs: number): boolean {
    if (!this.isSuspect) return false;
    return (
      this.#refused >= this.#refusalsToDeclare ||
      this.#isLostByComparison() ||
      nowMs >= this.#overdueProofMs() ||
      nowMs >= this.#failureProofMs() ||
      nowMs >= this.#lossProofMs()
    );
  }

  /** Why the command path is failing at `nowMs`, in a sentence; undefined where it is not. */
  failing(nowMs: number): string | undefined {
    if (this.#refused >= this.#refusalsToDeclare) return `${this.#refused} connections refused in a row`;
    if (this.#isLostByComparison()) {
      const lost = this.#lostVerdicts();
      return `${lost} of the last ${this.#verdicts.length} commands failed here and were served by another station`;
    }
    if (nowMs >= this.#overdueProofMs()) {
      const forMs = Math.round(nowMs - this.#silentSinceMs);
      const what =
        this.#deserted > 0 ? `${this.#deserted} callers left` : `${this.#late.inRow} commands became overdue`;
      return `${what}, and nothing has been answered for ${forMs} ms more`;
    }
    if (nowMs >= this.#failureProofMs()) {
      return `all of the last ${this.#failed} commands failed, for ${Math.round(nowMs - this.#failedFromMs)} ms`;
    }
    if (nowMs >= this.#lossProofMs()) {
      return `the last ${this.#lost} commands were sent and not answered, for ${Math.round(nowMs - this.#lostSinceMs)} ms`;
    }
    return undefined;
  }

  /** When {@link isFailing} could turn true by time alone; `Infinity` where it could not. */
  get nextWakeMs(): number {
    return Math.min(this.#overdueProofMs(), this.#failureProofMs(), this.#lossProofMs());
  }

  /**
   * Forgets what was held against the station; attempts that were sent before `nowMs` no longer
   * count.
   */
  startAfresh(nowMs: number): void {
    this.#beginsMs = nowMs;
    if (this.#late.inRow > 0) this.#late.noteWell();
    this.#clearRefused();
    this.#clearLost();
    this.#clearFailed();
    this.noteAnswer();
    this.#clearOverloaded();
    this.#lateAlone.clear();
    this.#failsSome.clear();
    this.#overtaken.clear();
    this.#verdicts = [];
    this.#isClear = true;
  }

  /** It failed: that it served before is no reason any more to send it more than a trial. */
  forgetService(): void {
    this.#lastServedMs = Number.NEGATIVE_INFINITY;
    this.#firstServedMs = Number.POSITIVE_INFINITY;
  }

  /** Are so many late in a row that it is no accident? */
  get #areLate(): boolean {
    return this.#late.inRow >= DOUBTED_AFTER && this.#late.chance() <= ACCIDENT;
  }

  #overdueProofMs(): number {
    return this.#silentSinceMs + this.#unansweredAfterMs;
  }

  #failureProofMs(): number {
    const isDiverse = this.#failsWhatItServed || this.#failedSources.size >= PROVEN_SOURCES;
    return isDiverse && this.#failed >= this.#minFailures
      ? this.#failedFromMs + this.#failingForMs
      : Number.POSITIVE_INFINITY;
  }

  #lossProofMs(): number {
    return this.#lost >= this.#minFailures ? this.#lostSinceMs + this.#failingForMs : Number.POSITIVE_INFINITY;
  }

  #isLostByComparison(): boolean {
    return this.#lostVerdicts() >= Math.max(MIN_LOST, LOST_RATE * this.#verdicts.length);
  }

  #lostVerdicts(): number {
    let lost = 0;
    for (const verdict of this.#verdicts) lost += verdict;
    return lost;
  }

  #lastVerdictsLost(): boolean {
    const { length } = this.#verdicts;
    if (length < DOUBTED_AFTER_LOST) return false;
    for (let back = 1; back <= DOUBTED_AFTER_LOST; back++) if (this.#verdicts[length - back] === 0) return false;
    return true;
  }

  /** A window of successes alone is the common case, and costs nothing. */
  #addVerdict(verdict: 0 | 1): void {
    if (verdict === 0 && this.#verdicts.length === 0) return;
    this.#isClear = false;
    this.#verdicts.push(verdict);
    if (this.#verdicts.length > VERDICTS) this.#verdicts.shift();
    if (verdict === 0 && this.#lostVerdicts() === 0) this.#verdicts = [];
  }

  #clearOverloaded(): void {
    this.#overloadedInRow = 0;
    this.#refusedHereOnly = 0;
    this.#isRefusingAll = false;
    this.#overloadedSources.clear();
    this.#overloadsWhatItServed = false;
  }

  #clearRefused(): void {
    this.#refused = 0;
    this.#refusedSinceMs = Number.POSITIVE_INFINITY;
  }

  #clearLost(): void {
    this.#lost = 0;
    this.#lostSinceMs = Number.POSITIVE_INFINITY;
  }

  #clearFailed(): void {
    this.#failed = 0;
    this.#failedSinceMs = Number.POSITIVE_INFINITY;
    this.#failedFromMs = Number.POSITIVE_INFINITY;
    this.#failsWhatItServed = false;
    this.#failedSources.clear();
    this.#failedAlone.clear();
  }
}
