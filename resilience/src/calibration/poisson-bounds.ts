/**
 * Bounds on the rate of rare events from their count. After n false alarms in a time T, the true
 * rate times T lies below an upper bound with a given confidence: 3.0 for n = 0 at 95 %. This is
 * why a quiet day cannot prove one alarm a week. The bounds are Garwood's exact ones (1936),
 * computed from the gamma distribution. So they also hold for the fractional counts that a
 * correction for clustered events gives.
 *
 * They assume independent events; `selection.ts` says what is done for dependent ones.
 */

/**
 * Above this count the cube-root approximation of Wilson and Hilferty is good to six digits, and
 * much cheaper.
 */
const LARGE_COUNT = 10_000;
const BISECTIONS = 80;

/**
 * The mean that is exceeded only with probability 1 - `confidence`, given `count` events (0 or
 * more, may be fractional).
 */
export function poissonUpperBound(count: number, confidence: number): number {
  if (count > LARGE_COUNT) return wilsonHilferty(count + 1, confidence);
  return gammaQuantile(count + 1, confidence);
}

/**
 * The mean below which the true value lies only with probability 1 - `confidence`; 0 for no event.
 */
export function poissonLowerBound(count: number, confidence: number): number {
  if (count <= 0) return 0;
  if (count > LARGE_COUNT) return wilsonHilferty(count, 1 - confidence);
  return gammaQuantile(count, 1 - confidence);
}

/** The x at which the regularized lower incomplete gamma function of `shape` reaches `share`. */
function gammaQuantile(shape: number, share: number): number {
  let low = 0;
  let high = shape + 10;
  while (lowerGamma(shape, high) < share) high *= 2;
  for (let round = 0; round < BISECTIONS && high - low > 1e-12 * high; round++) {
    const middle = (low + high) / 2;
    if (lowerGamma(shape, middle) < share) low = middle;
    else high = middle;
  }
  return high;
}

/** P(shape, x): a series below shape + 1, a continued fraction (Lentz) above it. */
function lowerGamma(shape: number, x: number): number {
  if (x <= 0) return 0;
  const front = Math.exp(shape * Math.log(x) - x - lnGamma(shape));
  if (x < shape + 1) {
    let term = 1 / shape;
    let sum = term;
    for (let step = 1; term > sum * 1e-16; step++) {
      term *= x / (shape + step);
      sum += term;
    }
    return front * sum;
  }
  let b = x + 1 - shape;
  let c = Number.MAX_VALUE;
  let d = 1 / b;
  let fraction = d;
  for (let step = 1; step < 100_000; step++) {
    const a = -step * (step - shape);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) < 1e-15) break;
  }
  return 1 - front * fraction;
}

/**
 * Stirling's series, after raising the argument to at least 10 by the recurrence; accurate to 14
 * digits.
 */
function lnGamma(argument: number): number {
  let x = argument;
  let shift = 0;
  while (x < 10) shift += Math.log(x++);
  const inverse = 1 / (x * x);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift;
}

/** The cube root of a gamma variable is nearly normal. */
function wilsonHilferty(shape: number, share: number): number {
  const ninth = 1 / (9 * shape);
  return shape * (1 - ninth + standardNormalPoint(share) * Math.sqrt(ninth)) ** 3;
}

/**
 * The point below which a standard normal variable lies with probability `share`, by Hastings'
 * 26.2.23, accurate to 4.5e-4.
 */
export function standardNormalPoint(share: number): number {
  const tail = Math.min(share, 1 - share);
  const t = Math.sqrt(-2 * Math.log(tail));
  const point = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return share < 0.5 ? -point : point;
}
