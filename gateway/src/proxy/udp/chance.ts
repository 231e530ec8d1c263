/**
 * Which datagrams are hit: a chance with a given rate whose outcomes may be correlated, and the
 * burst model of Gilbert and Elliott (Bell System Technical Journal, 1960 and 1963). A correlation
 * repeats the outcome before with that probability and draws anew otherwise, so the long-run rate
 * is exactly the given one and the correlation of neighbours exactly the given one. (netem's
 * correlation, a weighted sum of uniform numbers, has neither property.)
 */
import type { Random } from "ground-station-failover";

/** A chance whose neighbouring outcomes may be alike. */
export class Chance {
  readonly #random: Random;
  #rate = 0;
  #correlation = 0;
  #last: boolean | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Both from 0 to 1. The last outcome stays, so a change does not break a series. */
  use(rate: number, correlation: number): void {
    this.#rate = rate;
    this.#correlation = correlation;
  }

  draw(): boolean {
    // A certain outcome is certain at once, whatever came before.
    if (this.#rate <= 0 || this.#rate >= 1) this.#last = this.#rate >= 1;
    else if (this.#last === undefined || this.#random.next() >= this.#correlation) {
      this.#last = this.#random.next() < this.#rate;
    }
    return this.#last;
  }
}

export interface BurstRates {
  /** Probability, at each datagram, that the good state ends. */
  readonly goodToBad: number;
  /**
   * Probability, at each datagram, that the bad state ends: bursts last 1 / badToGood on average.
   */
  readonly badToGood: number;
  readonly lossInGood: number;
  readonly lossInBad: number;
}

/** Loss in bursts: a good and a bad state, each with its own loss. It begins in the good state. */
export class BurstLoss {
  readonly #random: Random;
  #isBad = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether this datagram is lost; then the state may change. */
  draw({ goodToBad, badToGood, lossInGood, lossInBad }: BurstRates): boolean {
    const isLost = this.#random.next() < (this.#isBad ? lossInBad : lossInGood);
    if (this.#random.next() < (this.#isBad ? badToGood : goodToBad)) this.#isBad = !this.#isBad;
    return isLost;
  }
}
