/**
 * The order of a run, as Chaos Toolkit has it: the hypothesis before, the method (with the
 * hypothesis looked at meanwhile, if asked), the hypothesis after, the rollbacks, with controls
 * round each part. A failed activity stops nothing. What differs: whatever the strategy, everything
 * that our own injectors put in force is lifted before the rollbacks.
 */
import type { Activity, HypothesisStrategy, RollbackStrategy } from "../experiment/experiment.ts";
import type { ActivityRun, HypothesisRun, Journal } from "../injection.ts";
import { playActivity } from "./activity.ts";
import { ControlInterrupt, controlsOf, runControls, withControls } from "./controls.ts";
import { lookAtHypothesis, missedProbe, type TimedLook, type WatchOptions, watchHypothesis } from "./hypothesis.ts";
import type { Play } from "./play.ts";
import type { StopReason } from "./run-stop.ts";

export interface RunOrder {
  readonly hypothesis: HypothesisStrategy;
  readonly rollbacks: RollbackStrategy;
  readonly watch: WatchOptions;
  /** Time in which nothing is done after the method, in milliseconds; 0 in a usual run. */
  readonly idleMs: number;
  /** Between the method and the hypothesis after: a drill measures here. Not after a stop. */
  readonly afterMethod: () => Promise<void>;
  /** Lifts everything of ours. Called before the rollbacks and again after them. */
  readonly lift: () => Promise<void>;
}

/** What happened, for the journal. It is filled while the run goes on. */
export interface Played {
  before: HypothesisRun | null;
  after: HypothesisRun | null;
  readonly during: TimedLook[];
  readonly run: ActivityRun[];
  readonly rollbacks: ActivityRun[];
}

export function nothingPlayed(): Played {
  return { before: null, after: null, during: [], run: [], rollbacks: [] };
}

const BEFORE: ReadonlySet<HypothesisStrategy> = new Set(["default", "before-method-only", "continuously"]);
const DURING: ReadonlySet<HypothesisStrategy> = new Set(["during-method-only", "continuously"]);
const AFTER: ReadonlySet<HypothesisStrategy> = new Set(["default", "after-method-only", "continuously"]);

/** Plays the whole experiment into `played`. Rejects only for a fault of this program. */
export async function playExperiment(play: Play, order: RunOrder, played: Played): Promise<void> {
  const { experiment, stop } = play;
  const controls = controlsOf("experiment", experiment, experiment.controls);
  const place = { level: "experiment", name: experiment.title } as const;
  await stoppable(play, async () => {
    await runControls(controls, "before", place, play);
    await playUpToRollbacks(play, order, played);
  });
  await order.lift();
  if (playsRollbacks(order.rollbacks, played, stop.reason, play)) {
    stop.begin("rollbacks");
    await stoppable(play, () => rollBack(play, played));
    await order.lift();
  }
  await stoppable(play, () => runControls(controls, "after", place, play));
}

/** A control that asks to stop the run stops it. */
async function stoppable(play: Play, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    stopIfAsked(play, error);
  }
}

function stopIfAsked(play: Play, error: unknown): void {
  if (!(error instanceof ControlInterrupt)) throw error;
  play.stop.request({ kind: "interrupted", by: `control ${error.control}`, rollbacks: "by-strategy" });
}

async function playUpToRollbacks(play: Play, order: RunOrder, played: Played): Promise<void> {
  const { stop } = play;
  if (BEFORE.has(order.hypothesis)) {
    const before = await lookAtHypothesis(play);
    // A look that was cut by a stop says nothing about the system.
    if (stop.signal.aborted) return;
    played.before = before;
    const missed = missedProbe(before);
    if (missed !== undefined) {
      play.tell(`hypothesis before the method: probe ${missed} is outside its tolerance; the method is left out`);
      return;
    }
    if (before !== null) play.tell("hypothesis before the method: holds");
  }
  await playMethod(play, order, played);
  if (stop.reason === undefined) await order.afterMethod();
  // Only fail-fast lets the hypothesis be looked at once more.
  if (stop.reason !== undefined && stop.reason.kind !== "failed") return;
  if (!AFTER.has(order.hypothesis)) return;
  stop.begin("hypothesis-after");
  const after = await lookAtHypothesis(play);
  if (after === null || stop.signal.aborted) return;
  played.after = after;
  const missed = missedProbe(after);
  play.tell(
    missed === undefined
      ? "hypothesis after the method: holds"
      : `hypothesis after the method: probe ${missed} is outside its tolerance`,
  );
}

async function playMethod(play: Play, order: RunOrder, played: Played): Promise<void> {
  const { experiment } = play;
  const done = new AbortController();
  const watched = DURING.has(order.hypothesis)
    ? watchHypothesis(play, order.watch, done.signal, played.during).catch((error: unknown) => stopIfAsked(play, error))
    : Promise.resolve();
  try {
    await withControls("method", experiment, play, () => playAll(experiment.method, play, played.run));
    if (order.idleMs > 0)
      await play.clock.sleepUntil(play.clock.nowMs() + order.idleMs, play.stop.signal).catch(() => undefined);
  } finally {
    done.abort();
    await watched;
  }
}

async function rollBack(play: Play, played: Played): Promise<void> {
  const { experiment } = play;
  await withControls("rollback", experiment, play, () => playAll(experiment.rollbacks, play, played.rollbacks));
}

/**
 * Plays activities in order; those in the background go on beside the others and are waited for at
 * the end. The runs are in the order of the activities, whichever ended first.
 */
async function playAll(activities: readonly Activity[], play: Play, runs: ActivityRun[]): Promise<void> {
  const slots: Array<ActivityRun | undefined> = [];
  const background: Array<Promise<void>> = [];
  try {
    for (const activity of activities) {
      if (play.stop.signal.aborted) break;
      const slot = slots.push(undefined) - 1;
      const playing = playActivity(activity, play).then((run) => {
        slots[slot] = run;
      });
      if (!activity.background) await playing;
      else background.push(playing.catch((error: unknown) => stopIfAsked(play, error)));
    }
  } finally {
    await Promise.all(background);
    runs.push(...slots.filter((run) => run !== undefined));
  }
}

function playsRollbacks(
  strategy: RollbackStrategy,
  played: Played,
  reason: StopReason | undefined,
  play: Play,
): boolean {
  if (play.experiment.rollbacks.length === 0) return false;
  if (reason?.kind === "interrupted" && reason.rollbacks === "skip") return false;
  const { status, deviated } = resultOf(played, reason);
  switch (strategy) {
    case "always":
      return true;
    case "never":
      return false;
    case "deviated":
      return deviated;
    case "default":
      if (reason?.kind === "interrupted" && reason.rollbacks === "play") return true;
      return status !== "failed" && status !== "interrupted";
  }
}

/** The members `status` and `deviated` of the journal. */
export function resultOf(
  played: Played,
  reason: StopReason | undefined,
): { readonly status: Journal["status"]; readonly deviated: boolean } {
  const deviated = played.after?.steady_state_met === false;
  if (reason !== undefined) return { status: reason.kind, deviated };
  if (played.before?.steady_state_met === false) return { status: "failed", deviated };
  const hasFailedProbe = deviated && played.after?.probes.some((probe) => probe.status === "failed");
  return { status: hasFailedProbe ? "failed" : "completed", deviated };
}
