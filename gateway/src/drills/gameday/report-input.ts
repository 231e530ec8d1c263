/** What the parts of a game day's report are made from, and how they name a run's outcome. */
import { shownDuration } from "../pictures/durations.ts";
import type { HeldDrill } from "../rotation/journals.ts";
import type { DayRun, DayView } from "./fold.ts";

export interface DayReportInput {
  readonly view: DayView;
  /** Other days of the store, for what repeats. */
  readonly others: readonly DayView[];
  /** All runs of the store, oldest first. */
  readonly runs: readonly HeldDrill[];
  readonly nowMs: number;
}

/** What became of a run, in words. */
export function outcomeText({ ended }: DayRun): string {
  if (ended === undefined) return "has not ended";
  const { outcome, reason, trips } = ended;
  const because = reason === "" ? "" : `: ${reason}`;
  if (outcome === "aborted") {
    const [trip] = trips;
    const latency = trip?.abortLatencyMs ?? null;
    if (ended.t0Ms === null) return `refused by a guardrail before the fault${because}`;
    const stopped = trip === undefined ? because : ` ${trip.rule} (${trip.observed})`;
    return `stopped by a guardrail, which worked:${stopped}${latency === null ? "" : `; all faults lifted ${shownDuration(latency)} later`}`;
  }
  if (outcome === "invalid") return `invalid, which is no pass${because}`;
  if (outcome === "unknown") return `not known${because}`;
  return `${outcome}${because}`;
}
