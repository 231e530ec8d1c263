/**
 * Collects lines for a tenth of a second and passes them on together: a write to a pipe or a file
 * for each line would cost more than making the line. What is not passed on yet is bounded in
 * bytes; a full batch goes at once. At the end of the process the rest is passed on.
 */
import type { LineSink } from "./access-log.ts";

/** Longest time that a line waits, in ms. */
const WAIT_MS = 100;
const BATCH_BYTES = 32 * 1_024;

export class LineBatches implements LineSink, Disposable {
  readonly #atExit: () => void = () => this.flush();
  readonly #to: LineSink;
  #text = "";
  #lines = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(to: LineSink) {
    this.#to = to;
    process.once("exit", this.#atExit);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#atExit);
    this.flush();
  }

  write(text: string, lines: number): void {
    this.#text += text;
    this.#lines += lines;
    if (this.#text.length >= BATCH_BYTES) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === 0) return;
    const [text, lines] = [this.#text, this.#lines];
    this.#text = "";
    this.#lines = 0;
    this.#to.write(text, lines);
  }
}
