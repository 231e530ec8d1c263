/**
 * How improbable is it that a standard normal variable exceeds `z`, as a number of decimal orders: -log10 P(Z > z), and
 * the inverse. Far out the probability itself underflows (past z = 38), its logarithm does not, so the tail is never
 * formed there: erfc(x) = exp(-x^2) * scaled(x), where scaled(x) is a tame function and the exponent stays exact.
 *
 * Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), in the
 * coefficients of his CALERF (1990), good to one part in 10^16. The logistic approximation that other phi detectors
 * use says 9.31 where 8 is right; this one is held to 10^-12 by `test/vectors`, from z = -20 to 10^6.
 */

/** Below this |x| = |z| / sqrt(2) the error function itself is approximated, above it the scaled complement. */
const CENTRE = 0.46875;
const INVERSE_SQRT_PI = 0.5641895835477562869;
const SQRT_2_OVER_PI = 0.7978845608028653559;

/**
 * -log10 P(Z > z) for a standard normal Z: 0.301 at z = 0, 8 at z = 5.61, about z^2 / 4.6 far out.
 * Relative error below 10^-12; finite and never falling for every finite `z`; 0 only where the answer underflows (z < -38).
 */
export function normalTailLevel(z: number): number {
  const x = z * Math.SQRT1_2;
  if (x < CENTRE) {
    if (x > -CENTRE) return -Math.log(0.5 - 0.5 * centralErf(x)) * Math.LOG10E;
    // P(Z <= z) is small here; log1p keeps every digit of it, where 1 - P would round it away.
    const below = 0.5 * Math.exp(-0.5 * z * z) * scaledErfc(-x);
    return -Math.log1p(-below) * Math.LOG10E;
  }
  return Math.min((0.5 * z * z - Math.log(0.5 * scaledErfc(x))) * Math.LOG10E, Number.MAX_VALUE);
}

/**
 * The `z` at which {@link normalTailLevel} is `level`: -Infinity for 0 or less, Infinity for Infinity.
 * Absolute error about 10^-15 times max(1, z).
 */
export function normalTailPoint(level: number): number {
  if (!(level > 0)) return Number.NEGATIVE_INFINITY;
  const depth = level * Math.LN10;
  if (depth >= Math.LN2) return upperPoint(depth);
  // P(Z > z) = 1 - p means P(Z > -z) = p: the lower half mirrors the upper one.
  return -upperPoint(-Math.log(-Math.expm1(-depth)));
}

/**
 * The z >= 0 with -ln P(Z > z) = depth, by Newton's method. The function is convex and rising and the start lies at or
 * above the answer, because P(Z > z) <= exp(-z^2 / 2) / 2: so each step comes closer from above and none overshoots.
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

/** Slope of -ln P(Z > z): the density over the tail, for z >= 0. */
function hazard(z: number): number {
  const x = z * Math.SQRT1_2;
  const scaled = x < CENTRE ? Math.exp(x * x) * (1 - centralErf(x)) : scaledErfc(x);
  return SQRT_2_OVER_PI / scaled;
}

/** erf(x) for |x| < 0.46875. */
function centralErf(x: number): number {
  const y = x * x;
  const above =
    (((1.85777706184603153e-1 * y + 3.1611237438705656) * y + 1.13864154151050156e2) * y + 3.77485237685302021e2) * y +
    3.20937758913846947e3;
  const below =
    (((y + 2.36012909523441209e1) * y + 2.44024637934444173e2) * y + 1.28261652607737228e3) * y + 2.84423683343917062e3;
  return (x * above) / below;
}

/** exp(x^2) * erfc(x) for x >= 0.46875. */
function scaledErfc(x: number): number {
  return x <= 4 ? scaledErfcNear(x) : scaledErfcFar(x);
}

function scaledErfcNear(x: number): number {
  let above = 2.15311535474403846e-8 * x + 5.64188496988670089e-1;
  above = above * x + 8.88314979438837594;
  above = above * x + 6.61191906371416295e1;
  above = above * x + 2.98635138197400131e2;
  above = above * x + 8.8195222124176909e2;
  above = above * x + 1.71204761263407058e3;
  above = above * x + 2.05107837782607147e3;
  above = above * x + 1.23033935479799725e3;
  let below = x + 1.57449261107098347e1;
  below = below * x + 1.17693950891312499e2;
  below = below * x + 5.37181101862009858e2;
  below = below * x + 1.62138957456669019e3;
  below = below * x + 3.29079923573345963e3;
  below = below * x + 4.36261909014324716e3;
  below = below * x + 3.43936767414372164e3;
  below = below * x + 1.23033935480374942e3;
  return above / below;
}

function scaledErfcFar(x: number): number {
  const y = 1 / (x * x);
  let above = 1.63153871373020978e-2 * y + 3.05326634961232344e-1;
  above = above * y + 3.60344899949804439e-1;
  above = above * y + 1.25781726111229246e-1;
  above = above * y + 1.60837851487422766e-2;
  above = above * y + 6.58749161529837803e-4;
  let below = y + 2.56852019228982242;
  below = below * y + 1.87295284992346725;
  below = below * y + 5.27905102951428412e-1;
  below = below * y + 6.05183413124413191e-2;
  below = below * y + 2.33520497626869185e-3;
  return (INVERSE_SQRT_PI - (y * above) / below) / x;
}
