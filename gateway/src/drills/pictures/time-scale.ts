/**
 * A logarithmic axis of durations. Drills are detected within milliseconds or not for minutes; on a
 * linear axis all that is good would be one dot.
 */
import { shownDuration } from "./durations.ts";
import { element, words } from "./svg.ts";

export interface TimeScale {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ticks: readonly number[];
  /** 0 at `fromMs`, 1 at `toMs`; what lies outside is put at the edge. */
  position(ms: number): number;
}

const MINUTE_MS = 60_000;
const TICKS: readonly number[] = [
  1,
  10,
  100,
  1_000,
  10_000,
  MINUTE_MS,
  10 * MINUTE_MS,
  60 * MINUTE_MS,
  24 * 60 * MINUTE_MS,
  30 * 24 * 60 * MINUTE_MS,
];

/** A scale from one tick to another that holds all of `values`; at least two ticks. */
export function timeScale(values: readonly number[]): TimeScale {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const value of values) {
    least = Math.min(least, Math.max(1, value));
    most = Math.max(most, value);
  }
  if (most === 0) [least, most] = [100, 10_000];
  const first = Math.max(
    0,
    TICKS.findLastIndex((tick) => tick <= least),
  );
  const above = TICKS.findIndex((tick) => tick >= most);
  const last = Math.max(first + 1, above < 0 ? TICKS.length - 1 : above);
  const ticks = TICKS.slice(Math.min(first, TICKS.length - 2), last + 1);
  const fromMs = ticks[0] as number;
  const toMs = ticks.at(-1) as number;
  const position = (ms: number): number =>
    Math.min(1, Math.max(0, Math.log(Math.max(1, ms) / fromMs) / Math.log(toMs / fromMs)));
  return { fromMs, toMs, ticks, position };
}

/** Vertical grid lines with their durations below. */
export function timeGrid(scale: TimeScale, left: number, width: number, top: number, bottom: number): string[] {
  return scale.ticks.flatMap((tick) => {
    const x = left + width * scale.position(tick);
    return [
      element("path", { class: "grid", d: `M${x.toFixed(1)} ${top}V${bottom}` }),
      words(x, bottom + 16, shownDuration(tick), { class: "soft", "text-anchor": "middle" }),
    ];
  });
}
