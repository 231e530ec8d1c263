/**
 * The clock of a listener's uploads (`fleet/upload-pace.ts`): one timer for all of them, which runs
 * while the gateway waits for any caller. Time in which this process itself stalled does not count
 * against callers, because the data that they sent meanwhile has not been read yet.
 */
import { type UploadPace, type UploadPaceOptions, UploadPaces } from "../../fleet/upload-pace.ts";

const MAX_STEP_MS = 1_000;

export class UploadTimer implements Disposable {
  readonly #paces: UploadPaces;
  #stepMs: number;
  #timer: NodeJS.Timeout | undefined;
  #lastMs = 0;

  constructor(options: UploadPaceOptions) {
    this.#paces = new UploadPaces(options);
    this.#stepMs = stepMs(options);
  }

  /** Uploads that begin from now on have these bounds. */
  use(options: UploadPaceOptions): void {
    this.#paces.use(options);
    this.#stepMs = Math.min(this.#stepMs, stepMs(options));
  }

  /** Starts to track an upload. `onTooSlow` is called once if it is too slow. */
  begin(onTooSlow: () => void): UploadPace {
    if (this.#timer === undefined) {
      this.#lastMs = performance.now();
      this.#timer = setInterval(() => this.#step(), this.#stepMs).unref();
    }
    return this.#paces.begin(onTooSlow);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #step(): void {
    const nowMs = performance.now();
    this.#paces.elapse(Math.min(nowMs - this.#lastMs, 2 * this.#stepMs));
    this.#lastMs = nowMs;
    if (this.#paces.waiting === 0) this[Symbol.dispose]();
  }
}

function stepMs({ maxPauseMs }: UploadPaceOptions): number {
  return Math.min(MAX_STEP_MS, Math.ceil(maxPauseMs / 10));
}
