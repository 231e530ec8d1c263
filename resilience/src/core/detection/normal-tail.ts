/**
 * How improbable it is that a standard normal variable exceeds `z`, as a number of decimal orders:
 * -log10 P(Z > z), and the inverse. Far out (past z = 38) the probability itself underflows, but
 * its logarithm does not, so the tail is never computed there. Instead erfc(x) = exp(-x^2) *
 * scaled(x), where scaled(x) changes slowly and the exponent stays exact.
 *
 * Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23
 * (1969), with the coefficients of his CALERF (1990), here rounded to doubles. The logistic
 * approximation of other phi detectors gives 9.31 where 8 is right; `test/vectors` checks this one
 * to 10^-12, from z = -20 to 10^6.
 */

/**
 * Below this |x| = |z| / sqrt(2) the error function itself is approximated; above it, the scaled
 * complement.
 */
const CENTRE = 0.46875;
const INVERSE_SQRT_PI = 0.5641895835477563;
const SQRT_2_OVER_PI = 0.7978845608028654;

/**
 * -log10 P(Z > z) for a standard normal Z: 0.301 at z = 0, 8 at z = 5.61, about z^2 / 4.6 far out.
 * Relative error below 10^-12; finite and never falling for every finite `z`; 0 only where the
 * answer underflows (z < -38).
 */
export function normalTailLevel(z: number): number {
  const x = z * Math.SQRT1_2;
  if (x < CENTRE) {
    if (x > -CENTRE) return -Math.log(0.5 - 0.5 * centralErf(x)) * Math.LOG10E;
    // P(Z <= z) is small here. log1p keeps all its digits; 1 - P would lose them to rounding.
    const below = 0.5 * Math.exp(-0.5 * z * z) * scaledErfc(-x);
    return -Math.log1p(-below) * Math.LOG10E;
  }
  return Math.min((0.5 * z * z - Math.log(0.5 * scaledErfc(x))) * Math.LOG10E, Number.MAX_VALUE);
}

/**
 * The `z` at which {@link normalTailLevel} is `level`: -Infinity for 0 or less, Infinity for
 * Infinity. Absolute error about 10^-15 times max(1, z).
 */
export function normalTailPoint(level: number): number {
  if (!(level > 0)) return Number.NEGATIVE_INFINITY;
  const depth = level * Math.LN10;
  if (depth >= Math.LN2) return upperPoint(depth);
  // P(Z > z) = 1 - p means P(Z > -z) = p: the lower half mirrors the upper one.
  return -upperPoint(-Math.log(-Math.expm1(-depth)));
}

/**
 * The z >= 0 with -ln P(Z > z) = depth, by Newton's method. The function is convex and rising. The
 * start is at or above the answer, because P(Z > z) <= exp(-z^2 / 2) / 2. So each step comes closer
 * from above, and none overshoots.
 */
function upperPoint(depth: number): number {
  let z = Math.SQRT2 * Math.sqrt(Math.max(0, depth - Math.LN2));
  if (z > 1e150) return z;
  for (let round = 0; round < 20; round++) {
    const step = (normalTailLevel(z) * Math.LN10 - depth) / hazard(z);
    z -= step;
    if (!(step > 1e-15 * z)) break;
  }
  return Math.max(0, z);
}

/** Slope of -ln P(Z > z): the density divided by the tail, for z >= 0. */
function hazard(z: number): number {
  const x = z * Math.SQRT1_2;
  const scaled = x < CENTRE ? Math.exp(x * x) * (1 - centralErf(x)) : scaledErfc(x);
  return SQRT_2_OVER_PI / scaled;
}

/** erf(x) for |x| < 0.46875. */
function centralErf(x: number): number {
  const y = x * x;
  const above =
    (((0.18577770618460315 * y + 3.1611237438705655) * y + 113.86415415105016) * y + 377.485237685302) * y +
    3209.3775891384694;
  const below = (((y + 23.601290952344122) * y + 244.02463793444417) * y + 1282.6165260773723) * y + 2844.236833439171;
  return (x * above) / below;
}

/** exp(x^2) * erfc(x) for x >= 0.46875. */
function scaledErfc(x: number): number {
  return x <= 4 ? scaledErfcNear(x) : scaledErfcFar(x);
}

function scaledErfcNear(x: number): number {
  let above = 2.1531153547440383e-8 * x + 0.5641884969886701;
  above = above * x + 8.883149794388377;
  above = above * x + 66.11919063714163;
  above = above * x + 298.6351381974001;
  above = above * x + 881.952221241769;
  above = above * x + 1712.0476126340707;
  above = above * x + 2051.0783778260716;
  above = above * x + 1230.3393547979972;
  let below = x + 15.744926110709835;
  below = below * x + 117.6939508913125;
  below = below * x + 537.1811018620099;
  below = below * x + 1621.3895745666903;
  below = below * x + 3290.7992357334597;
  below = below * x + 4362.619090143247;
  below = below * x + 3439.3676741437216;
  below = below * x + 1230.3393548037495;
  return above / below;
}

function scaledErfcFar(x: number): number {
  const y = 1 / (x * x);
  let above = 0.016315387137302097 * y + 0.30532663496123236;
  above = above * y + 0.36034489994980445;
  above = above * y + 0.12578172611122926;
  above = above * y + 0.016083785148742275;
  above = above * y + 0.0006587491615298378;
  let below = y + 2.568520192289822;
  below = below * y + 1.8729528499234673;
  below = below * y + 0.5279051029514285;
  below = below * y + 0.06051834131244132;
  below = below * y + 0.0023352049762686918;
  return (INVERSE_SQRT_PI - (y * above) / below) / x;
}
