/**
 * Records a group's heartbeats from a running gateway into a trace file (`beat-streams.ts` is the
 * other end). The file is CSV that `gsf calibrate --trace` reads; an existing file is not touched.
 * However the recording ends (its time is up, a signal, the gateway goes away, the disk is full),
 * the file holds whole lines and no gaps.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { systemClock } from "ground-station-failover";
import { Agent, request } from "undici";
import { strange } from "../control/control-address.ts";
import { UserError } from "../process/exit-codes.ts";

export interface BeatRecordingOptions {
  readonly control: URL;
  readonly token: string | undefined;
  readonly group: string;
  readonly path: string;
  /** How long to record, in ms. */
  readonly forMs: number;
  /** Ends the recording early. */
  readonly signal: AbortSignal;
  readonly onProgress?: (beats: number) => void;
}

export interface BeatRecording {
  readonly beats: number;
  readonly stations: number;
  readonly elapsedMs: number;
}

interface RecordedBeat {
  readonly node: string;
  readonly arrival: number;
  readonly sequence?: number;
  readonly sent?: number;
  readonly incarnation?: number;
}

const CONNECT_WITHIN_MS = 3_000;
/** Longest silence; the gateway sends an empty line every 15 s. */
const SILENT_FOR_MS = 60_000;
const WRITE_CHARACTERS = 65_536;

/**
 * Resolves when the time is up or `signal` is aborted. Rejects with a {@link UserError} if nothing
 * can be recorded.
 */
export async function recordBeats(options: BeatRecordingOptions): Promise<BeatRecording> {
  const { path, onProgress = () => undefined } = options;
  const file = await open(path, "wx").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "EEXIST" ? "it exists already; choose another name" : error.message;
    throw new UserError("usage", `cannot record to ${path}: ${why}`);
  });
  const recording = new Recording(file, onProgress);
  try {
    await follow(options, recording).finally(() => recording.flush());
  } catch (error) {
    if (recording.beats === 0) await rm(path);
    if (error instanceof UserError) throw error;
    const kept = recording.beats === 0 ? "" : `; ${path} holds the ${recording.beats} heartbeats until then`;
    const reason = (error as Error).message;
    if (error instanceof UnwritableError)
      throw new UserError("promiseBroken", `cannot write ${path}: ${reason}${kept}`);
    throw new UserError("unreachable", `${options.control.origin} ended the recording: ${reason}${kept}`);
  } finally {
    await file.close();
  }
  return recording.summary();
}

async function follow({ control, token, group, forMs, signal }: BeatRecordingOptions, to: Recording): Promise<void> {
  const at = new URL(`/v1/groups/${encodeURIComponent(group)}/beats`, control);
  const agent = new Agent({ connect: { timeout: CONNECT_WITHIN_MS }, bodyTimeout: SILENT_FOR_MS });
  const stop = new AbortController();
  const ends = AbortSignal.any([signal, stop.signal]);
  try {
    const { statusCode, body } = await request(at, {
      dispatcher: agent,
      signal: ends,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    if (statusCode !== 200) throw refusal(statusCode, await body.text());
    const timer = systemClock.at(systemClock.nowMs() + forMs, () => stop.abort());
    try {
      for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
        await to.take(line, at);
        if (ends.aborted) return;
      }
    } finally {
      timer[Symbol.dispose]();
    }
    if (!ends.aborted) throw new Error("the connection was closed");
  } catch (error) {
    if (ends.aborted && !(error instanceof UnwritableError)) return;
    if (error instanceof UserError || error instanceof UnwritableError || to.begun) throw error;
    const reason = (error as Error).message;
    throw new UserError("unreachable", `no answer from ${at.origin}: ${reason}; is the gateway running? (--control)`);
  } finally {
    await agent.destroy();
  }
}

class Recording {
  beats = 0;
  begun = false;
  readonly #file: FileHandle;
  readonly #onProgress: (beats: number) => void;
  readonly #stations: Set<string> = new Set();
  readonly #startedMs: number = systemClock.nowMs();
  #text = "";
  #fileBytes = 0;

  constructor(file: FileHandle, onProgress: (beats: number) => void) {
    this.#file = file;
    this.#onProgress = onProgress;
  }

  async take(line: string, at: URL): Promise<void> {
    if (line === "") return;
    const said = parsed(line);
    if (!this.begun) {
      if (said === undefined || !("recording" in said)) throw strange(at);
      this.begun = true;
      this.#text = "node,arrival,sequence,sent,incarnation\n";
      return;
    }
    // A line that was cut off is not a heartbeat.
    if (said === undefined || !("node" in said)) return;
    const { node, arrival, sequence = "", sent = "", incarnation = "" } = said;
    this.#text += `${node},${arrival},${sequence},${sent},${incarnation}\n`;
    this.#stations.add(node);
    this.beats++;
    this.#onProgress(this.beats);
    if (this.#text.length >= WRITE_CHARACTERS) await this.flush();
  }

  /**
   * Writes the lines that wait. If not all of them can be written, the file keeps only whole lines.
   */
  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#text);
    this.#text = "";
    let written = 0;
    try {
      while (written < bytes.length) written += (await this.#file.write(bytes, written)).bytesWritten;
    } catch (error) {
      const whole = bytes.subarray(0, written).lastIndexOf("\n") + 1;
      // The first line is not a heartbeat.
      this.beats = Math.max(0, this.beats - linesIn(bytes.subarray(whole)));
      await this.#file.truncate(this.#fileBytes + whole);
      throw new UnwritableError((error as Error).message);
    }
    this.#fileBytes += bytes.length;
  }

  summary(): BeatRecording {
    const { beats } = this;
    return { beats, stations: this.#stations.size, elapsedMs: systemClock.nowMs() - this.#startedMs };
  }
}

/** No more can be written to the file. */
class UnwritableError extends Error {}

function linesIn(bytes: Buffer): number {
  return bytes.toString("latin1").split("\n").length - 1;
}

function parsed(line: string): { readonly recording: string } | RecordedBeat | undefined {
  try {
    return JSON.parse(line) as RecordedBeat;
  } catch {
    return undefined;
  }
}

function refusal(status: number, text: string): UserError {
  let detail = text.slice(0, 200);
  try {
    detail = (JSON.parse(text) as { detail?: string }).detail ?? detail;
  } catch {
    // The answer is not a gateway's; its text is shown as it is.
  }
  const ending = status === 503 ? "promiseBroken" : "usage";
  return new UserError(ending, `the gateway refused (${status}): ${detail}`);
}
