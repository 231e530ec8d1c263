/**
 * The highest possible suspicion level of a silence, and from it the shortest silence that reaches
 * a level. It is the normal tail of the phi detector under the narrowest fit that a group's
 * settings allow: a mean gap of 0 and the least deviation. It is computed here once more and in
 * another way (numerically near the middle, by Mills' ratio as a continued fraction further out;
 * Abramowitz and Stegun 26.2.14), because a check must not rely on the function that it checks.
 */

/** From here on the continued fraction is exact to many digits. */
const FAR = 3;
const TERMS = 80;
const STEPS = 200;
const INVERSE_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);

/** -log10 P(Z > deviations) for a standard normal Z; `deviations` not negative. */
export function levelAt(deviations: number): number {
  const density = -0.5 * deviations * deviations * Math.LOG10E + Math.log10(INVERSE_SQRT_2PI);
  if (deviations >= FAR) return -density - Math.log10(millsRatio(deviations));
  return -Math.log10(0.5 - middle(deviations));
}

/** The same for a value that is `deviations` short of the mean. */
export function levelBelowMean(deviations: number): number {
  return -Math.log10(0.5 + middle(deviations));
}

/**
 * A level that is surely reached at `deviations`, without the sums of {@link levelAt}: the tail is
 * never above exp(-z² / 2) / 2, so its level is never below this.
 */
export function levelReachedAt(deviations: number): number {
  return 0.5 * deviations * deviations * Math.LOG10E + Math.LOG10E * Math.LN2;
}

/** How many deviations out `level` lies; 0 for a level that the mean itself reaches. */
export function deviationsAt(level: number): number {
  let [low, high] = [0, 2 + Math.sqrt(5 * Math.max(level, 0))];
  if (levelAt(0) >= level) return 0;
  for (let halvings = 0; halvings < 60; halvings++) {
    const between = (low + high) / 2;
    if (levelAt(between) < level) low = between;
    else high = between;
  }
  return low;
}

function millsRatio(deviations: number): number {
  let ratio = deviations;
  for (let term = TERMS; term > 0; term--) ratio = deviations + term / ratio;
  return 1 / ratio;
}

/** P(0 < Z < deviations), by Simpson's rule. */
function middle(deviations: number): number {
  const width = deviations / STEPS;
  let sum = 0;
  for (let step = 0; step <= STEPS; step++) {
    const weight = step === 0 || step === STEPS ? 1 : step % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-0.5 * (step * width) ** 2);
  }
  return (INVERSE_SQRT_2PI * sum * width) / 3;
}
