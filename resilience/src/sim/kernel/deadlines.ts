/**
 * What must hold once before an instant, for what recovers (`world.within`): looked at after every
 * step until it holds, and judged when its time is over. Whatever was neither when a run ended has
 * tested nothing, unless something of the same name was: a workload that asks for the same again
 * and again is in the middle of one at every end.
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
  /** Names of those that held in time, or did not. */
  readonly #judged: Set<string> = new Set();

  add(deadline: Deadline): void {
    this.#open.add(deadline);
  }

  /** Those that hold now are over. */
  look(): void {
    for (const deadline of this.#open) {
      if (sentenceOf(deadline.invariant, deadline.check()) === undefined) this.#close(deadline);
    }
  }

  /** Its time is over: a sentence where it never held. */
  judge(deadline: Deadline): string | undefined {
    return this.#close(deadline) ? sentenceOf(deadline.invariant, deadline.check()) : undefined;
  }

  /** Those that are open, and of whose name none was judged. */
  unjudged(): readonly Deadline[] {
    return [...this.#open].filter(({ invariant }) => !this.#judged.has(invariant));
  }

  #close(deadline: Deadline): boolean {
    this.#judged.add(deadline.invariant);
    return this.#open.delete(deadline);
  }
}
