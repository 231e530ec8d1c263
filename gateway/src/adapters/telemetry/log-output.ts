/**
 * Output of log lines: a descriptor that never blocks and never throws. Data that a pipe or
 * terminal does not take at once is kept, up to a bound in bytes. Lines above the bound, or lines
 * that cannot be written at all (a full disk, a reader that is gone), are dropped and counted; when
 * there is room again, a line says how many. A reader that does not read may lose lines, but it
 * cannot stop the process.
 *
 * Regular files are written to directly: they take everything at once, or refuse.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";

export interface LogOutputOptions {
  /** Most bytes kept for a reader that does not read. Default 1 MiB: some thousand lines. */
  readonly maxBytes?: number;
  /** The line that reports dropped lines; must end with a newline. Default: none. */
  readonly droppedLine?: (dropped: number) => string;
}

/** Data that is written together: one line or several. */
interface Piece {
  readonly bytes: Buffer;
  readonly lines: number;
}

const MAX_BYTES = 1024 * 1024;
/** Time between two tries, in ms, while the reader does not read. */
const RETRY_MS = 50;
/** At the end of the process, the reader gets this much time for the remaining lines, in ms. */
const FLUSH_MS = 250;
const FLUSH_STEP_MS = 5;
const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;
/** No descriptor: every write to it fails at once. */
const NOWHERE = -1;

export class LogOutput {
  /** Number of lines lost since the start. */
  dropped = 0;
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #droppedLine: ((dropped: number) => string) | undefined;
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, { maxBytes = MAX_BYTES, droppedLine }: LogOutputOptions = {}) {
    this.#fd = fd;
    this.#maxBytes = maxBytes;
    this.#droppedLine = droppedLine;
  }

  /**
   * The standard error of this process. At the end of the process the remaining lines are written,
   * within a short time.
   */
  static standardError(options: LogOutputOptions): LogOutput {
    return flushedAtExit(new LogOutput(neverBlocking(STANDARD_ERROR), options));
  }

  /**
   * The standard output of a process that serves: a stopped terminal (Ctrl-S) must not stop the
   * process.
   */
  static standardOutput(): LogOutput {
    return flushedAtExit(new LogOutput(neverBlocking(STANDARD_OUTPUT)));
  }

  /** Writes a line, or several at once: `lines` says how many `text` has. Default 1. */
  write(text: string, lines = 1): void {
    if (this.#untold > 0 && this.#waiting.length === 0) this.#tellDropped();
    if (this.#waiting.length > 0) this.#keep({ bytes: Buffer.from(text), lines });
    else this.#send({ bytes: Buffer.from(text), lines });
  }

  /**
   * Writes the remaining lines, within a short time. Blocks for that time; for use at the end of
   * the process.
   */
  flush(): void {
    for (let leftMs = FLUSH_MS; leftMs > 0 && this.#waiting.length > 0; leftMs -= FLUSH_STEP_MS) {
      this.#resume();
      if (this.#waiting.length > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FLUSH_STEP_MS);
    }
    clearTimeout(this.#timer);
  }

  #send(piece: Piece): void {
    const rest = this.#written(piece);
    if (rest !== undefined) this.#keep(rest, true);
  }

  /** The part of `piece` that could not be written yet; undefined if there is none. */
  #written(piece: Piece): Piece | undefined {
    const { bytes, lines } = piece;
    try {
      const written = writeSync(this.#fd, bytes);
      return written < bytes.length ? { bytes: bytes.subarray(written), lines } : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return piece;
      this.#drop(lines);
      return undefined;
    }
  }

  /**
   * `isBegun`: part of it may have been written. It is then always kept, because half a line is
   * worse than none.
   */
  #keep(piece: Piece, isBegun = false): void {
    const { length } = piece.bytes;
    if (!isBegun && this.#waitingBytes + length > this.#maxBytes) return this.#drop(piece.lines);
    this.#waiting.push(piece);
    this.#waitingBytes += length;
    this.#retryLater();
  }

  #retryLater(): void {
    this.#timer ??= setTimeout(() => this.#resume(), RETRY_MS).unref();
  }

  #resume(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const piece = this.#waiting[0] as Piece;
      const rest = this.#written(piece);
      this.#waitingBytes -= piece.bytes.length - (rest?.bytes.length ?? 0);
      if (rest === undefined) this.#waiting.shift();
      else {
        this.#waiting[0] = rest;
        return this.#retryLater();
      }
    }
    if (this.#untold > 0) this.#tellDropped();
  }

  #drop(lines: number): void {
    this.dropped += lines;
    this.#untold += lines;
  }

  #tellDropped(): void {
    const dropped = this.#untold;
    this.#untold = 0;
    if (this.#droppedLine === undefined) return;
    const before = this.dropped;
    this.#send({ bytes: Buffer.from(this.#droppedLine(dropped)), lines: 1 });
    // The report itself was lost, so the next one reports all dropped lines.
    if (this.dropped > before) {
      this.dropped = before;
      this.#untold = dropped;
    }
  }
}

function flushedAtExit(output: LogOutput): LogOutput {
  process.once("exit", () => output.flush());
  return output;
}

/**
 * A descriptor for the same output as `fd` that fails instead of blocking. Terminals and pipes are
 * opened again, so that other processes which share them are not affected. If that is not possible,
 * Node's own stream settings are used; Node does not block on pipes and stream sockets. Nothing is
 * written to other sockets (datagrams): each line counts as lost.
 */
function neverBlocking(fd: typeof STANDARD_OUTPUT | typeof STANDARD_ERROR): number {
  const found = fstatSync(fd);
  if (found.isFile()) return fd;
  try {
    if (found.isFIFO() || isatty(fd)) {
      const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    }
  } catch {
    // It belongs to another user, or `/proc` does not exist.
  }
  // Reading this property makes Node set the descriptor to non-blocking.
  const stream = fd === STANDARD_OUTPUT ? process.stdout : process.stderr;
  stream.on("error", () => undefined);
  // Node creates no stream for a datagram socket and leaves it blocking: a write would wait for the
  // reader, possibly for ever.
  return found.isSocket() && !(stream instanceof Socket) ? NOWHERE : fd;
}
