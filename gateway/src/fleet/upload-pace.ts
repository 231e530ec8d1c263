/**
 * Ends uploads that come too slowly. Each has credit in time: waiting for its caller spends it,
 * bytes earn it, at the least rate that is accepted, and more than the longest pause cannot be
 * saved. So a pause of that length is allowed at any time, and so is any rate above the least one;
 * trickling a byte now and then earns next to nothing. While nobody reads it, because a station is
 * slow or none is there, nothing is spent: only the caller's own slowness counts (nginx and
 * Apache's mod_reqtimeout bound the same, by pauses and by a rate). It has no clock: somebody says
 * how much time has gone.
 */

export interface UploadPaceOptions {
  /** Least rate that is accepted in the long run; 0: only pauses count. */
  readonly minBytesPerSecond: number;
  /** Longest pause. */
  readonly maxPauseMs: number;
}

export class UploadPaces {
  readonly #options: UploadPaceOptions;
  readonly #waiting: Set<UploadPace> = new Set();

  constructor(options: UploadPaceOptions) {
    this.#options = options;
  }

  /** Uploads whose callers are waited for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** An upload begins; `onTooSlow` is called once where it is too slow. */
  begin(onTooSlow: () => void): UploadPace {
    return new UploadPace(this.#options, this.#waiting, onTooSlow);
  }

  /**
   * So much time has gone since the last time that this was called, or since something began to
   * wait.
   */
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

  constructor(options: UploadPaceOptions, waiting: Set<UploadPace>, onTooSlow: () => void) {
    this.#options = options;
    this.#waiting = waiting;
    this.#onTooSlow = onTooSlow;
    this.#creditMs = options.maxPauseMs;
  }

  /** From now on its caller is waited for. */
  waits(): void {
    this.#waiting.add(this);
  }

  /** `bytes` of it have come; nobody waits for more until {@link waits} is called again. */
  came(bytes: number): void {
    this.#waiting.delete(this);
    const { minBytesPerSecond, maxPauseMs } = this.#options;
    if (bytes > 0) this.#creditMs = Math.min(maxPauseMs, this.#creditMs + (bytes * 1_000) / minBytesPerSecond);
  }

  /** It is whole, or over. */
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
