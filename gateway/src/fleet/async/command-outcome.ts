/**
 * What the end of one round of an asynchronous command means: a round is one call of the failover,
 * which may hold several attempts. The rules of a live call decide what may be sent again within a
 * round; here it is decided whether there is another round, and when.
 *
 * | the round ended with                           | then                                          |
 * | ---------------------------------------------- | --------------------------------------------- |
 * | 408, 425, 429, 502, 503, 504                   | another round, until the command expires      |
 * | any other 5xx, or a 2xx that reports an error  | another round, at most 8 in all; then the end |
 * | 501, 505, 506, 508, 510, 511, any other status | the end: that is the answer                   |
 * | no answer, and it was not sent                 | another round, until the command expires      |
 * | no answer, and it may have been executed       | the same, under its key; the end if the group |
 * |                                                | reports ambiguous commands                    |
 * | a problem of the request itself                | the end                                       |
 *
 * If the group reports ambiguous commands (its service does not know keys), of the answers only
 * 425, 429 and 503 lead to another round: the others do not say that nothing was executed.
 *
 * 500 is no reason to go on for an hour: both stations have given it, so it is probably the
 * command's own. Eight rounds take about four minutes, which outlasts a restart of the service.
 */
import type { Problem } from "../problem.ts";

export type RoundEnd =
  | {
      readonly type: "answered";
      readonly status: number;
      readonly reportsError: boolean;
      readonly retryAfterMs?: number;
    }
  /** The answer could not be read to its end. */
  | { readonly type: "broken-answer" }
  | { readonly type: "problem"; readonly problem: Problem };

export type RoundVerdict =
  | { readonly type: "final" }
  | { readonly type: "failed"; readonly reason: string; readonly outcomeUnknown: boolean }
  /** `isRefusal`: whatever is in the way is in the way of other commands, too. */
  | { readonly type: "again"; readonly afterMs: number; readonly isRefusal: boolean; readonly mayHaveRun: boolean };

export interface RoundTerms {
  /** Rounds so far, this one included. */
  readonly rounds: number;
  /** True if a command that may have been executed is sent again under its key. */
  readonly resendsKeyed: boolean;
  /** A number from 0 to 1, for jitter. */
  readonly draw: number;
}

const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);
const REFUSALS: ReadonlySet<number> = new Set([425, 429, 503]);
const FINAL_ERRORS: ReadonlySet<number> = new Set([501, 505, 506, 508, 510, 511]);
/** Rounds after which a station's own error is the answer. */
const MAX_ERROR_ROUNDS = 8;
const BASE_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** What was not sent costs no station anything, and may go as soon as one can take it. */
const MAX_UNSENT_BACKOFF_MS = 5_000;
/** A hint that is longer is not believed. */
const MAX_HINT_MS = 300_000;

export function verdictOn(end: RoundEnd, terms: RoundTerms): RoundVerdict {
  if (end.type === "broken-answer") return unknownOutcome("the answer of the station broke off", terms);
  if (end.type === "problem") return ofProblem(end.problem, terms);
  const { status, reportsError, retryAfterMs } = end;
  // A service that does not know keys is asked again only if it has said that it did not begin.
  if (!terms.resendsKeyed && !REFUSALS.has(status)) return { type: "final" };
  if (TEMPORARY.has(status))
    return { type: "again", afterMs: pauseMs(terms, MAX_BACKOFF_MS, retryAfterMs), isRefusal: true, mayHaveRun: true };
  const isOwnError = (status >= 500 && !FINAL_ERRORS.has(status)) || reportsError;
  if (!isOwnError || terms.rounds >= MAX_ERROR_ROUNDS) return { type: "final" };
  return { type: "again", afterMs: pauseMs(terms, MAX_BACKOFF_MS, retryAfterMs), isRefusal: false, mayHaveRun: true };
}

function ofProblem(
  { status, code, detail, outcomeUnknown = false, retryAfterMs }: Problem,
  terms: RoundTerms,
): RoundVerdict {
  if (status < 500 && status !== 408 && status !== 429)
    return { type: "failed", reason: `${code}: ${detail}`, outcomeUnknown };
  if (outcomeUnknown) return unknownOutcome(`${code}: ${detail}`, terms);
  const afterMs = pauseMs(terms, MAX_UNSENT_BACKOFF_MS, retryAfterMs);
  return { type: "again", afterMs, isRefusal: true, mayHaveRun: false };
}

function unknownOutcome(reason: string, terms: RoundTerms): RoundVerdict {
  if (!terms.resendsKeyed) return { type: "failed", reason, outcomeUnknown: true };
  return { type: "again", afterMs: pauseMs(terms, MAX_BACKOFF_MS), isRefusal: true, mayHaveRun: true };
}

/** Doubles from round to round; between half of it and all of it is waited. */
function pauseMs({ rounds, draw }: RoundTerms, maxMs: number, hintMs = 0): number {
  const backoffMs = Math.min(maxMs, BASE_MS * 2 ** Math.min(rounds - 1, 16));
  return Math.max(backoffMs * (0.5 + draw / 2), Math.min(hintMs, MAX_HINT_MS));
}
