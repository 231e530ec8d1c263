/**
 * A bounded amount that many callers share, for example bytes or connections. A caller may hold at
 * most a fixed multiple of the amount that is still free. This is the dynamic threshold of shared
 * buffers in switches (Choudhury and Hahne, IEEE/ACM ToN 1998). Three things follow:
 * - A single caller, which may be a load balancer with all users behind it, gets nearly everything.
 * - A second caller still finds something free.
 * - If many callers are greedy, amounts given back go to the callers that hold least, until all
 *   hold the same.
 * A fixed share for each caller achieves only the first or only the last of these. Nothing is ever
 * taken away from a caller. This module does not know what the amount consists of.
 */

/** Why nothing was given: too little is free, or this caller already has its share. */
export type ShareRefusal = "total" | "caller";

export interface FairShareOptions {
  /** Most that all callers may hold together; `Infinity` for no bound. */
  readonly max: number;
  /**
   * The part of `max` that one caller may hold while no other caller holds anything; above 0 and at
   * most 1. 1: no bound for each caller.
   */
  readonly callerRatio: number;
}

export class FairShare {
  max: number;
  callerRatio: number;
  /** Only callers that hold something. */
  readonly #holders: Map<string, number> = new Map();
  #held = 0;

  constructor({ max, callerRatio }: FairShareOptions) {
    this.max = max;
    this.callerRatio = callerRatio;
  }

  /** Other bounds from now on. What is held above them stays until it is given back. */
  use({ max, callerRatio }: FairShareOptions): void {
    this.max = max;
    this.callerRatio = callerRatio;
  }

  /** What all callers hold together. */
  get held(): number {
    return this.#held;
  }

  heldBy(caller: string): number {
    return this.#holders.get(caller) ?? 0;
  }

  /**
   * The caller that holds most, and how much it holds; undefined while no caller holds anything.
   */
  get largest(): readonly [caller: string, amount: number] | undefined {
    let largest: readonly [string, number] | undefined;
    for (const holder of this.#holders) if (largest === undefined || holder[1] > largest[1]) largest = holder;
    return largest;
  }

  /** Gives all of `amount` to `caller`, or nothing and returns why. */
  take(caller: string, amount: number): ShareRefusal | undefined {
    const refusal = this.refusalOf(caller, amount);
    if (refusal === undefined) this.#add(caller, this.heldBy(caller) + amount, amount);
    return refusal;
  }

  /**
   * Why {@link take} would give nothing. A caller that holds nothing yet gets its first amount if
   * that much is free.
   */
  refusalOf(caller: string, amount: number): ShareRefusal | undefined {
    const freeAfter = this.max - this.#held - amount;
    if (freeAfter < 0) return "total";
    const mine = this.heldBy(caller);
    const isOver = mine > 0 && (mine + amount) * (1 - this.callerRatio) > this.callerRatio * freeAfter;
    return isOver ? "caller" : undefined;
  }

  /**
   * As {@link take}, for an amount that is already in use and cannot be refused. May exceed the
   * bound.
   */
  takeAnyway(caller: string, amount: number): void {
    this.#add(caller, this.heldBy(caller) + amount, amount);
  }

  giveBack(caller: string, amount: number): void {
    this.#add(caller, this.heldBy(caller) - amount, -amount);
  }

  #add(caller: string, mine: number, amount: number): void {
    this.#held += amount;
    if (mine > 0) this.#holders.set(caller, mine);
    else this.#holders.delete(caller);
  }
}
