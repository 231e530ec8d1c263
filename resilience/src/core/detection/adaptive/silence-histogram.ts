/**
 * How often silences of each length occurred, remembered for hours in constant memory, without
 * assuming a distribution. Silences are counted in bins that widen with their length (of the
 * silence in deviations past the mean: log2(1 + z / 2)), so that 73 bins reach from nothing to
 * 8,000 deviations. Within a bin the curve of exceedance falls geometrically. Beyond the counts, it
 * continues as a Pareto tail whose index comes from the longest silences seen (B. M. Hill, "A
 * simple general approach to inference about the tail of a distribution", 1975), stabilised by a
 * weak prior.
 *
 * Silences are remembered by kind of traffic, and the data of a kind are blended with up to half an
 * hour of the others. Old silences fade: all counts are reduced evenly now and then. The caller
 * decides from where a silence is measured, in which unit, and what makes a kind (see
 * adaptive-context.ts).
 */
import { KNEE, PRESUMED_INDEX, type TailCurve } from "./tail-curve.ts";

/**
 * Bins for each doubling of 1 + z / 2: fine up to 2^6, where silences with one cause lie close
 * together, then coarse.
 */
const FINE_BINS = 9;
const FINE_OCTAVES = 6;
const COARSE_BINS = 3;
/** Number of bins; the last one holds everything beyond 2^12. */
const BINS = 73;
/** A kind's row: its bins, then its other values. */
const HOURS = BINS;
const RECENT_HOURS = BINS + 1;
const UNIT_MS = BINS + 2;
const AIM = BINS + 3;
const ROW = BINS + 4;
const MOST_RECENT_HOURS = 0.01;
/** The empirical curve is used down to this many silences; beyond, the tail is used. */
const TAIL_FROM = 12;
/** Number of longest silences from which the tail's index is estimated. */
const TAIL_SAMPLES = 40;
/** Weight of the prior for the tail's index, in silences. */
const PRESUMED_WEIGHT = 2;
/**
 * Maximum weight, in hours, borrowed from other kinds for a kind without data; shrinks as its own
 * data grow.
 */
const BLENDED_HOURS = 0.5;
/** Decimal orders between two points of a curve. */
const ORDERS_PER_POINT = 0.25;
/** A faded count below this counts as zero. */
const NEGLIGIBLE = 1e-3;
/**
 * No silence above an edge counts as this many, because a straight line in logarithms needs a
 * positive count.
 */
const LEAST_ABOVE = 0.5;
const HOUR_MS = 3_600_000;
const SHORTEST_GAP_MS = 1e-3;

/** The working array of a fit, with kinds blended. One for all, because no two fits overlap. */
const blended: Float64Array = new Float64Array(BINS);

export class SilenceHistogram {
  readonly kinds: number;
  readonly #store: Float32Array;
  /** Where the first kind's row begins in the shared store. */
  readonly #first: number;
  #count = 0;

  /**
   * Rows from number `row` on in a store that may be shared: one array for several histograms is
   * smaller than one each.
   */
  constructor(store: Float32Array, row: number, kinds: number) {
    this.#store = store;
    this.#first = row * ROW;
    this.kinds = kinds;
  }

  /** A store for this many rows in all. */
  static store(rows: number): Float32Array {
    return new Float32Array(rows * ROW);
  }

  /** How many silences are remembered; faded ones count in part. */
  get count(): number {
    return this.#count;
  }

  /** Hours of traffic of a kind; faded ones count in part. */
  hours(kind: number): number {
    return this.#note(kind, HOURS) + this.#note(kind, RECENT_HOURS);
  }

  /** Milliseconds per deviation when traffic was last of that kind. */
  unitMs(kind: number): number {
    return this.#note(kind, UNIT_MS);
  }

  /** Mistakes an hour to aim at while traffic is of that kind; 0 if not set. */
  aim(kind: number): number {
    return this.#note(kind, AIM);
  }

  setAim(kind: number, perHour: number): void {
    this.#store[this.#first + kind * ROW + AIM] = perHour;
  }

  #note(kind: number, what: number): number {
    return this.#store[this.#first + kind * ROW + what] as number;
  }

  /** Takes a silence of `z` deviations of `unitMs` past the mean. */
  add(kind: number, z: number, unitMs: number, silenceMs: number): void {
    const store = this.#store;
    const row = this.#first + kind * ROW;
    const at = row + binOf(z);
    store[at] = (store[at] as number) + 1;
    this.#count++;
    store[row + UNIT_MS] = unitMs;
    // Kept in two parts, because single precision loses small amounts that are added to large ones.
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

  /** The z that `rank` silences of a kind exceed. */
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
   * Computes the curve of exceedance of a kind, blended with a little of the others, or of all
   * kinds equally if `kind` is undefined. Returns how many silences an hour has. `gapMs`: a typical
   * silence, used while there are hardly any.
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

/** Computes the curve of `total` silences in `blended`. */
function describe(curve: TailCurve, total: number): void {
  const fitted = Math.min(TAIL_SAMPLES, total / 3);
  const anchored = Math.min(TAIL_FROM, total / 3);
  let highest = BINS - 1;
  while (highest > 0 && blended[highest] === 0) highest--;
  let above = 0;
  let bin = highest;
  for (; bin > 0 && above + (blended[bin] as number) < fitted; bin--) above += blended[bin] as number;
  // Hill: the mean of log(x / threshold) over the longest silences.
  const threshold = bin === 0 ? 1 : placeAbove(bin, above, blended[bin] as number, fitted);
  const from = octavesAt(threshold);
  // Silences in the threshold's own bin are taken as spread evenly between the threshold and the
  // bin's upper edge.
  let excess = (Math.max(0, fitted - above) * (octavesAt(bin + 1) - from)) / 2;
  for (let place = highest; place > bin; place--)
    excess += (blended[place] as number) * (octavesAt(place + 0.5) - from);
  excess *= Math.LN2;
  const index = (excess + PRESUMED_WEIGHT * PRESUMED_INDEX) / (fitted + PRESUMED_WEIGHT);
  trace(curve, index, anchored, highest, total);
}

/** Walks down from the longest silence and adds a point at each quarter of an order. */
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
 * The place inside `bin`, which has `count`, that `wanted` silences exceed, if `above` silences
 * exceed the bin: a straight line in logarithms.
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

/** Longer silences are not distinguished. */
export const LONGEST_Z: number = zAt(BINS - 1);
