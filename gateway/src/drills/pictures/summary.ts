/**
 * Durations in three numbers that hide nothing: how many, the median and the worst. What did not
 * happen has no duration; it is counted apart and never averaged in.
 */

export interface Summary {
  /** How many have a duration. */
  readonly n: number;
  /** Of those; null: none. */
  readonly medianMs: number | null;
  readonly worstMs: number | null;
  /** How many have none. */
  readonly absent: number;
}

export function summaryOf(durations: ReadonlyArray<number | null>): Summary {
  const known = durations.filter((ms) => ms !== null).toSorted((a, b) => a - b);
  const last = known.length - 1;
  const lower = known[Math.floor(last / 2)];
  const upper = known[Math.ceil(last / 2)];
  return {
    n: known.length,
    medianMs: lower === undefined || upper === undefined ? null : (lower + upper) / 2,
    worstMs: known.at(-1) ?? null,
    absent: durations.length - known.length,
  };
}
