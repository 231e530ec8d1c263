/**
 * Callers' connections that were closed unserved, counted by why. They may come by the thousand, so
 * a log line tells of them once in a while, with the count.
 */
import type { Log } from "../telemetry/log.ts";

/** Connections since the start. */
export interface UnservedCounts {
  /** There were as many as allowed already. */
  readonly refused: number;
  /** Its address had its share of them already. */
  readonly caller: number;
  /** The system could not hand them over, for example for want of descriptors. */
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
