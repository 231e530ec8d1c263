/**
 * Shows the progress of long work on standard error: on a terminal as one line that is overwritten,
 * elsewhere as a line now and then. Work that takes less than a second shows nothing.
 */
import type { Clock } from "ground-station-failover";

const TERMINAL_EVERY_MS = 200;
const LOG_EVERY_MS = 2_000;
const QUIET_MS = 1_000;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #clock: Clock;
  #nextMs: number;
  #written = false;

  constructor(stream: NodeJS.WriteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.#nextMs = clock.nowMs() + QUIET_MS;
  }

  /** `sentence` is called only if a line is due. */
  tell(sentence: () => string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#nextMs) return;
    const terminal = this.#stream.isTTY;
    this.#nextMs = nowMs + (terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS);
    this.#stream.write(terminal ? `\r\u001b[K${sentence()}` : `gsf: ${sentence()}\n`);
    this.#written = terminal;
  }

  /** Removes the line. */
  end(): void {
    if (this.#written) this.#stream.write("\r\u001b[K");
    this.#written = false;
  }
}
