/**
 * A bounded amount of something, such as bytes or connections, that many callers share. A caller
 * may hold at most so many times what is still free: the dynamic threshold of shared buffers in
 * switches (Choudhury and Hahne, IEEE/ACM ToN 1998). One caller alone, which may be a load balancer
 * with everybody behind it, gets nearly all; a second one finds something free; and where many are
 * greedy, what ends is given to those who hold least, until all hold alike. A fixed share for each
 * promises either the first or the last of these. It takes nothing away from anybody, and knows
 * neither bytes nor sockets.
 */

/** Why nothing was given: too little is free, or this caller has its share. */
export type ShareRefusal = "total" | "caller";

export interface FairShareOptions {
  /** Most that all callers hold together; `Infinity` for no bound. */
  readonly max: number;
  /**
   * The part of `max` that one caller may hold while nobody else holds anything, above 0 and at
   * most 1; 1 for no bound.
   */
  readonly callerRatio: number;
}

export class FairShare {
  readonly max: number;
  readonly callerRatio: number;
  /** Only callers that hold something. */
  readonly #holders: Map<string, number> = new Map();
  #held = 0;

  constructor({ max, callerRatio }: FairShareOptions) {
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

  /** The caller that holds most, and how much; undefined while nobody holds anything. */
  get largest(): readonly [caller: string, amount: number] | undefined {
    let largest: readonly [string, number] | undefined;
    for (const holder of this.#holders) if (largest === undefined || holder[1] > largest[1]) largest = holder;
    return largest;
  }

  /** Gives `amount` to `caller`, all of it; or nothing, and says why. */
  take(caller: string, amount: number): ShareRefusal | undefined {
    const refusal = this.refusalOf(caller, amount);
    if (refusal === undefined) this.#add(caller, this.heldBy(caller) + amount, amount);
    return refusal;
  }

  /** Why {@link take} would give nothing. What is free is enough for a caller's first one. */
  refusalOf(caller: string, amount: number): ShareRefusal | undefined {
    const freeAfter = this.max - this.#held - amount;
    if (freeAfter < 0) return "total";
    const mine = this.heldBy(caller);
    const isOver = mine > 0 && (mine + amount) * (1 - this.callerRatio) > this.callerRatio * freeAfter;
    return isOver ? "caller" : undefined;
  }

  /**
   * As {@link take}, for what is there already and cannot be refused any more: it may go beyond the
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
