/**
 * Summarises the heartbeats of a trace: how far apart they arrive, how many are lost and in what
 * runs, what comes twice or late, and how often the sender beats. Quantiles come from a histogram
 * with logarithmic steps of 0.1 %, so that ten million gaps are neither sorted nor copied. Silences
 * that are assumed to be outages are counted separately.
 */

import type { CalibrationGoal } from "./goal.ts";
import type { HeartbeatTrace } from "./heartbeat-trace.ts";

/** Quantiles of a trace's gaps, in ms. */
export interface GapQuantiles {
  readonly meanMs: number;
  readonly deviationMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly longestMs: number;
}

/** What a trace shows about its traffic. */
export interface TrafficSummary {
  readonly nodes: number;
  /** Arrivals that proved life. */
  readonly beats: number;
  /** From the first arrival to the last. */
  readonly spanMs: number;
  /**
   * Time during which nodes were watched, added up over nodes, without outages. Rates are relative
   * to this time.
   */
  readonly watchedMs: number;
  /**
   * How much of a day's 24 hours was watched on at least one day, to the minute, in ms: 8 h for a
   * trace of one night, or of many nights. Causes that occur at other hours (a backup, the day's
   * peak) are not in it.
   */
  readonly dayCoveredMs: number;
  /** How often the senders beat, as far as the trace shows. */
  readonly intervalMs: number;
  readonly gaps: GapQuantiles;
  /** Undefined if no beat carries a sequence number. */
  readonly loss: LossSummary | undefined;
  readonly duplicates: number;
  readonly reordered: number;
  readonly restarts: number;
  readonly clockWentBack: number;
  /** Silences of `outageMs` or more. */
  readonly outages: { readonly count: number; readonly longestMs: number };
}

/** Heartbeats that never arrived; outages are not counted. */
export interface LossSummary {
  readonly lost: number;
  /** Share of the beats sent. */
  readonly lossRate: number;
  /** Runs of lost beats, single ones included. */
  readonly runs: number;
  readonly longestRun: number;
  /** How many runs have at least this many lost beats: index 1 for one beat, up to 64. */
  readonly runsOfAtLeast: readonly number[];
  /**
   * Mean length of a run: 1 / (1 - lossRate) if losses are independent, more if they come in
   * bursts.
   */
  readonly meanRun: number;
}

/** Longer runs are counted as this long. */
export const LONGEST_COUNTED_RUN = 64;

const MINUTE_MS = 60_000;
const MINUTES_OF_DAY = 1_440;
const STEPS_PER_E = 1_000;
const SHORTEST_MS = 1e-3;
const HISTOGRAM_STEPS: number = 30 * STEPS_PER_E;

/** Sums over all nodes, while they are being read. */
class Tally {
  readonly histogram: Float64Array = new Float64Array(HISTOGRAM_STEPS);
  gaps = 0;
  meanMs = 0;
  squares = 0;
  longestMs = 0;
  watchedMs = 0;
  lost = 0;
  runs = 0;
  longestRun = 0;
  readonly runsOfLength: number[] = Array.from({ length: LONGEST_COUNTED_RUN + 1 }, () => 0);
  outages = 0;
  longestOutageMs = 0;

  noteGap(gapMs: number, missing: number): void {
    this.gaps++;
    // Welford's running mean and sum of squares.
    const distance = gapMs - this.meanMs;
    this.meanMs += distance / this.gaps;
    this.squares += distance * (gapMs - this.meanMs);
    this.watchedMs += gapMs;
    if (gapMs > this.longestMs) this.longestMs = gapMs;
    const step = Math.floor(Math.log(Math.max(gapMs, SHORTEST_MS) / SHORTEST_MS) * STEPS_PER_E);
    const bounded = Math.min(step, HISTOGRAM_STEPS - 1);
    this.histogram[bounded] = (this.histogram[bounded] as number) + 1;
    if (missing === 0) return;
    this.lost += missing;
    this.runs++;
    if (missing > this.longestRun) this.longestRun = missing;
    const length = Math.min(missing, LONGEST_COUNTED_RUN);
    this.runsOfLength[length] = (this.runsOfLength[length] as number) + 1;
  }

  noteOutage(gapMs: number): void {
    this.outages++;
    this.longestOutageMs = Math.max(this.longestOutageMs, gapMs);
  }

  quantileMs(share: number): number {
    let left = Math.ceil(share * this.gaps);
    for (const [step, count] of this.histogram.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.min(SHORTEST_MS * Math.exp((step + 0.5) / STEPS_PER_E), this.longestMs);
    }
    return this.longestMs;
  }
}

/**
 * The minutes of the day that were watched; the day begins where the trace's clock is a multiple of
 * 24 h.
 */
class DayCover {
  readonly #seen: Uint8Array = new Uint8Array(MINUTES_OF_DAY);
  #lastMinute = Number.NaN;

  /** Takes the watched time of `gapMs` that ended at `arrivalMs`. */
  note(arrivalMs: number, gapMs: number): void {
    const last = Math.floor(arrivalMs / MINUTE_MS);
    const first = Math.floor((arrivalMs - gapMs) / MINUTE_MS);
    // Most gaps end in a minute that is already marked.
    if (last === this.#lastMinute && first === last) return;
    this.#lastMinute = last;
    for (let minute = Math.max(first, last - MINUTES_OF_DAY); minute <= last; minute++)
      this.#seen[((minute % MINUTES_OF_DAY) + MINUTES_OF_DAY) % MINUTES_OF_DAY] = 1;
  }

  get coveredMs(): number {
    return this.#seen.reduce((minutes, seen) => minutes + seen, 0) * MINUTE_MS;
  }
}

/** Reads all of `trace`; never throws, and returns zeros if there is no gap. */
export function summarizeTraffic(
  trace: HeartbeatTrace,
  { outageMs }: Pick<CalibrationGoal, "outageMs">,
): TrafficSummary {
  const tally = new Tally();
  const day = new DayCover();
  let numbered = false;
  const counts = { duplicates: 0, reordered: 0, restarts: 0, clockWentBack: 0 };
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const node of trace.nodes.values()) {
    numbered ||= node.numbered;
    counts.duplicates += node.duplicates;
    counts.reordered += node.reordered;
    counts.restarts += node.restarts;
    counts.clockWentBack += node.clockWentBack;
    firstMs = Math.min(firstMs, node.firstMs);
    lastMs = Math.max(lastMs, node.lastMs);
    node.forEach(({ arrivalMs, gapMs, missing }) => {
      if (Number.isNaN(gapMs)) return;
      if (gapMs >= outageMs) {
        tally.noteOutage(gapMs);
        return;
      }
      tally.noteGap(gapMs, missing);
      day.note(arrivalMs, gapMs);
    });
  }
  const { gaps, lost, runs } = tally;
  return {
    nodes: trace.nodes.size,
    beats: trace.beats,
    spanMs: trace.beats === 0 ? 0 : lastMs - firstMs,
    watchedMs: tally.watchedMs,
    // A minute that was watched in part counts as whole, but the covered time of the day is never
    // more than the watched time.
    dayCoveredMs: Math.min(day.coveredMs, tally.watchedMs),
    intervalMs: intervalOf(tally),
    gaps: {
      meanMs: tally.meanMs,
      deviationMs: gaps === 0 ? 0 : Math.sqrt(tally.squares / gaps),
      p50Ms: tally.quantileMs(0.5),
      p99Ms: tally.quantileMs(0.99),
      p999Ms: tally.quantileMs(0.999),
      longestMs: tally.longestMs,
    },
    loss: numbered
      ? {
          lost,
          lossRate: lost / Math.max(1, lost + gaps),
          runs,
          longestRun: tally.longestRun,
          runsOfAtLeast: tally.runsOfLength.map((_, length, all) =>
            all.slice(length).reduce((sum, count) => sum + count, 0),
          ),
          meanRun: runs === 0 ? 0 : lost / runs,
        }
      : undefined,
    ...counts,
    outages: { count: tally.outages, longestMs: tally.longestOutageMs },
  };
}

/**
 * Watched time divided by beats sent, which is right for any jitter. Lost beats without sequence
 * numbers make it longer by their share.
 */
function intervalOf({ gaps, lost, watchedMs }: Tally): number {
  return gaps === 0 || watchedMs <= 0 ? 0 : roundedInterval(watchedMs / (gaps + lost));
}

/**
 * Rounded to the nearest half of a power of ten if that is within 2 %, because a person once
 * configured this number.
 */
export function roundedInterval(intervalMs: number): number {
  const step = 10 ** Math.floor(Math.log10(intervalMs)) / 2;
  const round = Math.round(intervalMs / step) * step;
  if (Math.abs(round - intervalMs) <= 0.02 * intervalMs) return round;
  return Number(intervalMs.toPrecision(3));
}
