/**
 * Counts how calls end, second by second, so that no collapse is silent. If less than half of the
 * calls that end in a second are answered well, this is reported with the numbers, at once and then
 * every ten seconds, until half of them are answered well or none come.
 *
 * A client whose requests always fail is no collapse. Failures of sources (caller and route) that
 * no station has ever served are left out. Failures of the single source that fails most are also
 * left out if the others are served. If very many sources fail, nothing is left out, because the
 * sources cannot be the reason.
 */

import type { OverloadFigures } from "../events.ts";
import { MANY_SOURCES } from "../evidence/uncompared.ts";
import type { CallSource } from "../learned/call-sources.ts";

/** How a call ended. */
export type CallOutcome = "answered" | "failed" | "refused" | "expired" | "hungUp";

const OUTCOMES = ["answered", "failed", "refused", "expired", "hungUp"] as const;
const WINDOW_MS = 1_000;
const REPEAT_MS = 10_000;
/** Goodput has collapsed below this share of the calls that end. */
const COLLAPSED_RATE = 0.5;
/** Fewer calls in a second say nothing. */
const MIN_CALLS = 5;

export class GoodputWatch {
  #sinceMs: number = Number.NEGATIVE_INFINITY;
  #offered = 0;
  readonly #counts: Record<CallOutcome, number> = { answered: 0, failed: 0, refused: 0, expired: 0, hungUp: 0 };
  /** Failures of this second by source. */
  readonly #failures: Map<CallSource, number> = new Map();
  #isCollapsed = false;
  #toldAtMs: number = Number.NEGATIVE_INFINITY;
  /** How calls ended before this second. */
  readonly #before: Record<CallOutcome, number> = { answered: 0, failed: 0, refused: 0, expired: 0, hungUp: 0 };

  /** How calls have ended since the start. */
  get totals(): Readonly<Record<CallOutcome, number>> {
    const totals = { ...this.#before };
    for (const outcome of OUTCOMES) totals[outcome] += this.#counts[outcome];
    return totals;
  }

  /** Has goodput collapsed, by the last full second? */
  get isCollapsed(): boolean {
    return this.#isCollapsed;
  }

  /** {@link look} has nothing to report before this instant. */
  get nextLookMs(): number {
    return this.#sinceMs + WINDOW_MS;
  }

  noteOffered(): void {
    this.#offered++;
  }

  noteEnded(outcome: CallOutcome): void {
    this.#counts[outcome]++;
  }

  /** The call that just ended as failed was one of `source`. */
  noteFailedOf(source: CallSource): void {
    const count = this.#failures.get(source) ?? 0;
    // With very many sources it does not matter which.
    if (count > 0 || this.#failures.size < MANY_SOURCES) this.#failures.set(source, count + 1);
  }

  /**
   * The call that just ended as hung up was cut off by its own caller while it was sending, before
   * it waited for an answer.
   */
  noteNotAwaited(): void {
    this.#counts.hungUp--;
    this.#before.hungUp++;
  }

  /** The report that is due by `nowMs`, if a second is over. */
  look(nowMs: number): ({ readonly type: "overload" | "overload-ended" } & OverloadFigures) | undefined {
    const windowMs = nowMs - this.#sinceMs;
    if (windowMs < WINDOW_MS) return undefined;
    const figures = this.#take(nowMs, windowMs);
    const counted = figures.ended - this.#takeOwnFailures(figures);
    // This is the first check, or the first one after a long rest: the counts do not belong to one
    // second.
    if (windowMs > 2 * WINDOW_MS && figures.ended < MIN_CALLS * (windowMs / WINDOW_MS)) {
      return this.#isCollapsed && figures.ended === 0 ? this.#over(figures) : undefined;
    }
    const isPoor = figures.answered < COLLAPSED_RATE * counted;
    const collapsed = isPoor && (counted >= MIN_CALLS || this.#isCollapsed);
    if (!collapsed) return this.#isCollapsed ? this.#over(figures) : undefined;
    const isNews = !this.#isCollapsed || nowMs - this.#toldAtMs >= REPEAT_MS;
    this.#isCollapsed = true;
    if (!isNews) return undefined;
    this.#toldAtMs = nowMs;
    return { type: "overload", ...figures };
  }

  /** How many failures of this second are the callers' own. */
  #takeOwnFailures({ ended, answered }: OverloadFigures): number {
    const { size } = this.#failures;
    if (size === 0) return 0;
    let unknown = 0;
    let most = 0;
    for (const [source, count] of this.#failures) {
      // A call without a named source may come from any caller.
      if (!source.isNamed) continue;
      if (!source.isKnown) unknown += count;
      else if (count > most) most = count;
    }
    this.#failures.clear();
    if (size >= MANY_SOURCES) return 0;
    const others = ended - unknown - most;
    return others >= MIN_CALLS && answered >= COLLAPSED_RATE * others ? unknown + most : unknown;
  }

  #over(figures: OverloadFigures): { readonly type: "overload-ended" } & OverloadFigures {
    this.#isCollapsed = false;
    return { type: "overload-ended", ...figures };
  }

  #take(nowMs: number, windowMs: number): OverloadFigures {
    const counts = this.#counts;
    const ended = counts.answered + counts.failed + counts.refused + counts.expired + counts.hungUp;
    const figures = {
      atMs: nowMs,
      windowMs: Number.isFinite(windowMs) ? windowMs : 0,
      offered: this.#offered,
      ended,
      ...counts,
    };
    this.#sinceMs = nowMs;
    this.#offered = 0;
    for (const outcome of OUTCOMES) {
      this.#before[outcome] += counts[outcome];
      counts[outcome] = 0;
    }
    return figures;
  }
}
