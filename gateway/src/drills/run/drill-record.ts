/** The member `gsf` of a journal: what a drill adds to Chaos Toolkit's own members. */
import type { Experiment } from "../experiment/experiment.ts";
import { specHash } from "../experiment/spec-hash.ts";
import type { DrillRecord, GuardrailTrip, PreparedInjection, Target } from "../injection.ts";
import type { Mark, Measured } from "./hooks.ts";
import type { Verdict } from "./verdict.ts";

export interface RecordParts {
  readonly runId: string;
  readonly seed: number;
  readonly environment: string;
  readonly verdict: Verdict;
  readonly measured: Measured | undefined;
  /** What would be hit, and what was. */
  readonly planned: readonly PreparedInjection[];
  readonly hit: readonly PreparedInjection[];
  readonly felt: Readonly<Record<string, string | null>>;
  readonly trips: readonly GuardrailTrip[];
  readonly marks: readonly Mark[];
  /** RFC 3339, UTC, of an instant on the runner's clock. */
  readonly wallAt: (atMs: number) => string;
}

/** Undefined: the experiment is no drill. */
export function recordOf(experiment: Experiment, parts: RecordParts): DrillRecord | undefined {
  const { drill } = experiment;
  if (drill === undefined) return undefined;
  const { runId, seed, environment, verdict, measured, felt, trips } = parts;
  const { detectWithinMs, recoverWithinMs } = drill.expect;
  return {
    ...{ runId, id: drill.id, category: drill.category, weight: drill.weight },
    specHash: specHash(experiment.source),
    ...{ seed, environment, outcome: verdict.outcome },
    ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
    targets: targetsOf(parts.hit.length > 0 ? parts.hit : parts.planned),
    felt,
    mttdMs: rounded(measured?.mttdMs),
    mttrMs: rounded(measured?.mttrMs),
    ...(detectWithinMs === undefined ? {} : { detectWithinMs }),
    ...(recoverWithinMs === undefined ? {} : { recoverWithinMs }),
    trips,
    marks: marksOf(parts),
  };
}

/** A tenth of a millisecond is more than can be measured. */
function rounded(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.round(ms * 10) / 10;
}

function targetsOf(prepared: readonly PreparedInjection[]): readonly Target[] {
  const targets = new Map<string, Target>();
  for (const target of prepared.flatMap((one) => one.targets)) {
    const key = `${target.kind} ${target.name}`;
    const known = targets.get(key);
    if (known === undefined || known.share < target.share) targets.set(key, target);
  }
  return [...targets.values()];
}

/**
 * Those of the runner and of the stage by time; the stage was told the runner's, so it may repeat
 * them.
 */
function marksOf({ marks, measured, wallAt }: RecordParts): DrillRecord["marks"] {
  const own = new Set(marks.map(keyOf));
  const all = [...marks, ...(measured?.marks ?? []).filter((mark) => !own.has(keyOf(mark)))];
  return all
    .sort((one, other) => one.atMs - other.atMs)
    .map(({ atMs, kind, text }) => ({ at: wallAt(atMs), kind, text }));
}

function keyOf({ atMs, kind }: Mark): string {
  return `${atMs} ${kind}`;
}
