/**
 * MTTD and MTTR of one fault. MTTD is the time from the instant at which the fault was in force
 * (T0) to the first automatic detection; a detection before it is a false alarm, and none is none.
 * MTTR is the time to the start of the first window in which the steady state holds again, from T0
 * (the system rides through the fault) or from the lift (T1, the fault has to go first). A steady
 * state that was never lost was recovered at once.
 *
 * Pure functions over instants of one clock. They measure in steps of 50 ms.
 */
import type { Detection } from "./observations.ts";
import type { SteadyTimeline } from "./steady-timeline.ts";

/** Starts of windows are looked at this far apart, in ms. */
const STEP_MS = 50;

export interface DetectionWindow {
  /** From when on the stage was steady and a detection without a fault is a false alarm. */
  readonly armedMs: number;
  /**
   * When the fault began to be put in force, if that is known. What is detected between it and T0
   * was detected at once, because an injector confirms a fault a little after it works.
   */
  readonly beganMs: number;
  /** T0. */
  readonly faultMs: number;
}

export interface Detected {
  /** From T0 to the first detection, at least 0; undefined: not detected. */
  readonly mttdMs: number | undefined;
  readonly first: Detection | undefined;
  /** Detections without a fault, before it. */
  readonly falseAlarms: readonly Detection[];
}

/** `detections` by time, of the kinds that count only. */
export function detect(detections: readonly Detection[], { armedMs, beganMs, faultMs }: DetectionWindow): Detected {
  const first = detections.find(({ atMs }) => atMs >= beganMs);
  return {
    first,
    mttdMs: first === undefined ? undefined : Math.max(0, first.atMs - faultMs),
    falseAlarms: detections.filter(({ atMs }) => atMs >= armedMs && atMs < beganMs),
  };
}

export interface RecoveryWindow {
  /** T0. */
  readonly faultMs: number;
  /** T1; undefined while the fault is in force. */
  readonly liftedMs: number | undefined;
  readonly from: "fault" | "lift";
  /** Until when the facts are known. */
  readonly knownMs: number;
  readonly windowMs: number;
}

export type Recovery =
  /** The steady state was not lost, or it held again from `atMs` on. */
  | { readonly type: "recovered"; readonly atMs: number; readonly mttrMs: number; readonly lostMs: number | undefined }
  /** No window held so far. */
  | { readonly type: "not-yet"; readonly lostMs: number | undefined };

/** The first window of the steady state after it was lost. */
export function recover(timeline: SteadyTimeline, window: RecoveryWindow): Recovery {
  const { faultMs, liftedMs, from, knownMs, windowMs } = window;
  const lostMs = firstLoss(timeline, faultMs, Math.min(liftedMs ?? knownMs, knownMs - windowMs), windowMs);
  const originMs = from === "lift" ? liftedMs : faultMs;
  if (originMs === undefined) return { type: "not-yet", lostMs };
  const startMs = Math.max(originMs, lostMs ?? originMs);
  for (let atMs = startMs; atMs + windowMs <= knownMs; atMs += STEP_MS) {
    if (timeline.at(atMs, atMs + windowMs).met)
      return { type: "recovered", atMs, mttrMs: Math.max(0, atMs - originMs), lostMs };
  }
  return { type: "not-yet", lostMs };
}

/**
 * When the steady state was first lost, looking at windows that start from `fromMs` to `toMs`: the
 * sending of the first command that went wrong in the first window that does not hold; the start of
 * that window, if it was something else. Undefined: never.
 */
function firstLoss(timeline: SteadyTimeline, fromMs: number, toMs: number, windowMs: number): number | undefined {
  for (let atMs = fromMs; atMs <= toMs; atMs += STEP_MS) {
    if (timeline.at(atMs, atMs + windowMs).met) continue;
    const victims = timeline.breaches.filter((breach) => breach.toMs >= atMs).map((breach) => breach.fromMs);
    const first = victims.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
    return first < atMs + windowMs ? Math.max(first, atMs) : atMs;
  }
  return undefined;
}

/** How often the steady state was lost again after `recoveredMs`: windows that stopped to hold. */
export function relapses(
  timeline: SteadyTimeline,
  recoveredMs: number,
  knownMs: number,
  windowMs: number,
): readonly number[] {
  const at: number[] = [];
  let held = true;
  for (let startMs = recoveredMs; startMs + windowMs <= knownMs; startMs += STEP_MS) {
    const { met } = timeline.at(startMs, startMs + windowMs);
    if (held && !met) at.push(startMs + windowMs);
    held = met;
  }
  return at;
}
