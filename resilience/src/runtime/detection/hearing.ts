/**
 * What all supervisors of one process hear together. A node that dies is missed by those who watch
 * it; an observer that has gone deaf (its network is cut, its socket lost) misses everybody at
 * once. So before a node is declared down it is asked here whether anybody at all was heard since
 * that node fell silent, and where nobody was, the suspicion falls on the observer first. It
 * compares instants and keeps no beats; who must wait, and for how long, the supervisor says.
 */

import { checkMethods } from "../../core/options.ts";

/** A supervisor's share of what is heard. */
export interface Ear {
  /** When anybody was last heard from here; -Infinity if never. */
  newestMs(): number;
  /** How many nodes are counted on to be heard from here. */
  expected(): number;
}

/**
 * So many nodes are everybody at least: one that is watched alone has nobody to compare it with.
 */
const SEVERAL = 2;
/** With thousands of supervisors in doubt at once, all are answered from one look round. */
const LOOK_EVERY_MS = 5;

export class Hearing {
  readonly #ears: Set<Ear> = new Set();
  #newestMs = Number.NEGATIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** Takes `ear`, which lives on the same clock as all others, in until the answer is disposed. */
  add(ear: Ear): Disposable {
    const what = "an object with newestMs and expected, as a supervisor has";
    checkMethods("Hearing.add", "the ear", ear ?? null, ["newestMs", "expected"], what);
    this.#ears.add(ear);
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    return { [Symbol.dispose]: () => this.#ears.delete(ear) };
  }

  /**
   * When anybody was last heard from, as far as `nowMs` goes; a few milliseconds may be missing.
   */
  newestMs(nowMs: number): number {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return this.#newestMs;
    this.#lookedAtMs = nowMs;
    let newestMs = Number.NEGATIVE_INFINITY;
    for (const ear of this.#ears) newestMs = Math.max(newestMs, ear.newestMs());
    this.#newestMs = newestMs;
    return newestMs;
  }

  /** Has nobody at all been heard after `sinceMs`, by `nowMs`, though several are counted on? */
  isSilentSince(sinceMs: number, nowMs: number): boolean {
    return !(this.#newestMs > sinceMs) && !(this.newestMs(nowMs) > sinceMs) && this.#severalExpected();
  }

  #severalExpected(): boolean {
    let expected = 0;
    for (const ear of this.#ears) {
      expected += ear.expected();
      if (expected >= SEVERAL) return true;
    }
    return false;
  }
}
