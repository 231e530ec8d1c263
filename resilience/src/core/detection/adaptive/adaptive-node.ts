/**
 * What the adaptive model knows about one node. It has four contexts (since the last arrival, and
 * against the sender's schedule, each slow and quick), and uses the one with the shortest deadline
 * at an equal promise. Four rules cover the unusual:
 * - After a mistake the deadlines are stretched for a few beats, because if one beat was late, the
 *   next may be late too (so a step up costs one mistake, not ten).
 * - A silence several times the deadline is set apart as an outage, and is remembered only when the
 *   third one comes within the memory.
 * - In the first beats, deadlines are limited to a few typical gaps.
 * - Beats that a path or a queue held back arrive together when it releases them: they prove life,
 *   and nothing else is learned from them.
 *
 * It is one file because every beat touches all of this in one order, and every query reads what
 * the last beat prepared.
 */

import { BeatOrder } from "../beat-order.ts";
import { type AdaptiveContext, ArrivalContext } from "./adaptive-context.ts";
import { HOURLY_LEVEL, levelOf, ordersOf, RATE_LEVEL } from "./level-scale.ts";
import { ScheduleContext } from "./schedule-context.ts";
import { SilenceBounds } from "./silence-bounds.ts";
import { SilenceHistogram } from "./silence-histogram.ts";
import { TailCurve } from "./tail-curve.ts";
import { isLong, UntoldCeiling } from "./untold-ceiling.ts";

/**
 * Beats over which the contexts learn mean and deviation. Quick is the minimum from which a
 * deviation can be learned: the rest of a ten times larger one is below it after 2 ln 10 times as
 * many beats. It was measured against 20, which waits a sixth longer 64 beats after traffic has
 * grown calm, and makes up to five times the mistakes if one beat in ten comes by a slower path.
 */
const QUICK_BEATS = 12;
const SLOW_BEATS = 4096;
/**
 * The quick contexts, whose deadlines fluctuate, are used only if they are shorter by this factor;
 * otherwise chance would decide.
 */
const STEADY_SHARE = 0.9;
/** Kinds of traffic that the slow contexts distinguish. */
const KINDS = 6;
/**
 * Deadlines stay stretched after a mistake for this many beats, and for the time in which this many
 * usually come.
 */
const CAUTION_BEATS = 32;
/**
 * After an overdue silence, a gap below this share of the mean lies between two beats that were
 * held back and released together.
 */
const RELEASED_SHARE = 1 / 4;
/**
 * They come within this share of the silence. Beats that waited for the observer come within this
 * time after its first beat.
 */
const RELEASED_WITHIN = 1 / 4;
const RELEASED_AT_FIRST_MS = 1_000;
/**
 * A silence this many deadlines long is an outage until there are three. The first and second
 * stretch are at most these.
 */
const OUTAGE_DEADLINES = 4;
const FIRST_STRETCH = 3;
const SECOND_STRETCH = 2.5;
const OUTAGES_SET_APART = 2;
const SLOWER_FOR_GOOD = 3;
/**
 * For this many beats, a node's level 8 is at most `EARLY_GAPS` typical gaps away, because there is
 * not enough data yet.
 */
const EARLY_BEATS = 16;
const EARLY_GAPS = 5.5;
/** Samples after which a schedule may be used. */
const SCHEDULE_SAMPLES = 16;
/**
 * Beats between two fits, once many have been heard, and between two choices of the context to use.
 */
const FIT_EVERY = 256;
const CHOOSE_EVERY = 32;
const MEMORY_MS = 16 * 3_600_000;
const FADES_PER_MEMORY = 32;
const SHORTEST_MS = 1e-3;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Indices of a node's view: last arrival; from there to z = 0; a unit of z; stretch; orders at
 * level 8; level at z = 0; the cap's silence for the level of ten mistakes an hour, from which on
 * it counts, and for level 8. Eight numbers, because V8 keeps no more inside an array object.
 */
const LAST = 0;
const AHEAD = 1;
const SCALE = 2;
const STRETCH = 3;
const HOURLY_ORDERS = 4;
const FLOOR_LEVEL = 5;
const CAP_FROM = 6;
const CAP = 7;

/** What all nodes of a detector share. */
export interface AdaptiveSettings {
  readonly expectedIntervalMs: number;
  /** True if that was configured, and is no guess. */
  readonly intervalTold: boolean;
  readonly minSamples: number;
  readonly leastScaleMs: number;
  readonly leastSilenceMs: number;
  readonly ceilingMs: number;
  /**
   * True if that was configured; if not, it is raised for senders that are slower than it allows.
   */
  readonly ceilingTold: boolean;
}

export class AdaptiveNode {
  readonly order: BeatOrder;
  #settings: AdaptiveSettings;
  readonly #store: Float32Array = SilenceHistogram.store(KINDS + 2);
  readonly #bounds: SilenceBounds;
  readonly #slow: ArrivalContext = new ArrivalContext(new SilenceHistogram(this.#store, 0, KINDS), SLOW_BEATS);
  readonly #quick: ArrivalContext = new ArrivalContext(new SilenceHistogram(this.#store, KINDS, 1), QUICK_BEATS);
  readonly #arrivals: readonly ArrivalContext[] = [this.#slow, this.#quick];
  /** Created when the first numbered beat follows another. */
  #schedules: readonly ScheduleContext[] = [];
  #sequence: number | undefined;
  #asked: AdaptiveContext = this.#quick;
  readonly #curve: TailCurve = new TailCurve();
  /**
   * What a query needs, stored together: queries for many nodes are limited by memory, not by
   * arithmetic.
   */
  readonly #view: Float64Array = new Float64Array([0, 0, 1, 1, 1, 0, NEVER, NEVER]);
  #cautionMs = 0;
  #cautionBeats = 0;
  #cautionUntilMs = 0;
  /**
   * Until `#releasedUntilMs`, gaps below `#releasedGapMs` lie between beats that were held back.
   */
  #releasedGapMs: number;
  #releasedUntilMs: number;
  /**
   * True if the schedules have lost their place since then, because the silence was not learned
   * from.
   */
  #placeLost = true;
  #mistakesInRow = 0;
  #rowMs = 0;
  readonly #setApartMs: number[] = [];
  #setApartAtMs = 0;
  #beats = 0;
  /**
   * Gaps of the first beats, as a count and the sum of their logarithms: one odd gap hardly moves
   * the geometric mean.
   */
  #gaps = 0;
  #gapLogarithms = 0;
  #ceilingMs: number;
  #untoldCeiling: UntoldCeiling | undefined;
  #nextFit = 1;
  #nextChoice = 1;
  #fadedAtMs: number;

  constructor(
    settings: AdaptiveSettings,
    sequence: number | undefined,
    nowMs: number,
    order: BeatOrder = new BeatOrder(),
  ) {
    this.#settings = settings;
    this.order = order;
    this.#ceilingMs = settings.ceilingMs;
    this.#bounds = new SilenceBounds(new SilenceHistogram(this.#store, KINDS + 1, 1));
    this.#sequence = sequence;
    this.#view[LAST] = nowMs;
    this.#fadedAtMs = nowMs;
    this.#releasedGapMs = settings.intervalTold ? RELEASED_SHARE * settings.expectedIntervalMs : settings.leastScaleMs;
    this.#releasedUntilMs = nowMs + RELEASED_AT_FIRST_MS;
    for (const context of this.#arrivals) context.presume(settings.expectedIntervalMs, settings.leastScaleMs);
    this.#begin(nowMs);
    this.#fit();
    this.#look();
  }

  /**
   * Follows `settings` from now on, with everything learned. A ceiling that was raised for a slow
   * sender, because none was configured, stays if none is configured still.
   */
  useSettings(settings: AdaptiveSettings): void {
    this.#settings = settings;
    if (settings.ceilingTold || this.#untoldCeiling === undefined) {
      this.#ceilingMs = settings.ceilingMs;
      this.#untoldCeiling = undefined;
    }
    this.#fit();
    this.#look();
  }

  get lastMs(): number {
    return this.#view[LAST] as number;
  }

  /** Silence after which every level is reached. */
  get ceilingMs(): number {
    return this.#ceilingMs;
  }

  /** The level of a silence that lasts until `nowMs`, without ceiling and floor. */
  level(nowMs: number): number {
    const silenceMs = Math.max(0, nowMs - (this.#view[LAST] as number));
    const level = this.#presentLevel(silenceMs);
    if (level <= RATE_LEVEL || this.#beats < EARLY_BEATS) return level;
    return Math.min(
      level,
      this.#bounds.mostLevel(silenceMs, (partMs) => this.#proportionalLevel(partMs)),
    );
  }

  /** The silence that reaches `level`, at most the ceiling. */
  silenceMs(level: number): number {
    const presentMs = this.#presentMs(level);
    if (level <= RATE_LEVEL || this.#beats < EARLY_BEATS) return Math.min(presentMs, this.#ceilingMs);
    const watchedMs = this.#bounds.leastMs(level, this.#proportionalMs(level, presentMs));
    return Math.min(Math.max(presentMs, watchedMs), this.#ceilingMs);
  }

  /**
   * What the bounds may lengthen: at most in proportion to level 8, because the tail of few
   * silences is too long already.
   */
  #proportionalMs(level: number, presentMs: number): number {
    if (level <= HOURLY_LEVEL) return presentMs;
    return Math.min(presentMs, (level / HOURLY_LEVEL) * this.#presentMs(HOURLY_LEVEL));
  }

  /** The inverse of {@link #proportionalMs}. */
  #proportionalLevel(silenceMs: number): number {
    const level = this.#presentLevel(silenceMs);
    const hourlyMs = this.#presentMs(HOURLY_LEVEL);
    return silenceMs < hourlyMs ? level : Math.max(level, (HOURLY_LEVEL * silenceMs) / hourlyMs);
  }

  /** The level of a silence by the present traffic alone, without the hours watched. */
  #presentLevel(silenceMs: number): number {
    const view = this.#view;
    const placeMs = silenceMs / (view[STRETCH] as number);
    const aheadMs = view[AHEAD] as number;
    let level =
      placeMs < aheadMs
        ? ((view[FLOOR_LEVEL] as number) * placeMs) / aheadMs
        : levelOf(this.#curve.ordersAt((placeMs - aheadMs) / (view[SCALE] as number)), view[HOURLY_ORDERS] as number);
    if (silenceMs >= (view[CAP_FROM] as number))
      level = Math.max(level, SilenceBounds.level(silenceMs, view[CAP_FROM] as number, view[CAP] as number));
    return Math.min(level, (HOURLY_LEVEL * silenceMs) / this.#settings.leastSilenceMs);
  }

  /** The inverse of {@link #presentLevel}. */
  #presentMs(level: number): number {
    const view = this.#view;
    const floorLevel = view[FLOOR_LEVEL] as number;
    let placeMs = view[AHEAD] as number;
    if (level < floorLevel) placeMs = Math.max(placeMs, 0) * (Math.max(level, 0) / floorLevel);
    else placeMs += (view[SCALE] as number) * this.#curve.zAtOrders(ordersOf(level, view[HOURLY_ORDERS] as number));
    const capMs = SilenceBounds.silenceMs(level, view[CAP_FROM] as number, view[CAP] as number);
    const silenceMs = Math.min(placeMs * (view[STRETCH] as number), capMs);
    const leastMs = (this.#settings.leastSilenceMs * level) / HOURLY_LEVEL;
    return Math.max(silenceMs, leastMs, 0);
  }

  /** The mean of the gaps, the deviation in use, and its number of samples. */
  estimate(): { location: number; scale: number; samples: number } {
    return { location: this.#quick.meanMs, scale: this.#asked.scaleMs, samples: this.#quick.samples };
  }

  /**
   * Takes a beat that proves life. `adjacent`: no beat in between was lost. `restart`: its sender
   * began again.
   */
  hear(sequence: number | undefined, adjacent: boolean, restart: boolean, nowMs: number): void {
    const silenceMs = nowMs - this.lastMs;
    if (!restart && this.#isReleased(silenceMs, nowMs)) return this.#bear(sequence, nowMs);
    const deadlineMs = this.silenceMs(HOURLY_LEVEL);
    if (silenceMs >= deadlineMs) this.#expectReleased(silenceMs, nowMs);
    const steps = sequence === undefined || this.#sequence === undefined ? 0 : sequence - this.#sequence;
    this.#view[LAST] = nowMs;
    this.#sequence = sequence;
    this.#beats++;
    if (adjacent) this.#fitCeiling(silenceMs);
    const usable = !restart && silenceMs >= 0 && silenceMs < this.#ceilingMs;
    if (usable) this.#learn(silenceMs, deadlineMs, adjacent, nowMs);
    if (silenceMs >= this.#ceilingMs && !restart) for (const context of this.#schedules) context.resume(nowMs);
    else this.#learnSchedule(usable ? steps : 0, nowMs);
    this.#compare();
    this.#begin(nowMs);
    if (this.#beats >= this.#nextFit) this.#fit();
    else if (this.#beats >= this.#nextChoice || this.#asked.aside) this.#choose(false);
    this.#look();
    if (nowMs - this.#fadedAtMs > MEMORY_MS / FADES_PER_MEMORY) this.#fade(nowMs);
  }

  /** Was the beat that ends this silence held back together with the one before? */
  #isReleased(silenceMs: number, nowMs: number): boolean {
    if (nowMs >= this.#releasedUntilMs) return false;
    if (silenceMs >= 0 && silenceMs < this.#releasedGapMs) return true;
    this.#releasedUntilMs = Number.NEGATIVE_INFINITY;
    return false;
  }

  /** A silence was overdue: the beats of that time may arrive together now. */
  #expectReleased(silenceMs: number, nowMs: number): void {
    this.#releasedGapMs = RELEASED_SHARE * this.#quick.meanMs;
    this.#releasedUntilMs = nowMs + RELEASED_WITHIN * silenceMs;
    this.#placeLost = silenceMs >= this.#ceilingMs;
  }

  /**
   * A beat that proves life and nothing else. The schedules see its number with the next beat that
   * was not held back.
   */
  #bear(sequence: number | undefined, nowMs: number): void {
    this.#view[LAST] = nowMs;
    if (this.#placeLost) {
      this.#sequence = sequence;
      for (const context of this.#schedules) context.resume(nowMs);
    }
    this.#begin(nowMs);
    this.#look();
  }

  /** Raises a ceiling that was not configured, for a sender that is slower than it allows. */
  #fitCeiling(gapMs: number): void {
    const { ceilingTold, ceilingMs } = this.#settings;
    if (ceilingTold || (this.#untoldCeiling === undefined && !isLong(gapMs, ceilingMs))) return;
    this.#untoldCeiling ??= new UntoldCeiling(ceilingMs);
    this.#ceilingMs = this.#untoldCeiling.after(gapMs);
  }

  #learn(silenceMs: number, deadlineMs: number, adjacent: boolean, nowMs: number): void {
    const mistaken = silenceMs >= deadlineMs;
    const excused = !mistaken && this.#cautionBeats > 0;
    const outage = silenceMs >= OUTAGE_DEADLINES * deadlineMs;
    const presuming = this.#quick.samples < this.#settings.minSamples;
    if (!presuming && (!outage || this.#recurs(silenceMs, nowMs))) {
      this.#bounds.remember(silenceMs, this.#quick.meanMs, this.#settings.leastScaleMs);
      for (const context of this.#arrivals) context.judge(nowMs, silenceMs, excused);
      for (const context of this.#schedules)
        if (context.samples > SCHEDULE_SAMPLES) context.judge(nowMs, silenceMs, excused);
    }
    this.#noteMistake(mistaken, silenceMs, deadlineMs, adjacent, nowMs);
    if (!adjacent || outage) return;
    if (this.#beats < EARLY_BEATS && silenceMs > 0) {
      this.#gaps++;
      this.#gapLogarithms += Math.log(silenceMs);
    }
    for (const context of this.#arrivals) context.learn(silenceMs, this.#settings.leastScaleMs);
    if (this.#quick.samples >= this.#settings.minSamples) return;
    const presumedMs = Math.max(this.#settings.expectedIntervalMs, this.#quick.meanMs);
    for (const context of this.#arrivals) context.scaleMs = Math.max(context.scaleMs, presumedMs / 2);
  }

  /** Is this outage the third within the memory? Then the earlier ones are remembered as well. */
  #recurs(silenceMs: number, nowMs: number): boolean {
    const apart = this.#setApartMs;
    if (nowMs - this.#setApartAtMs > MEMORY_MS) apart.length = 0;
    if (apart.length < OUTAGES_SET_APART) {
      if (apart.length === 0) this.#setApartAtMs = nowMs;
      apart.push(silenceMs);
      return false;
    }
    for (const pastMs of apart) this.#bounds.remember(pastMs, this.#quick.meanMs, this.#settings.leastScaleMs);
    for (const context of [...this.#arrivals, ...this.#schedules]) {
      for (const pastMs of apart) context.remember((pastMs - this.#quick.meanMs) / context.scaleMs, pastMs);
    }
    apart.length = 0;
    return true;
  }

  #noteMistake(mistaken: boolean, silenceMs: number, deadlineMs: number, adjacent: boolean, nowMs: number): void {
    const recent = this.#cautionBeats > 0;
    if (recent) this.#cautionBeats = Math.max(this.#cautionBeats - 1, nowMs < this.#cautionUntilMs ? 1 : 0);
    if (recent && this.#cautionBeats === 0) this.#nextFit = this.#beats;
    if (!mistaken) {
      this.#mistakesInRow = 0;
      return;
    }
    this.#cautionMs = recent ? SECOND_STRETCH * silenceMs : Math.min(2 * silenceMs, FIRST_STRETCH * deadlineMs);
    this.#cautionBeats = CAUTION_BEATS;
    this.#cautionUntilMs = nowMs + CAUTION_BEATS * this.#quick.meanMs;
    this.#nextFit = this.#beats;
    if (!adjacent) return;
    this.#rowMs = this.#mistakesInRow === 0 ? silenceMs : this.#rowMs + silenceMs;
    this.#mistakesInRow++;
    if (this.#mistakesInRow < SLOWER_FOR_GOOD) return;
    for (const context of this.#arrivals) {
      context.reset();
      context.presume(this.#rowMs / this.#mistakesInRow, this.#settings.leastScaleMs);
      context.samples = this.#settings.minSamples;
    }
    this.#mistakesInRow = 0;
  }

  #learnSchedule(steps: number, nowMs: number): void {
    if (this.#sequence === undefined) {
      this.#schedules = [];
      return;
    }
    if (steps > 0 && this.#schedules.length === 0) {
      const store = SilenceHistogram.store(KINDS + 1);
      this.#schedules = [
        new ScheduleContext(new SilenceHistogram(store, 0, KINDS), SLOW_BEATS, 256),
        new ScheduleContext(new SilenceHistogram(store, KINDS, 1), QUICK_BEATS, 32),
      ];
    }
    for (const context of this.#schedules) {
      if (steps <= 0) context.reset();
      context.learn(nowMs, Math.max(1, steps), this.#settings.leastScaleMs);
    }
  }

  #compare(): void {
    this.#slow.compare(this.#quick);
    const [slowSchedule, quickSchedule] = this.#schedules;
    slowSchedule?.compare(quickSchedule as ScheduleContext);
  }

  #begin(nowMs: number): void {
    const presuming = this.#quick.samples < this.#settings.minSamples;
    for (const context of this.#arrivals) {
      context.begin(nowMs);
      if (presuming) context.baseMs = nowMs + Math.max(context.meanMs, this.#settings.expectedIntervalMs);
    }
  }

  /** Computes all curves again. */
  #fit(): void {
    this.#nextFit = this.#beats + Math.min(Math.max(1, this.#beats >> 2), FIT_EVERY);
    for (const contexts of [this.#arrivals, this.#schedules])
      for (const context of contexts) context.refit(this.#curve, this.#quick.meanMs);
    this.#bounds.fit();
    this.#choose(true);
  }

  /** Chooses the context to use. `refitted`: the curve has to be computed again in any case. */
  #choose(refitted: boolean): void {
    this.#nextChoice = this.#beats + CHOOSE_EVERY;
    let best: AdaptiveContext = this.#quick;
    if (this.#cautionBeats === 0) {
      let leastMs = this.#quick.typicalMs;
      for (const contexts of [this.#arrivals, this.#schedules])
        for (const context of contexts) {
          const samples = Math.min(context.samples, context.histogram.count);
          if (context.aside || (contexts === this.#schedules && samples <= SCHEDULE_SAMPLES)) continue;
          const typicalMs = (context.memory === SLOW_BEATS ? STEADY_SHARE : 1) * context.typicalMs;
          if (typicalMs >= leastMs) continue;
          leastMs = typicalMs;
          best = context;
        }
    }
    const settled = !(this.#slow.settle() || this.#schedules[0]?.settle() === true);
    if (settled && !refitted && best === this.#asked) return;
    this.#asked = best;
    best.fit(this.#curve, this.#quick.meanMs);
    this.#view[HOURLY_ORDERS] = best.hourlyOrders;
  }

  /** Prepares what queries about the silence that begins now will need. */
  #look(): void {
    const view = this.#view;
    view[AHEAD] = this.#asked.baseMs - (view[LAST] as number);
    view[SCALE] = this.#asked.scaleMs;
    view[FLOOR_LEVEL] = levelOf(this.#curve.floorOrders, view[HOURLY_ORDERS] as number);
    view[STRETCH] = 1;
    view[CAP] = NEVER;
    if (this.#beats < EARLY_BEATS) this.#limitScale();
    if (this.#cautionBeats > 0)
      view[STRETCH] = Math.max(1, this.#cautionMs / Math.max(this.silenceMs(HOURLY_LEVEL), SHORTEST_MS));
    view[CAP] = this.#cautionBeats > 0 ? Math.max(this.#bounds.hourlyMs, this.#cautionMs) : this.#bounds.hourlyMs;
    view[CAP_FROM] = (view[CAP] as number) / this.#bounds.ratio;
  }

  #limitScale(): void {
    const { minSamples, leastScaleMs } = this.#settings;
    if (this.#gaps < minSamples) return;
    const view = this.#view;
    const mostMs = EARLY_GAPS * Math.exp(this.#gapLogarithms / this.#gaps);
    const z = this.#curve.zAtOrders(view[HOURLY_ORDERS] as number);
    view[SCALE] = Math.max(leastScaleMs, Math.min(view[SCALE] as number, (mostMs - (view[AHEAD] as number)) / z));
  }

  #fade(nowMs: number): void {
    this.#fadedAtMs = nowMs;
    const share = Math.exp(-1 / FADES_PER_MEMORY);
    this.#bounds.fade(share);
    for (const context of [...this.#arrivals, ...this.#schedules]) context.fade(share);
  }
}
