/**
 * How `gsf drill run` ends: 0 held, 1 deviated, 2 invalid, 3 stopped or refused by a guardrail, 4
 * interrupted. A drill that was skipped because this machine lacks something is no failure. Of
 * several runs, an interruption counts most, and then what says most about the system.
 */
import type { DrillOutcome } from "../injection.ts";

const STATUS: Readonly<Record<DrillOutcome, number>> = {
  held: 0,
  skipped: 0,
  deviated: 1,
  dirty: 1,
  invalid: 2,
  aborted: 3,
  interrupted: 4,
};
const MOST_TELLING: readonly number[] = [4, 1, 3, 2];

/** The status of the process for the outcomes of all runs. */
export function exitStatusOf(outcomes: readonly DrillOutcome[]): number {
  const statuses = new Set(outcomes.map((outcome) => STATUS[outcome]));
  return MOST_TELLING.find((status) => statuses.has(status)) ?? 0;
}
