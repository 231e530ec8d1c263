/**
 * What the adaptive model knows of one node: four contexts (since the last arrival and against the sender's schedule,
 * each slow and quick), of which the one with the shortest deadline at equal promise is asked, and two rules for what
 * is out of the ordinary. After a mistake the deadlines are stretched for a few beats, because where one beat was late the
 * next may be (a step up costs one mistake, not ten). A silence several times the deadline is set apart as an outage
 * and only remembered when the third such comes within the memory: then it is how this network is.
 */

import { type AdaptiveContext, ArrivalContext, ScheduleContext } from "./adaptive-context.ts";
import { BeatOrder } from "./beat-order.ts";
import { TailCurve } from "./silence-histogram.ts";

/** The level at which one mistake an hour is to be expected. */
export const HOURLY_LEVEL = 8;
/** Up to here a level is plain phi, where a sender beats often enough for that. */
const PLAIN_LEVEL = 2;
/** Beats for which deadlines stay stretched after a mistake. */
const CAUTION_BEATS = 32;
/** A silence this many deadlines long is an outage until there are three; so much is caution's first stretch at most. */
const OUTAGE_DEADLINES = 4;
const FIRST_STRETCH = 3;
const OUTAGES_SET_APART = 2;
const SLOWER_FOR_GOOD = 3;
/** Samples after which a schedule may be asked. */
const SCHEDULE_SAMPLES = 16;
/** Beats between two fits, once many have been heard. */
const FIT_EVERY = 64;
const MEMORY_MS = Number((globalThis as any).process?.env?.MEM ?? 16) * 3_600_000;
const FADES_PER_MEMORY = 32;

/** What all nodes of a detector share. */
export interface AdaptiveSettings {
  readonly expectedIntervalMs: number;
  readonly minimumSamples: number;
  readonly leastScaleMs: number;
  readonly leastSilenceMs: number;
  readonly ceilingMs: number;
}

export class AdaptiveNode {
  readonly order: BeatOrder = new BeatOrder();
  lastMs: number;
  readonly #settings: AdaptiveSettings;
  readonly #quick: ArrivalContext = new ArrivalContext(32);
  readonly #arrivals: readonly ArrivalContext[] = [new ArrivalContext(4096), this.#quick];
  /** Made when the first numbered beat follows another. */
  #schedules: readonly ScheduleContext[] = [];
  #sequence: number | undefined;
  #asked: AdaptiveContext = this.#quick;
  readonly #curve: TailCurve = new TailCurve();
  #hourlyOrders = 1;
  #stretch = 1;
  #cautionMs = 0;
  #cautionBeats = 0;
  #mistakesInRow = 0;
  #rowMs = 0;
  readonly #setApartMs: number[] = [];
  #setApartAtMs = 0;
  #beats = 0;
  #nextFit = 1;
  #fadedAtMs: number;

  constructor(settings: AdaptiveSettings, sequence: number | undefined, nowMs: number) {
    this.#settings = settings;
    this.#sequence = sequence;
    this.lastMs = nowMs;
    this.#fadedAtMs = nowMs;
    for (const context of this.#arrivals) context.presume(settings.expectedIntervalMs, settings.leastScaleMs);
    this.#begin(nowMs);
    this.#fit();
  }

  /** The level of a silence that lasts until `nowMs`, ceiling and floor aside. */
  level(nowMs: number): number {
    const silenceMs = Math.max(0, nowMs - this.lastMs);
    const { baseMs, scaleMs } = this.#asked;
    const placeMs = this.lastMs + silenceMs / this.#stretch;
    const level =
      placeMs < baseMs
        ? (this.#levelOf(this.#curve.floorOrders) * (placeMs - this.lastMs)) / (baseMs - this.lastMs)
        : this.#levelOf(this.#curve.ordersAt((placeMs - baseMs) / scaleMs));
    return Math.min(level, (HOURLY_LEVEL * silenceMs) / this.#settings.leastSilenceMs);
  }

  /** The silence that reaches `level`, at most the ceiling. */
  silenceMs(level: number): number {
    const { ceilingMs, leastSilenceMs } = this.#settings;
    const { baseMs, scaleMs } = this.#asked;
    const floorLevel = this.#levelOf(this.#curve.floorOrders);
    let aheadMs = baseMs - this.lastMs;
    if (level < floorLevel) aheadMs = Math.max(aheadMs, 0) * (Math.max(level, 0) / floorLevel);
    else aheadMs += scaleMs * this.#curve.zAtOrders(this.#ordersOf(level));
    const silenceMs = Math.max(aheadMs * this.#stretch, (leastSilenceMs * level) / HOURLY_LEVEL, 0);
    return Math.min(silenceMs, ceilingMs);
  }

  /** The gaps' mean, the deviation in use, and how many samples it rests on. */
  estimate(): { location: number; scale: number; samples: number } {
    return { location: this.#quick.meanMs, scale: this.#asked.scaleMs, samples: this.#quick.samples };
  }

  /** Takes in a beat that proves life. `adjacent`: no beat between was lost; `restart`: its sender began anew. */
  hear(sequence: number | undefined, adjacent: boolean, restart: boolean, nowMs: number): void {
    const silenceMs = nowMs - this.lastMs;
    const deadlineMs = this.silenceMs(HOURLY_LEVEL);
    const steps = sequence === undefined || this.#sequence === undefined ? 0 : sequence - this.#sequence;
    this.lastMs = nowMs;
    this.#sequence = sequence;
    this.#beats++;
    const usable = !restart && silenceMs >= 0 && silenceMs < this.#settings.ceilingMs;
    if (usable) this.#learn(silenceMs, deadlineMs, adjacent, nowMs);
    this.#learnSchedule(usable || silenceMs >= 0 ? (restart ? 0 : steps) : 0, nowMs);
    this.#compare();
    this.#begin(nowMs);
    if (this.#beats >= this.#nextFit || this.#asked.aside) this.#fit();
    this.#setStretch();
    if (nowMs - this.#fadedAtMs > MEMORY_MS / FADES_PER_MEMORY) this.#fade(nowMs);
  }

  #learn(silenceMs: number, deadlineMs: number, adjacent: boolean, nowMs: number): void {
    const mistaken = silenceMs >= deadlineMs;
    const excused = !mistaken && this.#cautionBeats > 0;
    const outage = silenceMs >= OUTAGE_DEADLINES * deadlineMs;
    if (!outage || this.#recurs(silenceMs, nowMs)) {
      for (const context of this.#arrivals) context.judge(nowMs, silenceMs, excused);
      for (const context of this.#schedules) if (context.samples > SCHEDULE_SAMPLES) context.judge(nowMs, silenceMs, excused);
    }
    this.#noteMistake(mistaken, silenceMs, deadlineMs, adjacent);
    if (!adjacent || outage) return;
    for (const context of this.#arrivals) context.learn(silenceMs, this.#settings.leastScaleMs);
    if (this.#quick.samples >= this.#settings.minimumSamples) return;
    const presumedMs = Math.max(this.#settings.expectedIntervalMs, this.#quick.meanMs);
    for (const context of this.#arrivals) context.scaleMs = Math.max(context.scaleMs, presumedMs / 2);
  }

  /** debug */
  debug(): string { return [...this.#arrivals, ...this.#schedules].map((c) => (c===this.#asked?'*':'')+(c.aside?'!':'')+c.typicalMs.toFixed(0)+' z'+c.hourlyZ.toFixed(2)+' s'+c.scaleMs.toFixed(1)+' h'+c.hours.toFixed(1)).join(' ; '); }

  /** Whether an outage is the third within the memory; then the ones before are remembered as well. */
  #recurs(silenceMs: number, nowMs: number): boolean {
    const apart = this.#setApartMs;
    if (nowMs - this.#setApartAtMs > MEMORY_MS) apart.length = 0;
    if (apart.length < OUTAGES_SET_APART) {
      if (apart.length === 0) this.#setApartAtMs = nowMs;
      apart.push(silenceMs);
      return false;
    }
    for (const context of [...this.#arrivals, ...this.#schedules]) {
      for (const pastMs of apart) context.remember((pastMs - this.#quick.meanMs) / context.scaleMs, pastMs);
    }
    apart.length = 0;
    return true;
  }

  #noteMistake(mistaken: boolean, silenceMs: number, deadlineMs: number, adjacent: boolean): void {
    const recent = this.#cautionBeats > 0;
    if (recent && --this.#cautionBeats === 0) this.#nextFit = this.#beats;
    if (!mistaken) {
      this.#mistakesInRow = 0;
      return;
    }
    this.#cautionMs = recent ? 2 * silenceMs : Math.min(2 * silenceMs, FIRST_STRETCH * deadlineMs);
    this.#cautionBeats = CAUTION_BEATS;
    this.#nextFit = this.#beats;
    if (!adjacent) return;
    this.#rowMs = this.#mistakesInRow === 0 ? silenceMs : this.#rowMs + silenceMs;
    this.#mistakesInRow++;
    if (this.#mistakesInRow < SLOWER_FOR_GOOD) return;
    for (const context of this.#arrivals) {
      context.reset();
      context.presume(this.#rowMs / this.#mistakesInRow, this.#settings.leastScaleMs);
      context.samples = 1;
    }
    this.#mistakesInRow = 0;
  }

  #learnSchedule(steps: number, nowMs: number): void {
    if (this.#sequence === undefined) {
      this.#schedules = [];
      return;
    }
    if (steps > 0 && this.#schedules.length === 0)
      this.#schedules = [new ScheduleContext(4096, 256), new ScheduleContext(32, 32)];
    for (const context of this.#schedules) {
      if (steps <= 0) context.reset();
      context.learn(nowMs, Math.max(1, steps), this.#settings.leastScaleMs);
    }
  }

  #compare(): void {
    const [slow, quick] = this.#arrivals;
    slow?.compare(quick as ArrivalContext);
    const [slowSchedule, quickSchedule] = this.#schedules;
    slowSchedule?.compare(quickSchedule as ScheduleContext);
  }

  #begin(nowMs: number): void {
    const presuming = this.#quick.samples < this.#settings.minimumSamples;
    for (const context of this.#arrivals) {
      context.begin(nowMs);
      if (presuming) context.baseMs = nowMs + Math.max(context.meanMs, this.#settings.expectedIntervalMs);
    }
  }

  /** Looks at all curves anew and chooses whom to ask. */
  #fit(): void {
    this.#nextFit = this.#beats + Math.min(Math.max(1, this.#beats >> 2), FIT_EVERY);
    let best: AdaptiveContext = this.#quick;
    const cautious = this.#cautionBeats > 0;
    for (const context of this.#arrivals) {
      context.fit(this.#curve);
      if (!cautious && !context.aside && context.typicalMs < best.typicalMs) best = context;
    }
    for (const context of this.#schedules) {
      context.fit(this.#curve);
      const known = context.samples > SCHEDULE_SAMPLES && context.histogram.count > SCHEDULE_SAMPLES;
      if (!cautious && known && !context.aside && context.typicalMs < best.typicalMs) best = context;
    }
    this.#asked = best;
    best.fit(this.#curve);
    this.#hourlyOrders = best.hourlyOrders;
  }

  #setStretch(): void {
    this.#stretch = 1;
    if (this.#cautionBeats > 0)
      this.#stretch = Math.max(1, this.#cautionMs / Math.max(this.silenceMs(HOURLY_LEVEL), 1e-3));
  }

  #fade(nowMs: number): void {
    this.#fadedAtMs = nowMs;
    const share = Math.exp(-1 / FADES_PER_MEMORY);
    for (const context of [...this.#arrivals, ...this.#schedules]) context.fade(share);
  }

  /** Plain phi up to a knee, one order of mistakes an hour a level from 8 on, a straight line between. */
  #levelOf(orders: number): number {
    const knee = Math.min(PLAIN_LEVEL, 0.4 * this.#hourlyOrders);
    if (orders <= knee) return orders;
    if (orders >= this.#hourlyOrders) return HOURLY_LEVEL + orders - this.#hourlyOrders;
    return knee + ((orders - knee) * (HOURLY_LEVEL - knee)) / (this.#hourlyOrders - knee);
  }

  #ordersOf(level: number): number {
    const knee = Math.min(PLAIN_LEVEL, 0.4 * this.#hourlyOrders);
    if (level <= knee) return level;
    if (level >= HOURLY_LEVEL) return this.#hourlyOrders + level - HOURLY_LEVEL;
    return knee + ((level - knee) * (this.#hourlyOrders - knee)) / (HOURLY_LEVEL - knee);
  }
}
