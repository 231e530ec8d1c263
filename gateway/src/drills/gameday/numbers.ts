/**
 * What is derived from a game day: how long people and the system took, predictions against
 * results, findings by the hour, what repeats. Pure functions of the view. Human and system times
 * are kept apart, because "detected after 2 s" by a machine and by a person are different news.
 */
import type { FindingClass } from "./events.ts";
import { type DayFinding, type DayRun, type DayView, isOpen, type MadePrediction, type Mark } from "./fold.ts";

/** What is timed, in the order of an incident. */
export const STEPS = ["detected", "paged", "acknowledged", "diagnosed", "mitigated", "recovered"] as const;
export type Step = (typeof STEPS)[number];

export interface StepTimes {
  /** Milliseconds from the fault; null: it did not happen, or the fault's instant is not known. */
  readonly systemMs: number | null;
  readonly humanMs: number | null;
}

/** Runs whose result says something about the system. */
export function isJudged({ ended }: DayRun): boolean {
  if (ended === undefined) return false;
  // A guardrail may have refused it before the fault.
  const isStopped = ended.outcome === "aborted" && ended.t0Ms !== null;
  return isStopped || ended.outcome === "held" || ended.outcome === "deviated" || ended.outcome === "dirty";
}

/** How long each step took in a run. */
export function stepTimes(run: DayRun): Readonly<Record<Step, StepTimes>> {
  const t0Ms = run.ended?.t0Ms ?? null;
  const first = (step: Step, source: Mark["source"]): number | null => {
    const after = run.marks.filter(
      (mark) => mark.kind === step && mark.source === source && t0Ms !== null && mark.atMs >= t0Ms,
    );
    return t0Ms === null || after.length === 0 ? null : Math.min(...after.map(({ atMs }) => atMs)) - t0Ms;
  };
  const times = STEPS.map(
    (step) => [step, { systemMs: first(step, "system"), humanMs: first(step, "human") }] as const,
  );
  const found = Object.fromEntries(times) as Record<Step, StepTimes>;
  // The drill measured these itself, on a clock that never jumps.
  const { mttdMs = null, mttrMs = null } = run.ended ?? {};
  found.detected = { ...found.detected, systemMs: mttdMs };
  found.recovered = { ...found.recovered, systemMs: mttrMs };
  return found;
}

/** Marks of "detected" before the fault: false alarms, or a wrong clock. */
export function earlyDetections({ marks, ended }: DayRun): Mark[] {
  const t0Ms = ended?.t0Ms ?? null;
  return t0Ms === null ? [] : marks.filter(({ kind, atMs }) => kind === "detected" && atMs < t0Ms);
}

/** A prediction beside what happened. */
export interface PredictionResult {
  readonly prediction: MadePrediction;
  /** The first run of the experiment that says something; undefined: there is none. */
  readonly run: DayRun | undefined;
  /** Each is null where nothing was predicted, or nothing can be said. */
  readonly isOutcomeRight: boolean | null;
  readonly isDetectionRight: boolean | null;
  readonly isRecoveryRight: boolean | null;
}

export function predictionResults(view: DayView): PredictionResult[] {
  return view.predictions.map((prediction) => {
    const run = view.runs.find((one) => one.experiment === prediction.experiment && isJudged(one));
    const within = (ms: number | null | undefined, limitMs: number | null): boolean | null =>
      run === undefined || limitMs === null ? null : typeof ms === "number" && ms <= limitMs;
    return {
      prediction,
      run,
      isOutcomeRight:
        run === undefined ? null : (run.ended?.outcome === "held" ? "held" : "deviated") === prediction.expected,
      isDetectionRight: within(run?.ended?.mttdMs, prediction.detectWithinMs),
      isRecoveryRight: within(run?.ended?.mttrMs, prediction.recoverWithinMs),
    };
  });
}

export interface Calibration {
  readonly team: string;
  /** Sealed predictions with a result. */
  readonly n: number;
  readonly right: number;
  /** 0 to 100. */
  readonly meanConfidence: number;
  /** Mean of (confidence − result)²: 0 is perfect, 0.25 is a coin's. */
  readonly brier: number;
  readonly points: ReadonlyArray<{ readonly who: string; readonly confidence: number; readonly isRight: boolean }>;
}

/** Of each team: how sure it was, and how often it was right. Late and broken ones do not count. */
export function calibrations(results: readonly PredictionResult[]): Calibration[] {
  const counted = results.filter(
    ({ prediction, isOutcomeRight }) => prediction.seal === "sealed" && isOutcomeRight !== null,
  );
  return [...Map.groupBy(counted, ({ prediction }) => prediction.team)].map(([team, of]) => {
    const points = of.map(({ prediction, isOutcomeRight }) => ({
      who: prediction.who,
      confidence: prediction.confidence,
      isRight: isOutcomeRight === true,
    }));
    const sum = (value: (point: (typeof points)[number]) => number): number =>
      points.reduce((before, point) => before + value(point), 0);
    return {
      team,
      n: points.length,
      right: sum(({ isRight }) => (isRight ? 1 : 0)),
      meanConfidence: sum(({ confidence }) => confidence) / points.length,
      brier: sum(({ confidence, isRight }) => (confidence / 100 - (isRight ? 1 : 0)) ** 2) / points.length,
      points,
    };
  });
}

export interface FindingNumbers {
  readonly total: number;
  readonly open: number;
  readonly verified: number;
  /** Verified, of those that are to be fixed; null: there are none. */
  readonly verifiedRatio: number | null;
  /** Over the time from the first run to the end of the last; null: no run ended. */
  readonly perHour: number | null;
  readonly hours: number | null;
  readonly oldestOpenMs: number | null;
}

export function findingNumbers(view: DayView, nowMs: number): FindingNumbers {
  const { findings, runs } = view;
  const open = findings.filter(isOpen);
  const wanted = findings.filter(({ status }) => status !== "wontfix");
  const verified = findings.filter(({ status }) => status === "verified").length;
  const ends = runs.flatMap(({ endedMs }) => endedMs ?? []);
  const begin = runs[0]?.startedMs;
  const hours = begin === undefined || ends.length === 0 ? null : (Math.max(...ends) - begin) / 3_600_000;
  return {
    total: findings.length,
    open: open.length,
    verified,
    verifiedRatio: wanted.length === 0 ? null : verified / wanted.length,
    // Less than a minute of runs would make a rate of thousands.
    perHour: hours === null || hours < 1 / 60 ? null : findings.length / hours,
    hours,
    oldestOpenMs: open.length === 0 ? null : nowMs - Math.min(...open.map(({ foundMs }) => foundMs)),
  };
}

export interface Repeat {
  readonly finding: DayFinding;
  readonly day: string;
  readonly earlier: DayFinding;
}

/**
 * Findings that an earlier day had already: the same title, or the same class at the same
 * experiment.
 */
export function repeatFindings(view: DayView, others: readonly DayView[]): Repeat[] {
  return view.findings.flatMap((finding) => {
    for (const other of others) {
      if (other.id === view.id) continue;
      const earlier = other.findings.find((one) => one.foundMs < finding.foundMs && isSame(one, finding));
      if (earlier !== undefined) return [{ finding, day: other.id, earlier }];
    }
    return [];
  });
}

interface Comparable {
  readonly title: string;
  readonly class: FindingClass;
  readonly experiment: string | undefined;
}

function isSame(a: Comparable, b: Comparable): boolean {
  const plain = (title: string): string =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
      .trim();
  return (
    plain(a.title) === plain(b.title) ||
    (a.class === b.class && a.experiment !== undefined && a.experiment === b.experiment)
  );
}
