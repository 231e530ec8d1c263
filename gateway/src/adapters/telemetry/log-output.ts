/**
 * Where log lines go: a descriptor that is never waited for and that never throws. What a pipe or
 * terminal does not take at once is kept, up to a bound in bytes; what goes beyond, or cannot be
 * written at all (a full disk, a reader that is gone), is dropped and counted, and a line says how
 * many when there is room again. Whoever reads the log can lose lines by not reading; nobody can
 * stop the process by it.
 *
 * Regular files are written to as they are: they take everything at once, or refuse.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";

export interface LogOutputOptions {
  /** Most bytes kept for a reader that does not read. Default 1 MiB: some thousand lines. */
  readonly maxBytes?: number;
  /** How a line says that lines were dropped; ends with a newline. Default: it is not said. */
  readonly droppedLine?: (dropped: number) => string;
}

const MAX_BYTES = 1024 * 1024;
/** How often it is tried again, in ms, while nobody reads. */
const RETRY_MS = 50;
/** At the end of the process a reader gets this much time for what is left, in ms. */
const FLUSH_MS = 250;
const FLUSH_STEP_MS = 5;
const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;
/** No descriptor: what is written there is refused at once. */
const NOWHERE = -1;

export class LogOutput {
  /** Lines that were lost, since the start. */
  dropped = 0;
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #droppedLine: ((dropped: number) => string) | undefined;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, { maxBytes = MAX_BYTES, droppedLine }: LogOutputOptions = {}) {
    this.#fd = fd;
    this.#maxBytes = maxBytes;
    this.#droppedLine = droppedLine;
  }

  /** The standard error of this process; what is left at its end is written then, for a moment. */
  static standardError(options: LogOutputOptions): LogOutput {
    return flushedAtExit(new LogOutput(neverBlocking(STANDARD_ERROR), options));
  }

  /**
   * The standard output of a process that serves: a terminal that was stopped (Ctrl-S) must not
   * stop the process.
   */
  static standardOutput(): LogOutput {
    return flushedAtExit(new LogOutput(neverBlocking(STANDARD_OUTPUT)));
  }

  write(line: string): void {
    if (this.#untold > 0 && this.#waiting.length === 0) this.#tellDropped();
    if (this.#waiting.length > 0) this.#keep(Buffer.from(line));
    else this.#send(Buffer.from(line));
  }

  /** Writes what waits, for a moment at most. Blocks that long: for the end of the process. */
  flush(): void {
    for (let leftMs = FLUSH_MS; leftMs > 0 && this.#waiting.length > 0; leftMs -= FLUSH_STEP_MS) {
      this.#resume();
      if (this.#waiting.length > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FLUSH_STEP_MS);
    }
    clearTimeout(this.#timer);
  }

  #send(piece: Buffer): void {
    const rest = this.#written(piece);
    if (rest !== undefined) this.#keep(rest, true);
  }

  /** What is left of `piece` to be written later; undefined where nothing is. */
  #written(piece: Buffer): Buffer | undefined {
    try {
      const written = writeSync(this.#fd, piece);
      return written < piece.length ? piece.subarray(written) : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return piece;
      this.#drop();
      return undefined;
    }
  }

  /** `isBegun`: a part of it may be out already, and half a line is worse than none. */
  #keep(piece: Buffer, isBegun = false): void {
    if (!isBegun && this.#waitingBytes + piece.length > this.#maxBytes) return this.#drop();
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    this.#retryLater();
  }

  #retryLater(): void {
    this.#timer ??= setTimeout(() => this.#resume(), RETRY_MS).unref();
  }

  #resume(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const piece = this.#waiting[0] as Buffer;
      const rest = this.#written(piece);
      this.#waitingBytes -= piece.length - (rest?.length ?? 0);
      if (rest === undefined) this.#waiting.shift();
      else {
        this.#waiting[0] = rest;
        return this.#retryLater();
      }
    }
    if (this.#untold > 0) this.#tellDropped();
  }

  #drop(): void {
    this.dropped++;
    this.#untold++;
  }

  #tellDropped(): void {
    const dropped = this.#untold;
    this.#untold = 0;
    if (this.#droppedLine === undefined) return;
    const before = this.dropped;
    this.#send(Buffer.from(this.#droppedLine(dropped)));
    // It was lost itself: the next one tells of all of them.
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
 * A descriptor for what `fd` is open on that gives up instead of waiting. Terminals and pipes are
 * opened once more, so that whoever shares them is not changed with it. What cannot be is left to
 * Node, which does not wait for pipes and sockets of streams. To other sockets (datagrams) nothing
 * is written: each line counts as lost.
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
    // Another user's, or no such folder.
  }
  // Looked at once, it is set so.
  const stream = fd === STANDARD_OUTPUT ? process.stdout : process.stderr;
  stream.on("error", () => undefined);
  // A socket that Node makes no stream of was not set so either: a write waits for the reader, for
  // ever where there is none.
  return found.isSocket() && !(stream instanceof Socket) ? NOWHERE : fd;
}
