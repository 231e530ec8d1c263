/**
 * Looks at the steady-state hypothesis: all probes in order, up to the first one that misses its
 * tolerance. A probe that fails misses it. During a method the look is repeated with a fixed pause
 * between two looks, whatever a look takes. Without a hypothesis there is nothing to look at, which
 * is allowed (an exploration).
 */
import type { Activity, Json } from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import { meetsTolerance } from "../experiment/tolerance.ts";
import type { ActivityRun, HypothesisRun } from "../injection.ts";
import { playActivity } from "./activity.ts";
import { withControls } from "./controls.ts";
import type { Play } from "./play.ts";

/** One look. Rejects only with `ControlInterrupt`. */
export async function lookAtHypothesis(play: Play): Promise<HypothesisRun | null> {
  const { hypothesis } = play.experiment;
  if (hypothesis === undefined || hypothesis.probes.length === 0) return null;
  return await withControls("hypothesis", hypothesis, play, async () => {
    const probes: ActivityRun[] = [];
    for (const probe of hypothesis.probes) {
      const run = await playActivity(probe, play);
      const isMet = run.status === "succeeded" && (isUnjudged(play) || (await isTolerated(probe, run.output, play)));
      probes.push({ ...run, tolerance_met: isMet });
      if (!isMet) return { steady_state_met: false, probes };
    }
    return { steady_state_met: true, probes };
  });
}

/** In a dry run without probes there is no output that a tolerance could be held against. */
function isUnjudged(play: Play): boolean {
  return play.dry === "probes" || play.dry === "activities";
}

async function isTolerated(probe: Activity, output: Json, play: Play): Promise<boolean> {
  const tolerance = substituted(probe.tolerance ?? null, play.values);
  try {
    return await meetsTolerance(tolerance, output, (own) => playActivity(own, play));
  } catch (error) {
    play.tell(`probe ${probe.name}: the tolerance cannot be decided: ${(error as Error).message}`);
    return false;
  }
}

/** The name of the probe that missed; undefined if the hypothesis held. */
export function missedProbe(look: HypothesisRun | null): string | undefined {
  const missed = look?.probes.find((probe) => probe.tolerance_met !== true);
  return missed === undefined ? undefined : String(missed.activity["name"]);
}

export interface WatchOptions {
  /** Milliseconds between two looks. */
  readonly pauseMs: number;
  /** Stops the run when so many percent of the looks missed; undefined: never. */
  readonly failFastPercent: number | undefined;
}

/** A look with the instant at which it ended, on the runner's clock. */
export interface TimedLook {
  readonly atMs: number;
  readonly look: HypothesisRun;
}

/** Looks again and again until `done` is aborted or the run is stopped. Resolves with all looks. */
export async function watchHypothesis(
  play: Play,
  options: WatchOptions,
  done: AbortSignal,
  looks: TimedLook[],
): Promise<void> {
  const { signal } = play.stop;
  const either = AbortSignal.any([done, signal]);
  let missed = 0;
  let keptBytes = 0;
  for (let count = 1; !either.aborted; count += 1) {
    const look = await lookAtHypothesis(play);
    if (look === null) return;
    // A look that was cut by the stop says nothing about the system.
    if (signal.aborted) return;
    keptBytes += keep(look, keptBytes, play.clock.nowMs(), looks);
    const probe = missedProbe(look);
    if (probe !== undefined) {
      missed += 1;
      const percent = (missed * 100) / count;
      play.tell(`hypothesis: probe ${probe} is outside its tolerance`);
      if (options.failFastPercent !== undefined && percent >= options.failFastPercent) {
        play.stop.request({ kind: "failed", missedPercent: percent });
        return;
      }
    }
    await play.clock.sleepUntil(play.clock.nowMs() + options.pauseMs, either).catch(() => undefined);
  }
}

/** Keeps the look, without outputs once they have become too much. The result: its size. */
function keep(look: HypothesisRun, keptBytes: number, atMs: number, looks: TimedLook[]): number {
  if (looks.length >= MAX_LOOKS) return 0;
  const bytes = JSON.stringify(look).length;
  const isKept = keptBytes + bytes <= MAX_KEPT_BYTES;
  const kept = isKept ? look : { ...look, probes: look.probes.map((probe) => ({ ...probe, output: null })) };
  looks.push({ atMs, look: kept });
  return isKept ? bytes : 0;
}

/** Outputs of the looks that a journal holds at most, in characters. */
const MAX_KEPT_BYTES = 33_554_432;
/** Looks that a journal holds at most: a day at one a second would make it unreadable. */
const MAX_LOOKS = 10_000;
