/**
 * Checks that must hold once before an instant, for systems that recover (`world.within`). Each is
 * checked after every step until it holds, and judged when its time is over. If a run ends before
 * that, the check has tested nothing, unless another check of the same name has held or was judged.
 * (A workload that repeats the same check is in the middle of one at every end.)
 */
import { sentenceOf } from "./given.ts";
import type { Check } from "./kernel.ts";

export interface Deadline {
  readonly invariant: string;
  readonly check: Check;
  /** When it is judged. */
  readonly untilMs: number;
}

export class Deadlines {
  readonly #open: Set<Deadline> = new Set();
  /** Names of the checks that held in time, or did not. */
  readonly #judged: Set<string> = new Set();

  add(deadline: Deadline): void {
    this.#open.add(deadline);
  }

  /** Closes the checks that hold now. */
  look(): void {
    for (const deadline of this.#open) {
      if (sentenceOf(deadline.invariant, deadline.check()) === undefined) this.#close(deadline);
    }
  }

  /** The time of `deadline` is over. Returns the sentence of its check if it never held. */
  judge(deadline: Deadline): string | undefined {
    return this.#close(deadline) ? sentenceOf(deadline.invariant, deadline.check()) : undefined;
  }

  /** Checks that are open, if none of the same name was judged. */
  unjudged(): readonly Deadline[] {
    return [...this.#open].filter(({ invariant }) => !this.#judged.has(invariant));
  }

  #close(deadline: Deadline): boolean {
    this.#judged.add(deadline.invariant);
    return this.#open.delete(deadline);
  }
}
