/**
 * The samples of the signals, as long as the longest window needs them. Values over a window come
 * from the samples in it. A counter that goes down was set back by a restart: what it shows then is
 * what it has grown by since. While a window is not full yet, the samples that are there count,
 * because a drill that breaks something in its first seconds has to stop in its first seconds.
 */
import type { SignalValues, WindowFunction } from "./condition.ts";

/** Most samples of one signal: one hour, looked at every second. */
const MAX_SAMPLES = 3_700;

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export class SignalHistory implements SignalValues {
  readonly #samples = new Map<string, Sample[]>();
  readonly #keptMs: number;
  #nowMs = 0;

  /** `keptMs`: the longest window. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Takes the values of one look. A signal without a value in it is missing. */
  add(nowMs: number, values: ReadonlyMap<string, number>): void {
    this.#nowMs = nowMs;
    for (const [signal, value] of values) {
      const samples = this.#samples.get(signal) ?? [];
      samples.push({ atMs: nowMs, value });
      // One sample from before the window stays: growth is measured from it.
      while (samples.length > MAX_SAMPLES || (samples[1]?.atMs ?? nowMs) < nowMs - this.#keptMs) samples.shift();
      this.#samples.set(signal, samples);
    }
  }

  /** When the signal was last there; undefined: never. */
  lastAtMs(signal: string): number | undefined {
    return this.#samples.get(signal)?.at(-1)?.atMs;
  }

  now(signal: string): number | undefined {
    return this.#samples.get(signal)?.at(-1)?.value;
  }

  over(by: WindowFunction, signal: string, windowMs: number): number | undefined {
    if (by === "delta") return this.#growth(signal, windowMs)?.by;
    if (by === "rate") {
      const growth = this.#growth(signal, windowMs);
      return growth === undefined ? undefined : (growth.by * 1_000) / growth.inMs;
    }
    const values = this.#in(signal, windowMs).map(({ value }) => value);
    if (values.length === 0) return undefined;
    if (by === "max") return Math.max(...values);
    if (by === "min") return Math.min(...values);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  ratio(part: string, whole: string, windowMs: number): number | undefined {
    const [one, all] = [this.#growth(part, windowMs), this.#growth(whole, windowMs)];
    if (one === undefined || all === undefined) return undefined;
    // Errors where nothing was counted at all: the whole has stopped, and the share is all of it.
    return all.by === 0 ? (one.by === 0 ? 0 : 1) : one.by / all.by;
  }

  #growth(signal: string, windowMs: number): { readonly by: number; readonly inMs: number } | undefined {
    const samples = this.#in(signal, windowMs);
    const [first, last] = [samples[0], samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return undefined;
    let by = 0;
    for (const [index, { value }] of samples.entries()) {
      const before = samples[index - 1]?.value;
      if (before !== undefined) by += value >= before ? value - before : value;
    }
    return { by, inMs: last.atMs - first.atMs };
  }

  /** The samples of the window that ends now. */
  #in(signal: string, windowMs: number): readonly Sample[] {
    return (this.#samples.get(signal) ?? []).filter(({ atMs }) => atMs >= this.#nowMs - windowMs);
  }
}
