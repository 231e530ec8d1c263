/**
 * Whether the steady state holds in a window of time, from what was observed: judged commands are
 * answered well and in time, none of the acknowledged ones is lost or executed twice, the gateway
 * makes few extra attempts, answers for itself, and has one active station per epoch.
 *
 * A command that went wrong counts in every window that it touches, from its sending until its
 * caller knew: so an outage lasts until its last victim. A good one counts where it was sent. It is
 * pure and is built for many windows over the same facts: each is a few binary searches.
 */
import type { CallRecord, Observations, OpenCall, StatusSample } from "./observations.ts";
import type { SteadySettings } from "./settings.ts";

/** One window, with the numbers that were judged and why it is not steady. */
export interface SteadyState {
  readonly met: boolean;
  /** One sentence for each condition that does not hold. */
  readonly reasons: readonly string[];
  readonly good: number;
  readonly bad: number;
  readonly goodRatio: number;
  readonly ackedLoss: number;
  readonly doubled: number;
  readonly extraAttempts: number;
  readonly firstAttempts: number;
  readonly statusGapMs: number;
  readonly epochConflicts: number;
}

/** A command that went wrong: from its sending until its caller knew. */
export interface Breach {
  readonly fromMs: number;
  readonly toMs: number;
}

type Facts = Pick<Observations, "records" | "open" | "samples" | "doublings" | "sources"> & {
  executionsOf(command: string): number;
};

export class SteadyTimeline {
  readonly #steady: SteadySettings;
  readonly #good: readonly number[];
  readonly #badFrom: readonly number[];
  readonly #badTo: readonly number[];
  readonly #losses: readonly number[];
  readonly #doublings: readonly number[];
  readonly #conflicts: readonly number[];
  readonly #samples: readonly StatusSample[];
  /** Attempts up to each sample, also over restarts of the gateway. */
  readonly #first: readonly number[];
  readonly #extra: readonly number[];
  /** Judged commands that are expected in a millisecond. */
  readonly #perMs: number;
  readonly breaches: readonly Breach[];

  /** `nowMs`: until when the facts are known; commands that are overdue by then are bad. */
  constructor(facts: Facts, steady: SteadySettings, nowMs: number) {
    this.#steady = steady;
    const { good, bad, losses } = sortOut(facts, nowMs);
    this.#good = sorted(good);
    this.#badFrom = sorted(bad.map(({ fromMs }) => fromMs));
    this.#badTo = sorted(bad.map(({ toMs }) => toMs));
    this.#losses = sorted(losses);
    this.#doublings = sorted(facts.doublings.map(({ atMs }) => atMs));
    this.#conflicts = conflictsIn(facts.samples);
    this.#samples = facts.samples;
    this.#first = summedUp(facts.samples, "first");
    this.#extra = summedUp(facts.samples, "extra");
    this.#perMs = [...facts.sources.values()].reduce((sum, one) => sum + (one.isJudged ? one.perSecond : 0), 0) / 1_000;
    this.breaches = [
      ...bad,
      ...[...losses, ...this.#doublings, ...this.#conflicts].map((atMs) => ({ fromMs: atMs, toMs: atMs })),
    ];
  }

  /** Judges the window from `fromMs` (included) to `toMs`. */
  at(fromMs: number, toMs: number): SteadyState {
    const good = between(this.#good, fromMs, toMs);
    // Those that began before its end, without those that ended before its start.
    const bad = before(this.#badFrom, toMs) - before(this.#badTo, fromMs);
    const numbers = {
      good,
      bad,
      goodRatio: good + bad === 0 ? 1 : good / (good + bad),
      ackedLoss: between(this.#losses, fromMs, toMs),
      doubled: between(this.#doublings, fromMs, toMs),
      extraAttempts: this.#attempts(this.#extra, fromMs, toMs),
      firstAttempts: this.#attempts(this.#first, fromMs, toMs),
      statusGapMs: this.#gapMs(fromMs, toMs),
      epochConflicts: between(this.#conflicts, fromMs, toMs),
    };
    const reasons = this.#reasons(numbers, toMs - fromMs);
    return { met: reasons.length === 0, reasons, ...numbers };
  }

  #reasons(numbers: Omit<SteadyState, "met" | "reasons">, windowMs: number): string[] {
    const { goodRatio, extraRatio, extraAttempts, statusGapMs } = this.#steady;
    const { good, bad, firstAttempts } = numbers;
    // Half of what is expected: a load that stands still proves nothing.
    const expected = Math.floor((this.#perMs * windowMs) / 2);
    const allowedExtra = Math.max(extraRatio * firstAttempts, extraAttempts);
    const reasons: Array<string | false> = [
      good + bad < expected && `only ${good + bad} judged commands were sent; at least ${expected} are expected`,
      numbers.goodRatio < goodRatio &&
        `${bad} of ${good + bad} judged commands were not answered well in time; the least share is ${goodRatio}`,
      numbers.ackedLoss > 0 && `${numbers.ackedLoss} acknowledged commands were not executed`,
      numbers.doubled > 0 && `${numbers.doubled} commands were executed again`,
      numbers.extraAttempts > allowedExtra &&
        `${numbers.extraAttempts} extra attempts for ${firstAttempts} commands; allowed are ${Math.floor(allowedExtra)}`,
      numbers.statusGapMs > statusGapMs &&
        `the gateway did not say its status for ${Math.round(numbers.statusGapMs)} ms; allowed are ${statusGapMs} ms`,
      numbers.epochConflicts > 0 && `two stations were active under one epoch`,
    ];
    return reasons.filter((reason) => reason !== false);
  }

  /** Attempts between the last samples before the window's ends. */
  #attempts(totals: readonly number[], fromMs: number, toMs: number): number {
    const atOf = ({ atMs }: StatusSample): number => atMs;
    const first = Math.max(0, beforeBy(this.#samples, atOf, fromMs) - 1);
    const last = beforeBy(this.#samples, atOf, toMs) - 1;
    return last <= first ? 0 : (totals[last] as number) - (totals[first] as number);
  }

  /**
   * The longest time without a status in the window; its ends count as answers only if one is
   * there.
   */
  #gapMs(fromMs: number, toMs: number): number {
    const atOf = ({ atMs }: StatusSample): number => atMs;
    const from = beforeBy(this.#samples, atOf, fromMs);
    const to = beforeBy(this.#samples, atOf, toMs);
    let longest = 0;
    let lastMs = fromMs;
    for (const { atMs } of this.#samples.slice(from, to)) {
      longest = Math.max(longest, atMs - lastMs);
      lastMs = atMs;
    }
    return Math.max(longest, toMs - lastMs);
  }
}

interface SortedOut {
  /** When good commands were sent. */
  readonly good: number[];
  readonly bad: Breach[];
  /** When commands were acknowledged that had not been executed. */
  readonly losses: number[];
}

function sortOut(facts: Facts, nowMs: number): SortedOut {
  const { records, open, sources } = facts;
  const out: SortedOut = { good: [], bad: [], losses: [] };
  for (const record of records) {
    const terms = sources.get(record.source);
    if (terms === undefined) continue;
    const { sentMs, endedMs, error } = record;
    if (terms.isExecuted && isAcknowledged(record) && facts.executionsOf(record.command) === 0)
      out.losses.push(endedMs);
    if (!terms.isJudged) continue;
    const lateMs = sentMs + terms.answerWithinMs;
    if (error !== undefined) out.bad.push({ fromMs: sentMs, toMs: endedMs });
    else if (endedMs > lateMs) out.bad.push({ fromMs: sentMs, toMs: lateMs });
    else out.good.push(sentMs);
  }
  for (const call of open.values()) {
    const terms = sources.get(call.source);
    if (terms?.isJudged && isOverdue(call, terms.answerWithinMs, nowMs))
      out.bad.push({ fromMs: call.sentMs, toMs: call.sentMs + terms.answerWithinMs });
  }
  return out;
}

function isOverdue({ sentMs }: OpenCall, answerWithinMs: number, nowMs: number): boolean {
  return nowMs > sentMs + answerWithinMs;
}

/** Answered with a 2xx without an error, so its caller relies on it. */
export function isAcknowledged({ error, status }: CallRecord): boolean {
  return error === undefined && status !== undefined;
}

/** When a station was seen active under an epoch under which another one had been. */
function conflictsIn(samples: readonly StatusSample[]): number[] {
  const activeOf = new Map<string, string>();
  const conflicts: number[] = [];
  for (const { life, epoch, active, atMs } of samples) {
    const known = activeOf.get(`${life} ${epoch}`);
    if (known !== undefined && known !== active) conflicts.push(atMs);
    activeOf.set(`${life} ${epoch}`, active);
  }
  return conflicts;
}

/** Totals that go on over a restart of the gateway, which begins at 0 again. */
function summedUp(samples: readonly StatusSample[], member: "first" | "extra"): number[] {
  let total = 0;
  return samples.map((sample, place) => {
    const previous = samples[place - 1];
    total += previous?.life === sample.life ? Math.max(0, sample[member] - previous[member]) : sample[member];
    return total;
  });
}

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** How many of `ascending` are below `limit`. */
function before(ascending: readonly number[], limit: number): number {
  return beforeBy(ascending, (value) => value, limit);
}

function between(ascending: readonly number[], fromMs: number, toMs: number): number {
  return before(ascending, toMs) - before(ascending, fromMs);
}

function beforeBy<T>(ascending: readonly T[], numberOf: (one: T) => number, limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numberOf(ascending[middle] as T) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
