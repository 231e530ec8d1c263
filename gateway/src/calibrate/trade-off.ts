/**
 * The trade-off that a calibration draws: how long each detector waits, against how often it is
 * wrong. There is one line for each model, for its best window. Rates are on a logarithmic scale.
 * Where no false alarm was seen, the line continues as an upper bound from extrapolating the tail,
 * and is drawn differently.
 */
import type { CalibrationResult, TradeOffCurve } from "ground-station-failover/calibration";

export interface DrawnPoint {
  readonly silenceMs: number;
  readonly alarmsPerMs: number;
  /** True if it was seen in the trace; false if it is extrapolated. */
  readonly seen: boolean;
}

export interface DrawnCurve {
  readonly model: string;
  readonly label: string;
  readonly points: readonly DrawnPoint[];
}

export interface TradeOff {
  readonly curves: readonly DrawnCurve[];
  /** The requested limits. */
  readonly goal: { readonly silenceMs: number; readonly alarmsPerMs: number };
  /** The recommendation; undefined if there is none. */
  readonly chosen: DrawnPoint | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly leastPerMs: number;
  readonly mostPerMs: number;
}

const YEAR_MS = 365 * 24 * 3_600_000;

/** Undefined if there is nothing to draw. */
export function tradeOffOf(result: CalibrationResult): TradeOff | undefined {
  const { goal } = result;
  // Rates far below the requested one are not of interest.
  const leastPerMs = Math.min(goal.alarmsPerMs / 100, 1 / YEAR_MS);
  const models = [...new Set(result.curves.map(({ model }) => model))];
  const curves = models
    .map((model) => drawn(bestOf(result, model), leastPerMs))
    .filter(({ points }) => points.length > 1);
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return undefined;
  const chosen =
    result.type === "recommended"
      ? {
          silenceMs: result.evidence.silence.meanMs,
          alarmsPerMs: Math.max(result.evidence.continuedPerMs ?? result.evidence.atMostPerMs, leastPerMs),
          seen: result.evidence.shown,
        }
      : undefined;
  return {
    curves,
    goal: { silenceMs: goal.detectWithinMs, alarmsPerMs: goal.alarmsPerMs },
    chosen,
    fromMs: Math.min(...points.map(({ silenceMs }) => silenceMs)),
    toMs: goal.detectWithinMs * 1.05,
    leastPerMs,
    mostPerMs: Math.max(goal.alarmsPerMs * 10, ...points.map(({ alarmsPerMs }) => alarmsPerMs)),
  };
}

/** The recommended curve, or otherwise the one with the shortest wait for the requested rate. */
function bestOf(result: CalibrationResult, model: string): TradeOffCurve {
  const ofModel = result.curves.filter((curve) => curve.model === model);
  if (result.type === "recommended") {
    const { windowSize, minDeviationMs } = result.recommendation;
    const same = ofModel.find(
      (curve) =>
        model === result.recommendation.model &&
        curve.windowSize === windowSize &&
        curve.minDeviationMs === minDeviationMs,
    );
    if (same !== undefined) return same;
  }
  const waitMs = ({ points }: TradeOffCurve): number =>
    points.find(({ alarmsPerMs }) => alarmsPerMs <= result.goal.alarmsPerMs)?.silenceMs ?? Number.POSITIVE_INFINITY;
  return ofModel.reduce((best, curve) => (waitMs(curve) < waitMs(best) ? curve : best));
}

function drawn({ model, windowSize, points }: TradeOffCurve, leastPerMs: number): DrawnCurve {
  const shown: DrawnPoint[] = [];
  for (const { silenceMs, alarmsPerMs, counted } of points) {
    if (!Number.isFinite(alarmsPerMs) || !(silenceMs > 0)) continue;
    shown.push({ silenceMs, alarmsPerMs: Math.max(alarmsPerMs, leastPerMs), seen: counted > 0 });
    if (alarmsPerMs <= leastPerMs) break;
  }
  return { model, label: labelOf(model, windowSize), points: shown };
}

function labelOf(model: TradeOffCurve["model"], windowSize: number): string {
  if (model === "fixed") return "fixed timeout";
  return model === "adaptive" ? model : `${model}, window ${windowSize}`;
}
