/**
 * Reads a trace file as a stream into the library's condensed form. The file is never in memory as
 * a whole, and a line without an end cannot fill the memory. Broken lines are counted; the first
 * few are kept with their number and what is wrong with them. If a file cannot be used at all, the
 * error says what is wrong, where, and what is allowed.
 */
import { type FileHandle, open } from "node:fs/promises";
import { HeartbeatTrace, MAX_TRACE_HEARTBEATS, MAX_TRACE_NODES } from "ground-station-failover/calibration";
import { UserError } from "../process/exit-codes.ts";
import { TraceFormat } from "./trace-format.ts";

export interface TraceFileOptions {
  readonly path: string;
  /** Reads only this node's heartbeats. Default: all. */
  readonly node?: string | undefined;
  /** Unit of plain numbers in the file, in ms. Default 1. */
  readonly unitMs?: number;
  /**
   * Called now and then with the progress, in bytes of the file; undefined if its size is not
   * known.
   */
  readonly onProgress?: (progress: TraceFileProgress) => void;
}

interface TraceFileProgress {
  readonly lines: number;
  readonly bytes: number;
  readonly ofBytes: number | undefined;
}

/** A line that could not be used. */
interface BrokenLine {
  readonly line: number;
  readonly why: string;
}

export interface TraceFile {
  readonly trace: HeartbeatTrace;
  readonly lines: number;
  readonly broken: { readonly count: number; readonly first: readonly BrokenLine[] };
  /** Lines of other nodes than the requested one. */
  readonly otherNodes: number;
}

const CHUNK_BYTES = 65_536;
/** A longer line counts as broken; a heartbeat takes about a hundred characters. */
const LONGEST_LINE = 4_096;
const FIRST_BROKEN = 5;
const NODES_NAMED = 10;

/** Rejects with a {@link UserError} (usage) if the file cannot be used. */
export async function readTraceFile(options: TraceFileOptions): Promise<TraceFile> {
  const { path, node, onProgress = () => undefined } = options;
  const reader = new LineReader(new TraceFormat(options.unitMs ?? 1), node, path);
  try {
    await using file = await open(path, "r");
    const ofBytes = await checkedSize(file, path);
    // Removes a byte order mark.
    const decoder = new TextDecoder("utf-8");
    // One buffer for the whole file: hundreds of buffers of a stream would wait for the garbage
    // collector.
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      const piece = buffer.subarray(0, bytesRead);
      if (bytes === 0) refuseBinary(path, piece);
      bytes += bytesRead;
      reader.take(decoder.decode(piece, { stream: true }));
      onProgress({ lines: reader.lines, bytes, ofBytes });
    }
    reader.take(decoder.decode());
    reader.end();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw unusable(path, reasonOf(error));
  }
  return reader.result();
}

class LineReader {
  lines = 0;
  readonly #format: TraceFormat;
  readonly #onlyNode: string | undefined;
  readonly #path: string;
  readonly #trace: HeartbeatTrace = new HeartbeatTrace();
  readonly #first: BrokenLine[] = [];
  readonly #others: Set<string> = new Set();
  #broken = 0;
  #otherNodes = 0;
  #rest = "";
  #overlong = false;

  constructor(format: TraceFormat, onlyNode: string | undefined, path: string) {
    this.#format = format;
    this.#onlyNode = onlyNode;
    this.#path = path;
  }

  take(piece: string): void {
    let from = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", from)) {
      this.#line(from === 0 ? this.#rest + piece.slice(0, end) : piece.slice(from, end));
      if (from === 0) this.#rest = "";
      from = end + 1;
    }
    this.#rest = from === 0 ? this.#rest + piece : piece.slice(from);
    if (this.#rest.length <= LONGEST_LINE) return;
    this.#overlong = true;
    this.#rest = "";
  }

  end(): void {
    if (this.#rest !== "" || this.#overlong) this.#line(this.#rest);
  }

  result(): TraceFile {
    const { lines } = this;
    const broken = { count: this.#broken, first: this.#first };
    if (this.#trace.beats === 0) throw unusable(this.#path, this.#nothing());
    return { trace: this.#trace, lines, broken, otherNodes: this.#otherNodes };
  }

  #line(text: string): void {
    this.lines++;
    if (this.#overlong || text.length > LONGEST_LINE) {
      this.#overlong = false;
      this.#wrong(`it is longer than ${LONGEST_LINE} characters`);
      return;
    }
    const format = this.#format;
    const reading = format.read(text.endsWith("\r") ? text.slice(0, -1) : text);
    if (reading === undefined) return;
    if (typeof reading === "string") return this.#wrong(reading);
    if (reading !== true) throw unusable(this.#path, `line ${this.lines}: ${reading.unusable}`);
    const { node, arrivalMs } = format.line;
    if (this.#onlyNode !== undefined && node !== this.#onlyNode) {
      this.#otherNodes++;
      if (this.#others.size < NODES_NAMED) this.#others.add(node);
      return;
    }
    // A detector treats undefined numbers as absent.
    const verdict = this.#trace.add(node, format.line as object, arrivalMs);
    if (verdict === "too-many-nodes") this.#wrong(`it is of a further node; allowed are ${MAX_TRACE_NODES}`);
    if (verdict === "refused") this.#wrong("its numbers are out of range");
    if (verdict !== "too-many-beats") return;
    throw unusable(this.#path, `it has more than ${MAX_TRACE_HEARTBEATS} heartbeats; calibrate with a part of it`);
  }

  #wrong(why: string): void {
    this.#broken++;
    if (this.#first.length < FIRST_BROKEN) this.#first.push({ line: this.lines, why });
  }

  /** Why the file contains no heartbeat. */
  #nothing(): string {
    if (this.#otherNodes > 0) {
      const more = this.#others.size < NODES_NAMED ? "" : ", …";
      return `it has no heartbeat of node "${this.#onlyNode}"; it has some of ${[...this.#others].join(", ")}${more}`;
    }
    const reasons = this.#first.map(({ line, why }) => `\n  line ${line}: ${why}`).join("");
    if (this.#broken === 0) return `it is empty; ${ALLOWED}`;
    return `none of its ${this.lines} lines can be read; ${ALLOWED}${reasons}`;
  }
}

const ALLOWED =
  "allowed is CSV with the columns node, arrival and if there are any sequence, sent, incarnation, " +
  "or a JSON object with these fields in each line";

/** Its size; undefined for a pipe. */
async function checkedSize(file: FileHandle, path: string): Promise<number | undefined> {
  const found = await file.stat();
  if (found.isDirectory()) throw unusable(path, "it is a directory");
  if (found.isFIFO()) return undefined;
  if (!found.isFile()) throw unusable(path, "it is a device; allowed is a file");
  return found.size;
}

function refuseBinary(path: string, piece: Buffer): void {
  if (piece[0] === 0x1f && piece[1] === 0x8b) throw unusable(path, "it is compressed; unpack it first (gunzip)");
  if (piece.subarray(0, 1_024).includes(0)) throw unusable(path, `it is not text; ${ALLOWED}`);
}

function unusable(path: string, why: string): UserError {
  return new UserError("usage", `cannot use the trace ${path}: ${why}`);
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "this user may not read it";
  return (error as Error).message;
}
