/**
 * What calls show about one station. Heartbeats prove that a process is up, not that commands get
 * through. Evidence is either strong or comparative:
 * - Strong: connections refused, attempts overdue while nothing at all is answered, or commands
 *   lost one after the other.
 * - Comparative: another station served what this one failed.
 *
 * If both stations give a failure, it is the command's own and no evidence. A failure that could
 * not be compared counts only if everything fails, for some time, for several sources of calls.
 * None of this is a plain count of failures (incident CN-2702-003): a success clears it.
 *
 * A success clears failures of attempts that were sent before the successful one. It does not clear
 * later ones: if an attempt was sent before the station began to fail, its late answer proves
 * nothing about attempts that were sent after it. Silence is different: any answer ends it.
 *
 * Two verdicts follow. While a station is in *doubt*, it gets no new calls if another station can
 * take them; this is quick and reversible. *Failing* makes it ineligible and moves the active role.
 * It is one file because one answer clears several kinds of evidence at once.
 */
import { COUNT, checked, DURATION_MS } from "../../options.ts";
import { Accidents, UsualShare } from "./accidents.ts";
import { FailsSome } from "./fails-some.ts";
import { LateAlone } from "./late-alone.ts";
import { Overtaken } from "./overtaken.ts";
import { MANY_SOURCES, Uncompared } from "./uncompared.ts";

/**
 * Options that decide when failing calls prove that a station is failing although it still sends
 * heartbeats.
 */
export interface CommandPathOptions {
  /**
   * Minimum time for which failures that could not be compared must have lasted. In ms, from 0,
   * below 2^31. Default 1,000: shorter failures pass by themselves.
   */
  readonly failingForMs?: number | undefined;
  /**
   * Minimum number of such failures, with no success in between. A whole number from 1, below 2^31.
   * Default 5: fewer may be chance.
   */
  readonly minFailures?: number | undefined;
  /**
   * This many refused connections in a row, with no answer in between, are proof at once. A whole
   * number from 1, below 2^31. Default 2: no service that listens refuses twice in a row.
   */
  readonly refusalsToDeclare?: number | undefined;
  /**
   * Overdue attempts are proof once nothing has been answered for this long after they were due. In
   * ms, from 0, below 2^31. Default 250: answers that are only late, after a pause of the service
   * or of the network, arrive within it.
   */
  readonly unansweredAfterMs?: number | undefined;
}

/** Number of verdicts kept: a command was served here, or failed here and served elsewhere. */
const VERDICTS = 20;
/** A station is failing if at least this many of them are failures, … */
const MIN_LOST = 5;
/**
 * … and at least this share of them. A station that fails one command in ten at random stays,
 * because it is no worse than many.
 */
const LOST_RATE = 0.4;
/** This many failures in a row put a station in doubt. */
const DOUBTED_AFTER_LOST = 3;
/**
 * This many calls in a row that are refused for load put a station in doubt, if another station
 * serves them, …
 */
const DOUBTED_AFTER_REFUSED = 8;
/** … or fewer, if the station has served nothing for this long. */
const REFUSING_MS = 250;
/**
 * This many overdue or lost attempts in a row put a station in doubt: a doubt only redirects new
 * calls. Overdue attempts do so …
 */
const DOUBTED_AFTER = 2;
/**
 * … only if the chance of an accident is at most this: if attempts are hardly ever overdue, two of
 * them are no accident.
 */
export const ACCIDENT = 1e-6;
/**
 * How long calls take at a station is known after this many times that time, and not before
 * `SHOWN_MS`, in ms.
 */
const SHOWN_AFTER = 5;
const SHOWN_MS = 2_000;
/**
 * This many refusals for load in a row, of sources that no station serves, are caused by the
 * station and not by the calls.
 */
const MIN_OVERLOADED = 8;
/**
 * Minimum number of different sources among refusals for load, if the station has served one of
 * them before. For sources that it never served, the minimum is MANY_SOURCES.
 */
const MIN_SOURCES = 2;
/**
 * Failures that are not compared are proof if they come from this many sources. With fewer, another
 * station is tried first, if there is one (`uncompared.ts`).
 */
const PROVEN_SOURCES = MANY_SOURCES + 2;
/** Failures of another source within this time count as recent. */
const LATELY_MS = 10_000;

/**
 * What calls show about one station: whether new calls should avoid it (`isDoubted`), and whether
 * another station should replace it (`isFailing`).
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
  #failingForMs: number;
  #minFailures: number;
  #refusalsToDeclare: number;
  #unansweredAfterMs: number;
  /** Attempts that were sent before this no longer count. */
  #beginsMs: number = Number.NEGATIVE_INFINITY;
  #lastServedMs: number = Number.NEGATIVE_INFINITY;
  /** When it first served a call, unless that has been forgotten. */
  #firstServedMs: number = Number.POSITIVE_INFINITY;
  /** When the latest of the served attempts was sent. */
  #servedFromMs: number = Number.NEGATIVE_INFINITY;
  #overloadedInRow = 0;
  readonly #overloadedSources: Set<object> = new Set();
  #overloadsWhatItServed = false;
  /** How many of the calls refused for load in a row were served by another station. */
  #refusedHereOnly = 0;
  #isRefusingAll = false;
  #refused = 0;
  #refusedSinceMs: number = Number.POSITIVE_INFINITY;
  #lost = 0;
  #lostSinceMs: number = Number.POSITIVE_INFINITY;
  #failed = 0;
  /**
   * When the first of them was sent, which a success must not precede; and when it was answered,
   * from which their duration counts.
   */
  #failedSinceMs: number = Number.POSITIVE_INFINITY;
  #failedFromMs: number = Number.POSITIVE_INFINITY;
  #failsWhatItServed = false;
  readonly #failedSources: Set<object> = new Set();
  /** The source that failed last, and when; and when another source last failed before it. */
  #lastFailed: object | undefined = undefined;
  #lastFailedAtMs: number = Number.NEGATIVE_INFINITY;
  #otherFailedAtMs: number = Number.NEGATIVE_INFINITY;
  /** Attempts that became overdue, or whose callers ran out of time, since the last answer. */
  readonly #late: Accidents;
  /** True if another attempt was about to become overdue when one did. */
  #isNextOverdue = false;
  /** Callers who hung up since the last answer, if chance does not explain it. */
  #deserted = 0;
  readonly #unanswered: Uncompared = new Uncompared();
  readonly #failedAlone: Uncompared = new Uncompared();
  readonly #brokenUploads: Uncompared = new Uncompared();
  readonly #lateAlone: LateAlone = new LateAlone();
  readonly #failsSome: FailsSome = new FailsSome();
  readonly #overtaken: Overtaken = new Overtaken();
  /** Failures that may be compared with new calls at another station. */
  readonly #comparable = [
    this.#failedAlone,
    this.#brokenUploads,
    this.#unanswered,
    this.#lateAlone,
    this.#failsSome,
  ] as const;
  #silentAtMs: number = Number.NEGATIVE_INFINITY;
  /**
   * Since when enough attempts are overdue for the station to count as silent; may be in the
   * future.
   */
  #silentSinceMs: number = Number.POSITIVE_INFINITY;
  /**
   * 1 for a command that this station failed and another one served, 0 for a command served here;
   * the newest last.
   */
  #verdicts: number[] = [];
  /** True if nothing counts against the station. Kept separately, because every call asks. */
  #isClear = true;

  /**
   * `usualLate`: how many calls are late while stations are well, learned from all stations of a
   * group.
   */
  constructor(options: CommandPathOptions = {}, usualLate: UsualShare = new UsualShare()) {
    this.#late = new Accidents(usualLate);
    const part = "commandPath";
    const duration = { ...DURATION_MS, aboveMin: false };
    this.#failingForMs = checked(part, "failingForMs", options.failingForMs ?? 1_000, duration);
    this.#unansweredAfterMs = checked(part, "unansweredAfterMs", options.unansweredAfterMs ?? 250, duration);
    this.#minFailures = checked(part, "minFailures", options.minFailures ?? 5, COUNT);
    this.#refusalsToDeclare = checked(part, "refusalsToDeclare", options.refusalsToDeclare ?? 2, COUNT);
  }

  /** Follows the options of `other` from now on. Everything that is known of calls stays. */
  useSettingsOf(other: StationEvidence): void {
    this.#failingForMs = other.#failingForMs;
    this.#minFailures = other.#minFailures;
    this.#refusalsToDeclare = other.#refusalsToDeclare;
    this.#unansweredAfterMs = other.#unansweredAfterMs;
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
   * An attempt that was sent at `startedMs` has succeeded: what began before that no longer counts.
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
   * Any answer came, so the station is not silent. `startedMs`: when the attempt was sent. If it
   * was sent after a refused connection, the station accepts connections again.
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
   * A call of `source` was refused for load. `wasServed`: this station has served that source
   * before. True if this holds for any of the refusals in a row.
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
   * A call that was refused here for load was served by another station. A station that is only
   * overloaded serves some calls.
   */
  noteRefusedHereOnly(nowMs: number): void {
    if (this.#overloadedInRow === 0 || ++this.#refusedHereOnly < DOUBTED_AFTER_LOST) return;
    const isLong = this.#overloadedInRow >= DOUBTED_AFTER_REFUSED || nowMs - this.#lastServedMs >= REFUSING_MS;
    if (isLong) this.#isRefusingAll = true;
  }

  /**
   * Have many calls been refused for load, with none served since? They must be of several sources
   * if one was served before, else of many.
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

  /** A command was sent at `startedMs`, and its connection was lost or it timed out. */
  noteLost(startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#lost++;
    this.#isClear = false;
    this.#lostSinceMs = Math.min(this.#lostSinceMs, startedMs);
  }

  /**
   * A command of `source` was answered with a failure and is not compared with another station.
   * `wasServed`: the station has served this source before; its failures then count, however few
   * sources there are. True if another source has failed recently too, so that this is not one
   * caller that repeats its call.
   */
  noteFailed(source: object, wasServed: boolean, startedMs: number, nowMs: number): boolean {
    // Whether this call ended before or after a later call that was served is chance.
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
   * A command of `source`, which may not run twice, was answered with a failure. Other commands may
   * be served here.
   */
  noteFailedForGood(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#failsSome.note(source);
  }

  /**
   * Another station gave a call the same failure as this one. If only sources fail that were never
   * served here, the failures are probably their own, and a change of roles would not help. The
   * same holds for refusals for load. True if the station no longer counts as refusing for load.
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
   * A call of `source` has been out for so long that it is worth a second attempt, but it may not
   * be sent twice. How long such calls take is unknown.
   */
  noteUnanswered(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#unanswered.note(source);
  }

  /**
   * A call that was sent at `startedMs` is late. `source`: its source, if it may not be sent twice;
   * undefined if another station has served it meanwhile. It counts once newer calls have been
   * answered here in time.
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

  /** A call that was sent at `startedMs` was served here, in time or late. */
  noteOvertaking(startedMs: number, isInTime: boolean): void {
    if (!isInTime) {
      this.#overtaken.noteAnswered(startedMs);
      return;
    }
    const found = this.#overtaken.noteInTime(startedMs);
    if (found.length === 0) return;
    // If many late calls are overtaken at once, they count in proportion to their share of the
    // station's last calls.
    const most = Math.max(1, Math.round((VERDICTS * found.length) / (found.length + this.#overtaken.inTime)));
    let counted = 0;
    for (const { source } of found) {
      if (source !== undefined) this.#lateAlone.note(source);
      else if (counted++ < most) this.noteServedElsewhere(startedMs);
    }
  }

  /**
   * The connection broke while or after a call of `source` sent a long body, and the call cannot be
   * sent again. A station that refuses a body may close the connection, so this says nothing about
   * the station unless another one accepts such a body.
   */
  noteUploadBroken(source: object, startedMs: number): void {
    if (startedMs < this.#beginsMs) return;
    this.#isClear = false;
    this.#brokenUploads.note(source);
  }

  /** Are there calls that failed here and may be compared with new calls? */
  get hasUncompared(): boolean {
    return this.#comparable.some(({ size }) => size > 0);
  }

  /** Is it worth testing whether another station serves a new call of `source`? */
  isWorthComparing(source: object): boolean {
    return this.#comparable.some((calls) => calls.isWorthComparing(source));
  }

  /**
   * Another station served a new call of `source`. `isQuick`: in less time than calls here have
   * been out. True if that counts against this station.
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
   * Another station served a new call of `source`. `isInTime`: in the time that this station
   * usually needs for such calls. True if that counts against this station.
   */
  noteServedBesideLate(source: object, isInTime: boolean, nowMs: number): boolean {
    if (!isInTime) this.#lateAlone.clear();
    const late = this.#lateAlone.take(source, VERDICTS);
    for (let each = 0; each < late; each++) this.noteServedElsewhere(nowMs);
    return late > 0;
  }

  /**
   * Another station did not serve a new call either. The test is repeated only after as many more
   * calls have failed here.
   */
  noteUnservedBeside(): void {
    this.#failedAlone.clear();
    this.#brokenUploads.clear();
    this.#unanswered.clear();
    this.#lateAlone.clear();
    this.#failsSome.noteFailedBeside();
  }

  /**
   * An attempt became overdue. From `silentAtMs` on, this shows that the station is silent. An
   * attempt that was overtaken by a served one only takes long: the last attempts out are always
   * the slowest.
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
   * `left` callers have hung up since the last answer, too many for chance. The last call was sent
   * at `startedMs`. This is needed because calls that wait for a limit are out for too short a time
   * to become overdue.
   */
  noteDeserted(left: number, startedMs: number, nowMs: number): void {
    if (startedMs < this.#beginsMs || startedMs < this.#servedFromMs) return;
    this.#deserted = left;
    this.#isClear = false;
    if (nowMs < this.#silentSinceMs) this.#silentSinceMs = nowMs;
  }

  /**
   * One attempt became overdue, and another will in a moment. That is enough for a doubt, which
   * costs nothing. It is no proof, which would change roles: the other attempt may still be
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
   * Has the station served for long enough to know whether calls take `tookMs` there? Quick answers
   * arrive first: when the first usually slow call has been out for long, no such call has been
   * answered yet. A station that serves nothing needs no time.
   */
  hasShown(tookMs: number, nowMs: number): boolean {
    if (this.#firstServedMs === Number.POSITIVE_INFINITY) return true;
    return nowMs - this.#firstServedMs >= Math.max(SHOWN_MS, SHOWN_AFTER * tookMs);
  }

  /** When the latest of the served attempts was sent; `-Infinity` if none succeeded. */
  get servedFromMs(): number {
    return this.#servedFromMs;
  }

  /**
   * True if nothing counts against the station: it is neither in doubt nor failing, and nothing is
   * to be compared. It may remain false for a while after that, until the station serves the next
   * call.
   */
  get isClear(): boolean {
    return this.#isClear;
  }

  /** Does anything count against the station? */
  get isQuestioned(): boolean {
    return this.#refused > 0 || this.#lost > 0 || this.#failed > 0 || this.#late.inRow > 0 || this.#deserted > 0;
  }

  /**
   * Does anything count against the station, or has another station served what this one failed?
   */
  get isSuspect(): boolean {
    return this.isQuestioned || this.#verdicts.length > 0;
  }

  /** Is the station silent: are attempts overdue, or about to be, while nothing is answered? */
  get isSilent(): boolean {
    return this.#isNextOverdue || this.#areLate || this.#deserted > 0;
  }

  /**
   * Has nothing been answered for so long that the silence is proven? Until then, the calls that
   * are out may still be answered.
   */
  isProvenSilent(nowMs: number): boolean {
    return nowMs >= this.#overdueProofMs();
  }

  /** Were connections refused, with no later attempt answered? */
  get isRefusing(): boolean {
    return this.#refused > 0;
  }

  /** Should new calls go to another station, if they can? */
  get isDoubted(): boolean {
    return this.#isRefusingAll || this.#isDoubtedOtherwise;
  }

  /**
   * Is it in doubt only because it refuses calls for load? Then it can still take calls, at its own
   * pace.
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

  /** Why the command path is failing at `nowMs`, in a sentence; undefined if it is not. */
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

  /** When {@link isFailing} could become true by time alone; `Infinity` if it could not. */
  get nextWakeMs(): number {
    return Math.min(this.#overdueProofMs(), this.#failureProofMs(), this.#lossProofMs());
  }

  /**
   * Forgets all evidence against the station. Attempts that were sent before `nowMs` no longer
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

  /** The station failed: its earlier successes no longer justify more than a trial call. */
  forgetService(): void {
    this.#lastServedMs = Number.NEGATIVE_INFINITY;
    this.#firstServedMs = Number.POSITIVE_INFINITY;
  }

  /** Are too many attempts late in a row for chance? */
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

  /** The common case is a window with only successes, and it costs nothing. */
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
