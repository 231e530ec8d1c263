/**
 * The detectors that a calibration tries. To add another model of the library, add a row to the
 * table. Each candidate is the production machine with the options that the gateway would give it.
 */

import type { DetectorMachine } from "../core/detection/detector.ts";
import { FixedHeartbeatMachine } from "../core/detection/fixed-heartbeat.ts";
import { phiAccrualMachine } from "../core/detection/phi-accrual.ts";
import type { PhiAccrualOptions } from "../core/detection/phi-accrual-options.ts";
import type { CalibrationGoal } from "./goal.ts";
import { type LevelRange, PHI_LEVELS } from "./selection.ts";

/** A model of the library's phi detector. */
export type PhiModel = NonNullable<PhiAccrualOptions["model"]>;

/** A detector with all its settings except the threshold. */
export interface DetectorCandidate {
  /** `fixed`: a fixed timeout, which learns nothing. */
  readonly model: PhiModel | "fixed";
  readonly windowSize: number;
  readonly minDeviationMs: number;
  readonly levels: LevelRange;
  machine(): DetectorMachine;
}

/** A large window is precise, a small one follows a change; the default, 200, is a compromise. */
const WINDOWS: readonly number[] = [50, 200, 1_000];
export const DEFAULT_WINDOW = 200;

/**
 * A row for each model: the windows to try, the minimum deviation as a share of the interval, and
 * the windows to try with the gateway's wide minimum deviation as well.
 */
const MODELS: readonly {
  readonly model: PhiModel;
  readonly windows: readonly number[];
  readonly deviationRatio: number;
  readonly wideWindows: readonly number[];
}[] = [
  { model: "normal", windows: WINDOWS, deviationRatio: 1 / 4, wideWindows: [DEFAULT_WINDOW] },
  { model: "lognormal", windows: WINDOWS, deviationRatio: 1 / 4, wideWindows: [DEFAULT_WINDOW] },
  { model: "exponential", windows: [DEFAULT_WINDOW], deviationRatio: 1 / 4, wideWindows: [] },
  { model: "adaptive", windows: [DEFAULT_WINDOW], deviationRatio: 1 / 25, wideWindows: [] },
];

/** The level of a fixed timeout, as in its machine: 8 when the timeout is over. */
export const FIXED_DOWN_LEVEL = 8;

/** The fixed timeout is first, because its result for the time for detection bounds all others. */
export function detectorCandidates(intervalMs: number, { detectWithinMs }: CalibrationGoal): DetectorCandidate[] {
  // The gateway accepts at least 1 ms; its default is at least 50 ms or a quarter of the interval.
  const narrowMs = (ratio: number): number => Math.max(1, Number((intervalMs * ratio).toPrecision(3)));
  const wideMs = Math.max(50, narrowMs(1 / 4));
  const phi = (model: PhiModel, windowSize: number, minDeviationMs: number): DetectorCandidate => ({
    model,
    windowSize,
    minDeviationMs,
    levels: PHI_LEVELS,
    machine: () =>
      phiAccrualMachine({
        model,
        expectedIntervalMs: intervalMs,
        windowSize,
        minDeviationMs,
        ceilingMs: detectWithinMs,
      }),
  });
  const learning = MODELS.flatMap(({ model, windows, deviationRatio, wideWindows }) => [
    ...windows.map((windowSize) => phi(model, windowSize, narrowMs(deviationRatio))),
    ...(wideMs === narrowMs(deviationRatio) ? [] : wideWindows.map((windowSize) => phi(model, windowSize, wideMs))),
  ]);
  const shortest = (2 * intervalMs * FIXED_DOWN_LEVEL) / detectWithinMs;
  const fixed: DetectorCandidate = {
    model: "fixed",
    windowSize: DEFAULT_WINDOW,
    minDeviationMs: detectWithinMs,
    // Counted down from the whole budget, so that the budget itself is one of the steps.
    levels: {
      lowest: FIXED_DOWN_LEVEL - FIXED_STEP * Math.floor((FIXED_DOWN_LEVEL - shortest) / FIXED_STEP),
      highest: FIXED_DOWN_LEVEL,
      step: FIXED_STEP,
    },
    machine: () => new FixedHeartbeatMachine({ intervalMs, timeoutMs: detectWithinMs }),
  };
  return [fixed, ...learning];
}

/** Timeouts are tried in steps of 1/100 of the budget. */
const FIXED_STEP = 0.08;
