/**
 * The access log: one JSON object a line for a request, apart from the log of events. Requests that
 * failed, were refused, were slow, or did not simply go to their station are always written; of the
 * others a share. A success that is not written costs two comparisons.
 *
 * A request's query, body, cookies and credentials are never written, because they may hold
 * secrets; a path can hold one too, which nobody can see from outside. In a storm of failures at
 * most 1,000 of these lines a second are written, and the next line says how many were left out: a
 * log must not fill a disk because a station is down.
 */
import type { Random } from "ground-station-failover";
import type { AccessLogSettings } from "../../fleet/settings.ts";
import { visible } from "./visible.ts";

/** Where lines go. Must not block and must not throw. */
export interface LineSink {
  /** `text`: complete lines; `lines`: how many. */
  write(text: string, lines: number): void;
}

/** Why a line is written. */
export type AccessReason = "failed" | "refused" | "moved" | "waited" | "slow" | "sampled";

export interface AccessEntry {
  readonly atMs: number;
  readonly why: readonly AccessReason[];
  readonly group: string;
  readonly requestId: string;
  readonly method: string | undefined;
  readonly target: string | undefined;
  readonly protocol: string | undefined;
  readonly status: number | undefined;
  readonly outcome: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  /** Until the head of the answer; undefined if there was none. */
  readonly answerMs: number | undefined;
  /** Until the first attempt was sent; undefined if none was. */
  readonly waitedMs: number | undefined;
  readonly station: string;
  readonly epoch: number;
  readonly attempts: number;
  readonly caller: string;
  /** The caller that a trusted proxy names; undefined if there is no such proxy. */
  readonly client: string | undefined;
  readonly userAgent: string | undefined;
  readonly traceparent: string | undefined;
}

export interface AccessLogOptions extends AccessLogSettings {
  readonly sink: LineSink;
  readonly random: Random;
  /** For the bound of lines a second. */
  readonly nowMs: () => number;
}

/** Longest text of a caller in a line, in characters. */
const MAX_TEXT = 256;
const MAX_LINES_A_SECOND = 1_000;

export class AccessLog {
  readonly slowAfterMs: number;
  readonly #sample: number;
  readonly #sink: LineSink;
  readonly #random: Random;
  readonly #nowMs: () => number;
  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #writtenInSecond = 0;
  #leftOut = 0;

  constructor({ sample, slowAfterMs, sink, random, nowMs }: AccessLogOptions) {
    this.#sample = sample;
    this.slowAfterMs = slowAfterMs;
    this.#sink = sink;
    this.#random = random;
    this.#nowMs = nowMs;
  }

  /** True if the next request is to be written, however it ends. */
  draw(): boolean {
    return this.#sample > 0 && (this.#sample >= 1 || this.#random.next() < this.#sample);
  }

  write(entry: AccessEntry): void {
    if (!entry.why.includes("sampled") && !this.#hasRoom()) {
      this.#leftOut++;
      return;
    }
    this.#sink.write(`${lineOf(entry, this.#leftOut)}\n`, 1);
    this.#leftOut = 0;
  }

  #hasRoom(): boolean {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#secondEndsMs) {
      this.#secondEndsMs = nowMs + 1_000;
      this.#writtenInSecond = 0;
    }
    return this.#writtenInSecond++ < MAX_LINES_A_SECOND;
  }
}

function lineOf(entry: AccessEntry, leftOut: number): string {
  const { target, protocol, userAgent, station, answerMs, waitedMs } = entry;
  return shown(
    JSON.stringify({
      time: new Date(entry.atMs).toISOString(),
      log: "access",
      why: entry.why,
      group: entry.group,
      requestId: entry.requestId,
      method: entry.method,
      path: target === undefined ? undefined : pathOf(target),
      protocol,
      status: entry.status,
      outcome: entry.outcome,
      bytesIn: entry.bytesIn,
      bytesOut: entry.bytesOut,
      durationMs: rounded(entry.durationMs),
      answerMs: answerMs === undefined ? undefined : rounded(answerMs),
      waitedMs: waitedMs === undefined ? undefined : rounded(waitedMs),
      ...(station === "" ? {} : { station, epoch: entry.epoch }),
      attempts: entry.attempts,
      caller: entry.caller,
      client: entry.client,
      userAgent: userAgent?.slice(0, MAX_TEXT),
      traceparent: entry.traceparent,
      ...(leftOut === 0 ? {} : { leftOut }),
    }),
  );
}

/** Few lines hold anything but printable ASCII, and looking at each sign takes long. */
function shown(line: string): string {
  return /[^ -~]/.test(line) ? visible(line) : line;
}

/** The path of a request target, bounded, without the query, which may hold secrets. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  // A name and a password may stand before the host of an absolute target.
  return path.slice(0, MAX_TEXT).replace(/^([a-z]+:\/\/)[^/@]*@/i, "$1");
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
