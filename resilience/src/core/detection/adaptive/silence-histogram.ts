/**
 * How often silences of each length have been, remembered for hours in constant room, without
 * assuming a distribution. Silences are counted in bins that widen with their length (of the
 * silence in deviations past the mean: log2(1 + z / 2)), so that 73 bins reach from nothing to
 * 8,000 deviations; within a bin the curve of exceedance falls geometrically. Where counts run out
 * it is carried on as a Pareto tail whose index comes from the longest silences seen (B. M. Hill,
 * "A simple general approach to inference about the tail of a distribution", 1975), held together
 * by a weak presumption.
 *
 * Silences are remembered by kind of traffic, and what is known of a kind is blended with up to
 * half an hour of the others. Old silences fade: all counts are thinned evenly now and then. What a
 * silence is measured from, in which unit, and what makes a kind is the caller's business (see
 * adaptive-context.ts).
 */
import { KNEE, PRESUMED_INDEX, type TailCurve } from "./tail-curve.ts";

/**
 * Bins for each doubling of 1 + z / 2: fine up to 2^6, where silences of one cause lie close
 * together, then coarse.
 */
const FINE_BINS = 9;
const FINE_OCTAVES = 6;
const COARSE_BINS = 3;
/** How many there are: the last one takes in everything beyond 2^12. */
const BINS = 73;
/** A kind's row: its bins, then what else is known of it. */
const HOURS = BINS;
const RECENT_HOURS = BINS + 1;
const UNIT_MS = BINS + 2;
const AIM = BINS + 3;
const ROW = BINS + 4;
const MOST_RECENT_HOURS = 0.01;
/** The empirical curve is believed down to this many silences; beyond, the tail speaks. */
const TAIL_FROM = 12;
/** The longest silences that the tail's index is estimated from. */
const TAIL_SAMPLES = 40;
/** How many silences the presumption about the tail's index is worth. */
const PRESUMED_WEIGHT = 2;
/**
 * So many hours of the other kinds are mixed into one that has not been heard yet, fewer the more
 * is known of it.
 */
const BLENDED_HOURS = 0.5;
/** Decimal orders between two points of a curve. */
const ORDERS_PER_POINT = 0.25;
/** A faded count below this is none. */
const NEGLIGIBLE = 1e-3;
/** Nothing above an edge counts as this many silences: a straight line in logarithms needs some. */
const LEAST_ABOVE = 0.5;
const HOUR_MS = 3_600_000;
const SHORTEST_GAP_MS = 1e-3;

/** What a fit works on: kinds blended. One for all, because no fit begins before another ends. */
const blended: Float64Array = new Float64Array(BINS);

export class SilenceHistogram {
  readonly kinds: number;
  readonly #store: Float32Array;
  /** Where the first kind's row begins in the shared store. */
  readonly #first: number;
  #count = 0;

  /**
   * Rows from number `row` on in a store that may be shared: one array for several is smaller than
   * one each.
   */
  constructor(store: Float32Array, row: number, kinds: number) {
    this.#store = store;
    this.#first = row * ROW;
    this.kinds = kinds;
  }

  /** Room for so many kinds in all. */
  static store(rows: number): Float32Array {
    return new Float32Array(rows * ROW);
  }

  /** How many silences are remembered, the faded ones in part. */
  get count(): number {
    return this.#count;
  }

  /** Hours of traffic of a kind, the faded ones in part. */
  hours(kind: number): number {
    return this.#note(kind, HOURS) + this.#note(kind, RECENT_HOURS);
  }

  /** Milliseconds a deviation when traffic was last of that kind. */
  unitMs(kind: number): number {
    return this.#note(kind, UNIT_MS);
  }

  /** Mistakes an hour to aim at while traffic is of that kind; 0 where none has been set. */
  aim(kind: number): number {
    return this.#note(kind, AIM);
  }

  setAim(kind: number, perHour: number): void {
    this.#store[this.#first + kind * ROW + AIM] = perHour;
  }

  #note(kind: number, what: number): number {
    return this.#store[this.#first + kind * ROW + what] as number;
  }

  /** Takes in a silence of `z` deviations of `unitMs` past the mean. */
  add(kind: number, z: number, unitMs: number, silenceMs: number): void {
    const store = this.#store;
    const row = this.#first + kind * ROW;
    const at = row + binOf(z);
    store[at] = (store[at] as number) + 1;
    this.#count++;
    store[row + UNIT_MS] = unitMs;
    // In two parts, because single precision loses what is little when it is added to much.
    const recent = (store[row + RECENT_HOURS] as number) + silenceMs / HOUR_MS;
    store[row + RECENT_HOURS] = recent < MOST_RECENT_HOURS ? recent : 0;
    if (recent >= MOST_RECENT_HOURS) store[row + HOURS] = (store[row + HOURS] as number) + recent;
  }

  /** Multiplies all counts by `share`. */
  fade(share: number): void {
    const store = this.#store;
    this.#count = 0;
    for (let kind = 0; kind < this.kinds; kind++) {
      const row = this.#first + kind * ROW;
      for (let at = row; at < row + BINS; at++) {
        const left = (store[at] as number) * share;
        store[at] = left < NEGLIGIBLE ? 0 : left;
        this.#count += store[at] as number;
      }
      store[row + HOURS] = (store[row + HOURS] as number) * share;
    }
  }

  /** The z that `rank` silences of a kind lie above. */
  longest(kind: number, rank: number): number {
    const row = this.#first + kind * ROW;
    let above = 0;
    for (let bin = BINS - 1; bin > 0; bin--) {
      const count = this.#store[row + bin] as number;
      if (above + count >= rank) return zAt(placeAbove(bin, above, count, rank));
      above += count;
    }
    return 0;
  }

  /**
   * Describes the curve of exceedance of a kind, blended with a little of the others, or of all
   * kinds alike where `kind` is undefined. Answers how many silences an hour has; `gapMs` is a
   * typical one, for as long as there are hardly any.
   */
  fit(curve: TailCurve, kind: number | undefined, gapMs: number): number {
    let ownHours = 0;
    let otherHours = 0;
    for (let other = 0; other < this.kinds; other++) {
      if (kind === undefined || other === kind) ownHours += this.hours(other);
      else otherHours += this.hours(other);
    }
    const mixedHours = BLENDED_HOURS ** 2 / (BLENDED_HOURS + ownHours);
    const share = otherHours > mixedHours ? mixedHours / otherHours : 1;
    blended.fill(0);
    let total = 0;
    for (let other = 0; other < this.kinds; other++) {
      if (this.hours(other) === 0) continue;
      const weight = kind === undefined || other === kind ? 1 : share;
      const row = this.#first + other * ROW;
      for (let bin = 0; bin < BINS; bin++) {
        const count = weight * (this.#store[row + bin] as number);
        blended[bin] = (blended[bin] as number) + count;
        total += count;
      }
    }
    describe(curve, total);
    const perHour = (total + 1) / (ownHours + share * otherHours + Math.max(gapMs, SHORTEST_GAP_MS) / HOUR_MS);
    curve.restrain(Math.log10(perHour));
    return perHour;
  }
}

/** Lays the curve of `total` silences in `blended`. */
function describe(curve: TailCurve, total: number): void {
  const fitted = Math.min(TAIL_SAMPLES, total / 3);
  const anchored = Math.min(TAIL_FROM, total / 3);
  let highest = BINS - 1;
  while (highest > 0 && blended[highest] === 0) highest--;
  let above = 0;
  let bin = highest;
  for (; bin > 0 && above + (blended[bin] as number) < fitted; bin--) above += blended[bin] as number;
  // Hill: the mean of log(x / x at the threshold) over the longest silences.
  const threshold = bin === 0 ? 1 : placeAbove(bin, above, blended[bin] as number, fitted);
  const from = octavesAt(threshold);
  // Those in the threshold's own bin lie evenly between it and the bin's upper edge.
  let excess = (Math.max(0, fitted - above) * (octavesAt(bin + 1) - from)) / 2;
  for (let place = highest; place > bin; place--)
    excess += (blended[place] as number) * (octavesAt(place + 0.5) - from);
  excess *= Math.LN2;
  const index = (excess + PRESUMED_WEIGHT * PRESUMED_INDEX) / (fitted + PRESUMED_WEIGHT);
  trace(curve, index, anchored, highest, total);
}

/** Walks down from the longest silence and notes where each quarter of an order is passed. */
function trace(curve: TailCurve, index: number, anchored: number, highest: number, total: number): void {
  curve.begin(index, highest === 0 ? Number.POSITIVE_INFINITY : zAt(highest + 1));
  let above = 0;
  let wanted = anchored;
  for (let bin = highest; bin > 0; bin--) {
    const count = blended[bin] as number;
    while (above + count >= wanted && count > 0) {
      curve.point(zAt(placeAbove(bin, above, count, wanted)), -Math.log10(wanted / total));
      wanted *= 10 ** ORDERS_PER_POINT;
    }
    above += count;
  }
  curve.end(above > 0 && total > 0 ? -Math.log10(Math.min(above / total, 0.98)) : Math.log10(2));
}

/**
 * The place inside `bin`, which has `count`, that `wanted` silences lie above, where `above` lie
 * above the bin: a straight line in logarithms.
 */
function placeAbove(bin: number, above: number, count: number, wanted: number): number {
  const least = Math.max(above, LEAST_ABOVE);
  const most = above + count;
  if (wanted <= least || most <= least) return bin + 1;
  return bin + 1 - Math.min(1, Math.log(wanted / least) / Math.log(most / least));
}

function binOf(z: number): number {
  if (!(z > 0)) return 0;
  const octaves = Math.log2(1 + z / KNEE);
  const fine = Math.min(octaves, FINE_OCTAVES);
  return Math.min(BINS - 1, 1 + Math.floor(fine * FINE_BINS + (octaves - fine) * COARSE_BINS));
}

/** Doublings of 1 + z / 2 at a place counted in bins; bin 1 begins at z = 0. */
function octavesAt(place: number): number {
  const fine = Math.min(place - 1, FINE_OCTAVES * FINE_BINS);
  return fine / FINE_BINS + (place - 1 - fine) / COARSE_BINS;
}

function zAt(place: number): number {
  return KNEE * (2 ** octavesAt(place) - 1);
}

/** Longer silences are not told apart. */
export const LONGEST_Z: number = zAt(BINS - 1);
