/**
 * Counts callers' connections that were closed unserved, by reason. There may be thousands of them,
 * so a log line is written at most once a second, with the count.
 */
import type { Log } from "../telemetry/log.ts";

/** Connections since the start. */
export interface UnservedCounts {
  /** The listener already had the most connections allowed. */
  readonly refused: number;
  /** Its address already had its share of the connections. */
  readonly caller: number;
  /** The operating system could not accept them, for example for lack of descriptors. */
  readonly failed: number;
}

const TELL_EVERY_MS = 1_000;

const SENTENCES: Readonly<Record<keyof UnservedCounts, string>> = {
  refused:
    "a caller's connection was refused: there are as many as allowed; raise callers.maxConnections, or this process's descriptors (ulimit -n)",
  caller:
    "a caller's connection was refused: its address has its share of them; raise callers.maxConnections or callers.addressRatio",
  failed: "a caller's connection could not be accepted",
};

export class UnservedConnections {
  readonly counts: Record<keyof UnservedCounts, number> = { refused: 0, caller: 0, failed: 0 };
  readonly #group: string;
  readonly #log: Log;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(group: string, log: Log) {
    this.#group = group;
    this.#log = log;
  }

  note(kind: keyof UnservedCounts, details: object): void {
    const count = ++this.counts[kind];
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#log.error({ group: this.#group, count, ...details }, SENTENCES[kind]);
  }
}
