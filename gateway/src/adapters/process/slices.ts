/**
 * Cuts long work into slices, between which the event loop serves everybody else: with a thousand
 * groups, a page of metrics takes half a second to write, and no command may wait for it.
 */
import { setImmediate } from "node:timers/promises";

/** Longest slice, in ms: a small part of what an answer of a quick service takes. */
const SLICE_MS = 4;

export class Slices {
  #endsMs: number = performance.now() + SLICE_MS;

  /** True if the others have to be served before the work goes on. */
  get isOver(): boolean {
    return performance.now() >= this.#endsMs;
  }

  /** Resolves when the event loop has made a turn; a new slice begins. */
  async next(): Promise<void> {
    await setImmediate();
    this.#endsMs = performance.now() + SLICE_MS;
  }
}
