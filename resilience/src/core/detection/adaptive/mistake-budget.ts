/**
 * Distributes the mistakes of an average hour over kinds of traffic. Equal shares would be simple
 * and wasteful. For silences with a heavy tail, one mistake less costs a long wait; without a tail,
 * it costs almost nothing. So mistakes go where each shortens the wait most: the mean wait is as
 * short as the total allows (one price of a mistake for all kinds, found by bisection; H. Everett,
 * "Generalized Lagrange multiplier method", 1963).
 *
 * The total is slightly less than the promised one mistake an hour, because a quantile of a few
 * dozen silences is too short as often as too long. It is slightly more only if a few more mistakes
 * shorten the wait very much: if traffic jumps once an hour, no useful deadline can foresee the
 * jump.
 */
import type { SilenceHistogram } from "./silence-histogram.ts";
import { KNEE, type TailCurve } from "./tail-curve.ts";

/** Mistakes an hour that level 8 aims at, and the maximum where that is worth it. */
const AIM = 0.85;
const MOST = 1.35;
/** It is worth it if the logarithm of the wait falls by this on average. */
const WORTH = 0.5;
/** The choices of mistakes an hour for a kind: the total times these. */
const CHOICES = 19;
const LEAST_CHOICE = 1 / 32;
const CHOICE_RATIO = Math.SQRT2;
const PRICE_STEPS = 24;
const MOST_KINDS = 8;

/** The wait in deviations for each kind and choice, and each kind's share of time. */
const waits: Float64Array = new Float64Array(MOST_KINDS * CHOICES);
const shares: Float64Array = new Float64Array(MOST_KINDS);
const chosen: Int32Array = new Int32Array(MOST_KINDS);

/** Sets the aim of each kind. Returns the wait in deviations at the same total without kinds. */
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

/** Mistakes an hour to aim at if there is only one kind. */
export function undivided(curve: TailCurve, perHour: number): number {
  const wait = (total: number): number => curve.zAtOrders(ordersOf(perHour, total)) + KNEE;
  return Math.log(wait(AIM) / wait(MOST)) > WORTH ? MOST : AIM;
}

function ordersOf(perHour: number, mistakesPerHour: number): number {
  return Math.max(1, Math.log10(perHour / mistakesPerHour));
}

/** Computes the wait for each choice of each kind. */
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
 * Finds the price at which all kinds together make `total` mistakes, and sets the aims. Returns the
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
 * Chooses for each kind, if a mistake costs `price` milliseconds of waiting. Returns the mistakes
 * an hour.
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
