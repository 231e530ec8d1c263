/**
 * How the mistakes of an average hour are shared out among kinds of traffic. An equal share each
 * would be simple and wasteful: where silences have a heavy tail a mistake fewer costs a long wait,
 * where they have none it is almost free. So they are spent where each buys most: the mean wait is
 * made as short as the total allows (one price of a mistake for all kinds, found by bisection; H.
 * Everett, "Generalized Lagrange multiplier method", 1963).
 *
 * The total is a little less than the one mistake an hour that is promised, because a quantile of a
 * few dozen silences is too short as often as too long. Only where some more shorten the wait out
 * of all proportion it is a little more: when traffic jumps once an hour, no deadline that is worth
 * having foresees the jump.
 */
import type { SilenceHistogram } from "./silence-histogram.ts";
import { KNEE, type TailCurve } from "./tail-curve.ts";

/** Mistakes an hour that level 8 aims at, and what it allows where that pays. */
const AIM = 0.85;
const MOST = 1.35;
/** It pays where the wait's logarithm falls by this on average. */
const WORTH = 0.5;
/** Mistakes an hour that a kind can be given: the total times these. */
const CHOICES = 19;
const LEAST_CHOICE = 1 / 32;
const CHOICE_RATIO = Math.SQRT2;
const PRICE_STEPS = 24;
const MOST_KINDS = 8;

/** For each kind and choice the wait in deviations; for each kind its share of time. */
const waits: Float64Array = new Float64Array(MOST_KINDS * CHOICES);
const shares: Float64Array = new Float64Array(MOST_KINDS);
const chosen: Int32Array = new Int32Array(MOST_KINDS);

/**
 * Sets the aim of each kind; answers the wait in deviations at the same total without any kinds.
 */
export function allot(histogram: SilenceHistogram, curve: TailCurve, gapMs: number): number {
  let hours = 0;
  let heard = 0;
  for (let kind = 0; kind < histogram.kinds; kind++) {
    hours += histogram.hours(kind);
    if (histogram.hours(kind) > 0) heard++;
  }
  const perHour = histogram.fit(curve, undefined, gapMs);
  const evenAt = (total: number): number => curve.zAtOrders(ordersOf(perHour, total));
  const [even, evenMost] = [evenAt(AIM), evenAt(MOST)];
  if (heard < 2) {
    for (let kind = 0; kind < histogram.kinds; kind++) histogram.setAim(kind, 0);
    return even;
  }
  look(histogram, curve, gapMs, hours);
  const logWait = spend(histogram, AIM);
  const pays = logWait - spend(histogram, MOST) > WORTH;
  if (!pays) spend(histogram, AIM);
  return pays ? evenMost : even;
}

/** Mistakes an hour to aim at where there is nothing to share out. */
export function undivided(curve: TailCurve, perHour: number): number {
  const wait = (total: number): number => curve.zAtOrders(ordersOf(perHour, total)) + KNEE;
  return Math.log(wait(AIM) / wait(MOST)) > WORTH ? MOST : AIM;
}

function ordersOf(perHour: number, mistakesPerHour: number): number {
  return Math.max(1, Math.log10(perHour / mistakesPerHour));
}

/** Notes what each choice would mean for each kind. */
function look(histogram: SilenceHistogram, curve: TailCurve, gapMs: number, hours: number): void {
  for (let kind = 0; kind < histogram.kinds; kind++) {
    shares[kind] = histogram.hours(kind) / hours;
    if (shares[kind] === 0) continue;
    const perHour = histogram.fit(curve, kind, gapMs);
    for (let choice = 0; choice < CHOICES; choice++)
      waits[kind * CHOICES + choice] = curve.zAtOrders(ordersOf(perHour, rate(choice)));
  }
}

function rate(choice: number): number {
  return AIM * LEAST_CHOICE * CHOICE_RATIO ** choice;
}

/**
 * Finds the price at which all kinds together make `total` mistakes, sets the aims, answers the
 * mean logarithm of the wait.
 */
function spend(histogram: SilenceHistogram, total: number): number {
  let [low, high] = [1e-6, 1e9];
  for (let step = 0; step < PRICE_STEPS; step++) {
    const price = Math.sqrt(low * high);
    if (choose(histogram, price) > total) low = price;
    else high = price;
  }
  const spent = choose(histogram, high);
  let logWait = 0;
  for (let kind = 0; kind < histogram.kinds; kind++) {
    const choice = chosen[kind] as number;
    histogram.setAim(kind, shares[kind] === 0 ? total : (rate(choice) * total) / Math.max(spent, total / 2));
    if (shares[kind] !== 0)
      logWait += (shares[kind] as number) * Math.log((waits[kind * CHOICES + choice] as number) + KNEE);
  }
  return logWait;
}

/**
 * What each kind chooses where a mistake costs `price` milliseconds of waiting; answers the
 * mistakes an hour.
 */
function choose(histogram: SilenceHistogram, price: number): number {
  let spent = 0;
  for (let kind = 0; kind < histogram.kinds; kind++) {
    if (shares[kind] === 0) continue;
    let least = Number.POSITIVE_INFINITY;
    chosen[kind] = 0;
    for (let choice = 0; choice < CHOICES; choice++) {
      const cost = histogram.unitMs(kind) * (waits[kind * CHOICES + choice] as number) + price * rate(choice);
      if (cost >= least) continue;
      least = cost;
      chosen[kind] = choice;
    }
    spent += (shares[kind] as number) * rate(chosen[kind] as number);
  }
  return spent;
}
