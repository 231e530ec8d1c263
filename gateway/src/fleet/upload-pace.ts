/**
 * Ends uploads that are too slow. Each upload has a credit in time. Waiting for the caller spends
 * it. Bytes that arrive earn it back, at the least accepted rate; the credit never exceeds the
 * longest pause. So the gateway accepts a pause of that length at any time, and any rate above the
 * least one; single bytes now and then earn next to nothing. While the gateway does not read,
 * because a station is slow or there is none, nothing is spent: only the caller's own slowness
 * counts. nginx and Apache's mod_reqtimeout set the same bounds, by pauses and by a rate. This
 * module has no clock: its user reports elapsed time.
 */

export interface UploadPaceOptions {
  /** Least accepted rate in the long run; 0: only pauses count. */
  readonly minBytesPerSecond: number;
  /** Longest pause. */
  readonly maxPauseMs: number;
}

export class UploadPaces {
  #options: UploadPaceOptions;
  readonly #waiting: Set<UploadPace> = new Set();

  constructor(options: UploadPaceOptions) {
    this.#options = options;
  }

  /** Uploads that begin from now on have these bounds. */
  use(options: UploadPaceOptions): void {
    this.#options = options;
  }

  /** Number of uploads that are waiting for their callers. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Starts to track an upload. `onTooSlow` is called once if it is too slow. */
  begin(onTooSlow: () => void): UploadPace {
    return new UploadPace(this.#options, this.#waiting, onTooSlow);
  }

  /** Reports that `ms` have passed since the last call, or since the first upload began to wait. */
  elapse(ms: number): void {
    for (const pace of this.#waiting) pace.elapse(ms);
  }
}

/** One upload. */
export class UploadPace {
  readonly #options: UploadPaceOptions;
  readonly #waiting: Set<UploadPace>;
  readonly #onTooSlow: () => void;
  #creditMs: number;
  /** Bytes that have arrived. */
  bytes = 0;

  constructor(options: UploadPaceOptions, waiting: Set<UploadPace>, onTooSlow: () => void) {
    this.#options = options;
    this.#waiting = waiting;
    this.#onTooSlow = onTooSlow;
    this.#creditMs = options.maxPauseMs;
  }

  /** From now on the gateway waits for the caller. */
  waits(): void {
    this.#waiting.add(this);
  }

  /** `bytes` have arrived. No time is charged until {@link waits} is called again. */
  came(bytes: number): void {
    this.#waiting.delete(this);
    this.bytes += bytes;
    const { minBytesPerSecond, maxPauseMs } = this.#options;
    if (bytes > 0) this.#creditMs = Math.min(maxPauseMs, this.#creditMs + (bytes * 1_000) / minBytesPerSecond);
  }

  /** The upload is complete, or has been ended. */
  end(): void {
    this.#waiting.delete(this);
  }

  elapse(ms: number): void {
    this.#creditMs -= ms;
    if (this.#creditMs > 0) return;
    this.end();
    this.#onTooSlow();
  }
}
