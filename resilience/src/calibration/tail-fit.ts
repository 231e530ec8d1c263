/**
 * What a sample says about values that are rarer than any in it. Above a high threshold, the
 * excesses of almost every distribution have the same form: a generalized Pareto with a scale and a
 * shape (Pickands 1975; Balkema and de Haan 1974). Shape 0 is an exponential tail, above 0 a heavy
 * one. The fit is by maximum likelihood over shapes of 0 and more, because a tail that seems to end
 * may still continue.
 *
 * The central fit must not be extrapolated: the reported tail has shape and scale at their upper
 * confidence limits. It knows nothing of causes that the sample never met, such as a stall that
 * comes once a day.
 */

/** A fitted tail; excesses are measured from the threshold at which the tail begins. */
export interface TailFit {
  /** How many excesses it was fitted to. */
  readonly excesses: number;
  readonly scale: number;
  /** 0 for an exponential tail, more for a heavier one. */
  readonly shape: number;
}

/** Fewer excesses than this say nothing about a shape. */
export const FEWEST_EXCESSES = 20;
const GRID_POINTS = 120;

/**
 * Fits excesses (above 0), each with the number of times it was seen; undefined if there are too
 * few.
 */
export function fitTail(excesses: readonly number[], weights: readonly number[]): TailFit | undefined {
  const count = weights.reduce((sum, weight) => sum + weight, 0);
  if (count < FEWEST_EXCESSES) return undefined;
  const mean = excesses.reduce((sum, excess, place) => sum + excess * (weights[place] as number), 0) / count;
  // Profile likelihood (Grimshaw 1993): for a given ratio of shape to scale, the best shape is a
  // mean of logarithms.
  let best: TailFit = { excesses: count, scale: mean, shape: 0 };
  let bestLikelihood = -Math.log(mean) - 1;
  for (let point = 0; point <= GRID_POINTS; point++) {
    const ratio = 10 ** (-3 + (6 * point) / GRID_POINTS) / mean;
    const shape =
      excesses.reduce((sum, excess, place) => sum + Math.log1p(ratio * excess) * (weights[place] as number), 0) / count;
    const likelihood = -Math.log(shape / ratio) - shape - 1;
    if (likelihood <= bestLikelihood) continue;
    bestLikelihood = likelihood;
    best = { excesses: count, scale: shape / ratio, shape };
  }
  return best;
}

/**
 * The maximum misfit: the largest distance between the two distributions times the square root of
 * their number (Kolmogorov and Smirnov). Above 1, the sample does not have this form; it may have
 * two causes, for example. `excesses` must be in rising or falling order.
 */
export function tailMisfit(fit: TailFit, excesses: readonly number[], weights: readonly number[]): number {
  const order = excesses.map((_, place) => place).sort((a, b) => (excesses[a] as number) - (excesses[b] as number));
  let below = 0;
  let distance = 0;
  for (const place of order) {
    const share = 1 - shareBeyond(excesses[place] as number, fit.scale, fit.shape);
    const upTo = below + (weights[place] as number) / fit.excesses;
    // A weight stands for values around its middle, so the middle of the step must agree.
    distance = Math.max(distance, Math.abs((below + upTo) / 2 - share));
    below = upTo;
  }
  return distance * Math.sqrt(fit.excesses);
}

/**
 * At most this share of the excesses reaches `excess`, `deviations` standard errors on the safe
 * side (1.645 for 95 %). The standard error of a shape is (1 + shape) / sqrt(n), that of a scale is
 * scale / sqrt(n).
 */
export function tailShareAtMost(fit: TailFit, excess: number, deviations: number): number {
  if (excess <= 0) return 1;
  const error = deviations / Math.sqrt(fit.excesses);
  const scale = fit.scale * (1 + error);
  const shape = fit.shape + error * (1 + fit.shape);
  return shareBeyond(excess, scale, shape);
}

function shareBeyond(excess: number, scale: number, shape: number): number {
  return shape < 1e-9 ? Math.exp(-excess / scale) : Math.exp(-Math.log1p((shape * excess) / scale) / shape);
}
