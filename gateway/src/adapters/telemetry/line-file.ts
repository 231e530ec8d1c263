/**
 * A file to which lines are appended without ever blocking the process: one write is out at a time,
 * on Node's threads, and lines that come meanwhile wait, up to a bound in bytes; above it they are
 * dropped and counted. If the file was renamed or removed (logrotate), it is opened anew within a
 * second, so that no signal is needed. It is created with mode 0640. A disk that is full costs
 * lines, never requests.
 */

import { constants, writeSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { LineSink } from "./access-log.ts";

/** Most bytes that wait for the disk: some ten thousand lines. */
const MAX_BYTES = 4 * 1_024 ** 2;
/** How often it is checked whether the file is still the one at its path, in ms. */
const CHECK_EVERY_MS = 1_000;

/** A pipe that nobody reads is refused; opening it would wait for a reader otherwise. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

export interface LineFileOptions {
  readonly path: string;
  /** Called when writing begins to fail, with the reason. */
  readonly onFailure: (error: Error) => void;
  /** Called when writing succeeds again; `lost`: lines that were dropped since. */
  readonly onRecovery: (lost: number) => void;
}

export class LineFile implements LineSink, AsyncDisposable {
  /** Lines that were dropped since the start. */
  lost = 0;
  readonly #options: LineFileOptions;
  #handle: FileHandle | undefined;
  #inode = 0;
  #checkedMs = 0;
  #waiting = "";
  #waitingLines = 0;
  #writing: Promise<void> | undefined;
  #lostBefore: number | undefined;
  #isClosed = false;
  readonly #atExit: () => void = () => this.#writeRest();

  private constructor(options: LineFileOptions) {
    this.#options = options;
    process.once("exit", this.#atExit);
  }

  /** Opens the file. Rejects with the operating system's error if it cannot be opened. */
  static async open(options: LineFileOptions): Promise<LineFile> {
    const file = new LineFile(options);
    await file.#reopen();
    return file;
  }

  write(text: string, lines: number): void {
    if (this.#isClosed || this.#waiting.length + text.length > MAX_BYTES) {
      this.lost += lines;
      return;
    }
    this.#waiting += text;
    this.#waitingLines += lines;
    this.#writing ??= this.#writeAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#isClosed = true;
    process.off("exit", this.#atExit);
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waitingLines > 0) {
      const [text, lines] = [this.#waiting, this.#waitingLines];
      this.#waiting = "";
      this.#waitingLines = 0;
      try {
        await this.#reopenIfMoved();
        await this.#handle?.appendFile(text);
        this.#wrote();
      } catch (error) {
        this.#failed(error as Error, lines);
      }
    }
    this.#writing = undefined;
  }

  async #reopenIfMoved(): Promise<void> {
    const nowMs = performance.now();
    if (this.#handle !== undefined && nowMs - this.#checkedMs < CHECK_EVERY_MS) return;
    this.#checkedMs = nowMs;
    const found = await stat(this.#options.path).catch(() => undefined);
    if (this.#handle !== undefined && found?.ino === this.#inode) return;
    const before = this.#handle;
    await this.#reopen();
    await before?.close();
  }

  async #reopen(): Promise<void> {
    const handle = await open(this.#options.path, APPEND, 0o640);
    this.#inode = (await handle.stat()).ino;
    this.#handle = handle;
  }

  #wrote(): void {
    if (this.#lostBefore === undefined) return;
    const lost = this.lost - this.#lostBefore;
    this.#lostBefore = undefined;
    this.#options.onRecovery(lost);
  }

  #failed(error: Error, lines: number): void {
    const isNew = this.#lostBefore === undefined;
    if (isNew) this.#lostBefore = this.lost;
    this.lost += lines;
    if (isNew) this.#options.onFailure(error);
  }

  /** The process ends: what waits is written now. */
  #writeRest(): void {
    const { fd = -1 } = this.#handle ?? {};
    if (fd < 0 || this.#waitingLines === 0) return;
    try {
      writeSync(fd, this.#waiting);
    } catch {
      // Nobody is left to be told.
    }
  }
}
