/**
 * What the fitted models know about one node: its window of gaps, the distribution fitted to it,
 * and the rules for what must not be learned. Beats are far more frequent than questions, so a beat
 * only enters the window, and the fit is made when it is needed. Every beat needs to know whether
 * the gap was an outage. Nearly all gaps are so short that a cheap comparison answers this: they
 * are below the outage length of any fit that the options allow, or of any fit with this mean, or
 * with this deviation. Only the rest needs the full computation.
 */
import { ArrivalWindow } from "./arrival-window.ts";
import { BeatOrder } from "./beat-order.ts";
import type { Heartbeat, HeartbeatVerdict } from "./detector.ts";
import type { GapModel } from "./gap-model.ts";

/**
 * After this many outage gaps in a row they are no outages: the sender has become slower, and the
 * window starts afresh.
 */
const SLOWER_FOR_GOOD = 3;

/**
 * Cells of a node: last arrival, the fit, then its window. They lie together because queries and
 * beats are limited by memory, not by arithmetic.
 */
const LAST = 0;
const LOCATION = 1;
const SCALE = 2;
const WINDOW = 3;

/** The options that determine what a node learns. */
interface LearningOptions {
  readonly windowSize: number;
  readonly minSamples: number;
  readonly ceilingMs: number;
}

/** What all nodes of a detector share. */
export interface FitSettings extends LearningOptions {
  readonly model: GapModel;
  /** The level from which on a gap is an outage, as {@link GapModel.reach}. */
  readonly outageReach: number;
  /** A gap whose kept sample is below this is no outage under any fit that the options allow. */
  readonly leastOutage: number;
}

export function fitSettings(model: GapModel, outageLevel: number, options: LearningOptions): FitSettings {
  const { windowSize, minSamples, ceilingMs } = options;
  const outageReach = model.reach(outageLevel);
  const leastLocation = Math.min(model.leastLocation, model.expectedLocation);
  const leastOutage = model.leastAt(outageReach, leastLocation, model.leastScale);
  return { model, windowSize, minSamples, ceilingMs, outageReach, leastOutage };
}

export class FittedNode {
  readonly order: BeatOrder;
  readonly #settings: FitSettings;
  readonly #cells: Float64Array;
  readonly #window: ArrivalWindow;
  #outagesInRow = 0;
  #fitted = false;

  /** A node whose first beat came at `nowMs`. `order`: the beats that were seen before. */
  constructor(settings: FitSettings, beat: Heartbeat | undefined, nowMs: number, order: BeatOrder = new BeatOrder()) {
    this.#settings = settings;
    this.order = order;
    this.#cells = new Float64Array(WINDOW + ArrivalWindow.cells(settings.windowSize));
    this.#window = new ArrivalWindow(settings.windowSize, this.#cells, WINDOW);
    this.#cells[LAST] = nowMs;
    order.note(beat, false);
  }

  /** The gaps in the window, oldest first. */
  get gapsMs(): number[] {
    const { model } = this.#settings;
    return this.#window.samples().map((sample) => model.gapMs(sample));
  }

  /** Learns `gapsMs`, oldest first, without judging them. */
  remember(gapsMs: readonly number[]): void {
    const { model, windowSize } = this.#settings;
    for (const gapMs of gapsMs.slice(-windowSize)) this.#window.add(model.keep(gapMs));
    this.#fitted = false;
  }

  get lastMs(): number {
    return this.#cells[LAST] as number;
  }

  /** Gaps in the window. */
  get samples(): number {
    return this.#window.count;
  }

  /** Location and scale of the distribution fitted to the gaps, in the model's space. */
  get location(): number {
    if (!this.#fitted) this.#fit();
    return this.#cells[LOCATION] as number;
  }

  get scale(): number {
    if (!this.#fitted) this.#fit();
    return this.#cells[SCALE] as number;
  }

  /** The level of a silence that lasts until `nowMs`, without the ceiling. */
  level(nowMs: number): number {
    const silenceMs = nowMs - this.lastMs;
    return this.#settings.model.level(silenceMs > 0 ? silenceMs : 0, this.location, this.scale);
  }

  /** The silence at `reach` under the present fit, at most the ceiling. */
  silenceMs(reach: number): number {
    if (!this.#fitted) this.#fit();
    const { model, ceilingMs } = this.#settings;
    const silenceMs = model.silenceMs(reach, this.#cells[LOCATION] as number, this.#cells[SCALE] as number);
    return Math.min(Math.max(silenceMs, 0), ceilingMs);
  }

  /** Takes in a beat that came at `nowMs`. */
  hear(beat: Heartbeat | undefined, nowMs: number): HeartbeatVerdict {
    const gapMs = nowMs - this.lastMs;
    const sample = this.#settings.model.keep(gapMs);
    const outage = this.#isOutage(gapMs, sample);
    const succession = this.order.note(beat, outage);
    if (succession !== "next" && succession !== "skip" && succession !== "restart") return succession;
    this.#cells[LAST] = nowMs;
    // A clock that went back gives no gap: from here on, gaps count from the new time.
    if (succession === "next" && gapMs >= 0 && gapMs < this.#settings.ceilingMs) this.#learn(sample, outage);
    return "counted";
  }

  /**
   * Is the gap as long as `silenceMs` of the outage level? Asked at every beat, so the cheap checks
   * come first.
   */
  #isOutage(gapMs: number, sample: number): boolean {
    const { model, outageReach, leastOutage, ceilingMs } = this.#settings;
    if (gapMs >= ceilingMs) return true;
    if (sample < leastOutage) return false;
    const location = this.#location();
    if (sample < model.leastAt(outageReach, location, model.leastScale)) return false;
    if (sample < model.leastAt(outageReach, location, this.#window.deviation)) return false;
    return gapMs >= this.silenceMs(outageReach);
  }

  #learn(sample: number, outage: boolean): void {
    this.#outagesInRow = outage ? this.#outagesInRow + 1 : 0;
    if (outage) {
      if (this.#outagesInRow < SLOWER_FOR_GOOD) return;
      if (this.#outagesInRow === SLOWER_FOR_GOOD) this.#window.clear();
    }
    this.#window.add(sample);
    this.#fitted = false;
  }

  #fit(): void {
    const { model, minSamples } = this.#settings;
    const location = this.#location();
    let scale = Math.max(this.#window.deviation, model.leastScale);
    if (this.#window.count < minSamples) scale = Math.max(scale, model.presumedScale(location));
    this.#cells[LOCATION] = location;
    this.#cells[SCALE] = scale;
    this.#fitted = true;
  }

  #location(): number {
    const { model, minSamples } = this.#settings;
    const { count, mean } = this.#window;
    if (count === 0) return model.expectedLocation;
    const location = Math.max(mean, model.leastLocation);
    return count < minSamples ? Math.max(location, model.expectedLocation) : location;
  }
}
