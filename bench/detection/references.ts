/**
 * The published detectors that ours is held against, each written from its paper, for the
 * laboratory only. All of them say the same thing in the end: the next beat is overdue past a
 * deadline that one knob moves. So each is reduced to where its deadline starts (`baseMs`) and what
 * a unit of the knob is worth at present (`scale`): the deadline is base + knob * scale, or for the
 * lognormal base + exp(location + knob * scale). That a beat came late enough to be a mistake is
 * then a statement about one number, the knob at which it would just have been in time, and a
 * single pass over a trace serves every setting of the knob.
 *
 * All read fresh arrivals only. None has a floor, an acceptable pause or a ceiling: those are
 * tuning, and every knob here is tuned in hindsight anyway.
 */
import { ArrivalWindow } from "ground-station-failover/core";
import type { Trace } from "./trace.ts";

export interface Reference {
  /** Takes in fresh arrival number `place` of the trace. */
  note(arrivalMs: number, sequence: number): void;
  baseMs: number;
  scale: number;
  /** Only for deadlines of the form base + exp(location + knob * scale). */
  readonly location?: number;
}

/** The deadline at a setting of the knob. */
export function deadlineMs(reference: Reference, knob: number): number {
  if (reference.location === undefined) return reference.baseMs + knob * reference.scale;
  return reference.baseMs + Math.exp(reference.location + knob * reference.scale);
}

/** The knob at which a beat that arrives at `arrivalMs` is just in time. */
export function criticalKnob(reference: Reference, arrivalMs: number): number {
  const beyondMs = arrivalMs - reference.baseMs;
  if (reference.location === undefined) return beyondMs / Math.max(reference.scale, 1e-9);
  return (Math.log(Math.max(beyondMs, 1e-9)) - reference.location) / Math.max(reference.scale, 1e-9);
}

/**
 * A fixed silence since the last beat. Tuned in hindsight on the trace itself it is also the oracle
 * of renewal senders.
 */
class FixedTimeout implements Reference {
  baseMs = 0;
  readonly scale = 1;

  note(arrivalMs: number): void {
    this.baseMs = arrivalMs;
  }
}

/**
 * Hayashibara et al. 2004: normal distribution over the last gaps; the knob is the deviate at the
 * threshold phi.
 */
class PhiNormal implements Reference {
  baseMs = 0;
  scale = 1;
  protected lastMs: number = Number.NaN;
  protected readonly gaps: ArrivalWindow;

  constructor(window: number) {
    this.gaps = new ArrivalWindow(window);
  }

  note(arrivalMs: number): void {
    if (!Number.isNaN(this.lastMs)) this.gaps.add(arrivalMs - this.lastMs);
    this.lastMs = arrivalMs;
    this.fit(arrivalMs);
  }

  protected fit(arrivalMs: number): void {
    this.baseMs = arrivalMs + this.gaps.mean;
    this.scale = this.gaps.deviation;
  }
}

/**
 * Akka's and Pekko's form: the logistic approximation phi = -log10(e / (1 + e)), e = exp(-y (1.5976
 * + 0.070566 y^2)). It is a rising function of the same deviate y, so its curve can only differ by
 * the floor under the deviation, 100 ms as published; that floor is what is measured here.
 */
class PhiPekko extends PhiNormal {
  protected override fit(arrivalMs: number): void {
    super.fit(arrivalMs);
    this.scale = Math.max(this.scale, 100);
  }
}

/**
 * Cassandra's form: exponential distribution, phi = silence / mean * log10(e), over the last 1000
 * gaps.
 */
class PhiExponential extends PhiNormal {
  protected override fit(arrivalMs: number): void {
    this.baseMs = arrivalMs;
    this.scale = this.gaps.mean;
  }
}

/**
 * Chen, Toueg, Aguilera 2002, NFD-E: the next arrival is expected at the mean of (arrival - number
 * * interval) over the last beats, plus the interval times its number; the knob is the safety
 * margin alpha. The interval is what the sender was told to use.
 */
class ChenExpected implements Reference {
  baseMs = 0;
  readonly scale: number = 1;
  readonly #intervalMs: number;
  readonly #offsets: ArrivalWindow;

  constructor(intervalMs: number, window: number) {
    this.#intervalMs = intervalMs;
    this.#offsets = new ArrivalWindow(window);
  }

  note(arrivalMs: number, sequence: number): void {
    this.#offsets.add(arrivalMs - sequence * this.#intervalMs);
    this.baseMs = this.#offsets.mean + (sequence + 1) * this.#intervalMs;
  }
}

/**
 * Bertier, Marin, Sens 2002: Chen's expectation with Jacobson's margin: error = arrival - expected
 * - delay, delay += gamma error, spread += gamma (|error| - spread), margin = delay + phi spread,
 * gamma 0.1; the knob is phi.
 */
class Bertier implements Reference {
  baseMs = 0;
  scale = 1;
  readonly #chen: ChenExpected;
  #delayMs = 0;
  #spreadMs = 0;
  #heard = false;

  constructor(intervalMs: number, window: number) {
    this.#chen = new ChenExpected(intervalMs, window);
  }

  note(arrivalMs: number, sequence: number): void {
    if (this.#heard) {
      const errorMs = arrivalMs - this.#chen.baseMs - this.#delayMs;
      this.#delayMs += 0.1 * errorMs;
      this.#spreadMs += 0.1 * (Math.abs(errorMs) - this.#spreadMs);
    }
    this.#heard = true;
    this.#chen.note(arrivalMs, sequence);
    this.baseMs = this.#chen.baseMs + this.#delayMs;
    this.scale = Math.max(this.#spreadMs, 1e-3);
  }
}

/**
 * Tomsic, Sens, Garcia, Arantes, Sopena 2015, 2W-FD: the later of two of Chen's expectations,
 * windows 1 and 1000.
 */
class TwoWindows implements Reference {
  baseMs = 0;
  readonly scale = 1;
  readonly #short: ChenExpected;
  readonly #long: ChenExpected;

  constructor(intervalMs: number) {
    this.#short = new ChenExpected(intervalMs, 1);
    this.#long = new ChenExpected(intervalMs, 1000);
  }

  note(arrivalMs: number, sequence: number): void {
    this.#short.note(arrivalMs, sequence);
    this.#long.note(arrivalMs, sequence);
    this.baseMs = Math.max(this.#short.baseMs, this.#long.baseMs);
  }
}

/**
 * Satzger, Pietzowski, Trumler, Ungerer 2007: the empirical distribution of the last 1000 gaps,
 * stretched by a factor, because past its longest gap it knows nothing. The knob is the factor over
 * the 99th percentile.
 */
class EmpiricalQuantile implements Reference {
  baseMs = 0;
  scale = 1;
  readonly #gaps = new Float64Array(1000);
  readonly #sorted = new Float64Array(1000);
  #count = 0;
  #lastMs = Number.NaN;

  note(arrivalMs: number): void {
    if (!Number.isNaN(this.#lastMs)) this.#learn(arrivalMs - this.#lastMs);
    this.#lastMs = arrivalMs;
    this.baseMs = arrivalMs;
  }

  #learn(gapMs: number): void {
    const place = this.#count % 1000;
    const known = Math.min(this.#count, 1000);
    if (known === 1000) this.#remove(this.#gaps[place] as number);
    const held = known === 1000 ? 999 : known;
    const at = this.#find(gapMs, held);
    this.#sorted.copyWithin(at + 1, at, held);
    this.#sorted[at] = gapMs;
    this.#gaps[place] = gapMs;
    this.#count++;
    this.scale = this.#sorted[Math.min(held, Math.floor(0.99 * (held + 1)))] as number;
  }

  #remove(gapMs: number): void {
    const at = this.#find(gapMs, 1000);
    this.#sorted.copyWithin(at, at + 1, 1000);
  }

  /** First place whose gap is not below `gapMs`. */
  #find(gapMs: number, held: number): number {
    let low = 0;
    let high = held;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] as number) < gapMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lognormal over the last 1000 gaps; the knob is the deviate of the logarithm. */
class Lognormal implements Reference {
  baseMs = 0;
  scale = 1;
  location = 0;
  readonly #logarithms = new ArrivalWindow(1000);
  #lastMs = Number.NaN;

  note(arrivalMs: number): void {
    if (!Number.isNaN(this.#lastMs)) this.#logarithms.add(Math.log(Math.max(arrivalMs - this.#lastMs, 0.1)));
    this.#lastMs = arrivalMs;
    this.baseMs = arrivalMs;
    this.location = this.#logarithms.mean;
    this.scale = this.#logarithms.deviation;
  }
}

/**
 * Knows the sender's grid to the last digit: a margin past the next beat's true instant. Only for
 * periodic senders.
 */
class ScheduleOracle implements Reference {
  baseMs = 0;
  readonly scale = 1;
  readonly #dueMs: Float64Array;

  constructor(dueMs: Float64Array) {
    this.#dueMs = dueMs;
  }

  note(_arrivalMs: number, sequence: number): void {
    this.baseMs = this.#dueMs[Math.min(sequence + 1, this.#dueMs.length - 1)] as number;
  }
}

/** What the path of a periodic sender takes before jitter, where regimes tell their truth. */
const PATH_MS = 30;

/**
 * Knows how traffic is distributed at each instant, for regimes where that changes: a deviate past
 * the true mean.
 */
class StateOracle implements Reference {
  baseMs = 0;
  scale = 1;
  readonly #trace: Trace;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  note(arrivalMs: number, sequence: number): void {
    const { regime, sender, dueMs } = this.#trace;
    const nextDueMs = dueMs[Math.min(sequence + 1, dueMs.length - 1)] as number;
    const truth = regime.truth?.(sender === "renewal" ? (dueMs[sequence] as number) : nextDueMs);
    this.scale = truth?.deviationMs ?? 1;
    this.baseMs = sender === "renewal" ? arrivalMs + (truth?.meanMs ?? 0) : nextDueMs + PATH_MS + 3 * this.scale;
  }
}

/** Every reference by name, in the order of the table; the oracles come first. */
export const REFERENCES: ReadonlyMap<string, (trace: Trace) => Reference | undefined> = new Map<
  string,
  (trace: Trace) => Reference | undefined
>([
  ["oracle: schedule", (trace) => (trace.sender === "periodic" ? new ScheduleOracle(trace.dueMs) : undefined)],
  ["oracle: state", (trace) => (trace.regime.truth === undefined ? undefined : new StateOracle(trace))],
  ["fixed timeout", () => new FixedTimeout()],
  ["phi normal 1000", () => new PhiNormal(1000)],
  ["phi Pekko", () => new PhiPekko(1000)],
  ["phi exponential", () => new PhiExponential(1000)],
  ["Chen NFD-E", (trace) => new ChenExpected(trace.regime.intervalMs, 1000)],
  ["Bertier", (trace) => new Bertier(trace.regime.intervalMs, 1000)],
  ["2W-FD", (trace) => new TwoWindows(trace.regime.intervalMs)],
  ["empirical quantile", () => new EmpiricalQuantile()],
  ["lognormal", () => new Lognormal()],
]);
