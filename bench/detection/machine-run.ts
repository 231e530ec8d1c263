/**
 * A detector of the library on a trace, as its users would run it: every arrival is noted,
 * duplicates and stragglers included, and the deadline at a level is what `whenLevel` says. Levels
 * at which curves are drawn are fixed beforehand; a beat that comes at a level above one of them is
 * a mistake there.
 */
import type { DetectorMachine } from "ground-station-failover/core";
import { type Quality, summary, WARM_UP_MS } from "./quality.ts";
import { freshArrivals, type Trace } from "./trace.ts";

const NODE = "a";

/** Runs `machine` over the trace and says how good it was at each of `levels` (rising). */
export function runMachine(
  trace: Trace,
  crashesMs: Float64Array,
  machine: DetectorMachine,
  levels: readonly number[],
): readonly Quality[] {
  const fresh = freshArrivals(trace);
  const mistakes = levels.map(() => ({ count: 0, totalMs: 0 }));
  const detections = levels.map(() => new Float64Array(crashesMs.length));
  let crash = 0;
  let index = 0;
  for (let place = 0; place < trace.arrivalMs.length; place++) {
    const nowMs = trace.arrivalMs[place] as number;
    const sequence = trace.sequence[place] as number;
    const isFresh = fresh[index] === place;
    if (isFresh && nowMs >= WARM_UP_MS) noteMistakes(machine, nowMs, levels, mistakes);
    machine.noteHeartbeat(NODE, { sequence }, nowMs);
    if (!isFresh) continue;
    index++;
    const next = fresh[index];
    if (next === undefined) break;
    const nextSentMs = trace.sentMs[trace.sequence[next] as number] as number;
    for (; crash < crashesMs.length && (crashesMs[crash] as number) < nextSentMs; crash++) {
      levels.forEach((level, column) => {
        const whenMs = machine.whenLevel(NODE, level) as number;
        (detections[column] as Float64Array)[crash] = Math.max(0, whenMs - (crashesMs[crash] as number));
      });
    }
  }
  return levels.map((level, column) => {
    const { count, totalMs } = mistakes[column] as { count: number; totalMs: number };
    return summary(level, trace, count, totalMs, (detections[column] as Float64Array).slice(0, crash));
  });
}

function noteMistakes(
  machine: DetectorMachine,
  nowMs: number,
  levels: readonly number[],
  mistakes: readonly { count: number; totalMs: number }[],
): void {
  const reached = machine.suspicionLevel(NODE, nowMs);
  for (let column = 0; column < levels.length && reached >= (levels[column] as number); column++) {
    const mistake = mistakes[column] as { count: number; totalMs: number };
    const whenMs = machine.whenLevel(NODE, levels[column] as number) as number;
    if (!Number.isFinite(reached)) return;
    mistake.count++;
    mistake.totalMs += nowMs - whenMs;
  }
}
