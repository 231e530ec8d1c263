/**
 * What a call owes the stations it goes to (rule R2). Its first attempt at a station is base load there; any further
 * one, however it comes about (a failed call tried again, a re-send after stations changed places twice), is an extra
 * attempt, and is charged to that station's retry budget before it is queued. Retries within one visit are charged by
 * the station's client itself. One that the station refused because of its epoch may be made up for free.
 */
import type { Lane, NamedStation } from "./lane.ts";

export class Fare<S extends NamedStation> {
  /** Where an attempt has gone: the first station, and any others. */
  #first: Lane<S> | undefined = undefined;
  #others: Set<Lane<S>> | undefined = undefined;
  /** Whose budget has been charged for an attempt that is yet to come. */
  #charged: Lane<S> | undefined = undefined;
  /** Where the next attempt takes the place of one that is on the books and came to nothing. */
  #free: Lane<S> | undefined = undefined;

  /** `lane`'s budget has been charged already. */
  chargedBy(lane: Lane<S>): void {
    this.refund();
    if (lane.client.budget !== undefined) this.#charged = lane;
  }

  /** Pays for the next attempt, at `lane`; false where that is an extra one and the budget there has nothing left. */
  pay(lane: Lane<S>, nowMs: number): boolean {
    if (this.#charged === lane) return true;
    this.refund();
    if (this.#free === lane || !this.#visited(lane)) return true;
    if (!chargeRepeat(lane, nowMs)) return false;
    this.chargedBy(lane);
    return true;
  }

  /** Hands what was paid over to `lane`'s client, which makes the attempt; what it says is what the client's `begin` takes. */
  handOver(lane: Lane<S>): boolean | undefined {
    const charged = this.#charged === lane ? true : this.#free === lane ? false : undefined;
    this.#charged = undefined;
    return charged;
  }

  /** An attempt goes out to `lane`. */
  attempted(lane: Lane<S>): void {
    this.#free = undefined;
    if (this.#first === undefined) this.#first = lane;
    if (this.#first === lane) return;
    this.#others ??= new Set();
    this.#others.add(lane);
  }

  /** The attempt at `lane` provably came to nothing there: the next takes its place. */
  undone(lane: Lane<S>): void {
    this.#free = lane;
  }

  /** Nothing more will be sent. */
  refund(): void {
    this.#charged?.client.budget?.refund();
    this.#charged = undefined;
  }

  #visited(lane: Lane<S>): boolean {
    return this.#first === lane || this.#others?.has(lane) === true;
  }
}

/** Withdraws an extra attempt from `lane`'s budget; a client that never retries allows none. */
export function chargeRepeat<S extends NamedStation>(lane: Lane<S>, nowMs: number): boolean {
  return lane.client.maxAttempts > 1 && lane.client.budget?.withdraw(nowMs) !== false;
}
