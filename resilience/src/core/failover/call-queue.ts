/**
 * Calls that wait for a station; the call with least time left is first. Time left is counted to
 * the call's own deadline, or to the end of its caller's estimated patience. Calls with neither are
 * in order of arrival. Earliest deadline first is the same as first come, first served if all calls
 * have the same deadline, and no call overtakes one that has less time (Liu and Layland, 1973). Its
 * one weakness is that under overload every call is served slightly too late. `dispatch.ts` avoids
 * this: it refuses calls that cannot be answered in time.
 *
 * Calls mostly arrive in order, so a sorted array with a moving head is cheap.
 */
import type { Call } from "./call.ts";

/** The array is compacted when this many places at its head are empty. */
const COMPACT_AFTER = 1_024;

export class CallQueue {
  #places: (Call | undefined)[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The call that goes next; it stays in the queue. */
  get first(): Call | undefined {
    while (this.#head < this.#places.length) {
      const call = this.#places[this.#head];
      if (call !== undefined) return call;
      this.#head++;
    }
    this.#places.length = 0;
    this.#head = 0;
    return undefined;
  }

  /** Inserts `call` by `order` (an instant), after calls with an equal order. */
  add(call: Call, order: number): void {
    call.order = order;
    this.#compact();
    let low = this.#head;
    let high = this.#places.length;
    // Empty places have no order; the search skips them towards the end.
    while (low < high) {
      let middle = (low + high) >> 1;
      const start = middle;
      while (middle < high && this.#places[middle] === undefined) middle++;
      if (middle === high) high = start;
      else if ((this.#places[middle] as Call).order <= order) low = middle + 1;
      else high = start;
    }
    if (low === this.#places.length) this.#places.push(call);
    else this.#places.splice(low, 0, call);
    this.#size++;
  }

  /** Removes `call`; false if it is not in the queue. */
  remove(call: Call): boolean {
    const place = this.#placeOf(call);
    if (place < 0) return false;
    this.#places[place] = undefined;
    this.#size--;
    return true;
  }

  /** The call with most time left; it stays in the queue. Usually O(1). */
  get last(): Call | undefined {
    return this.findLast(() => true);
  }

  /** The first call, from the front, for which `wanted` holds. O(n). */
  find(wanted: (call: Call) => boolean): Call | undefined {
    for (let at = this.#head; at < this.#places.length; at++) {
      const call = this.#places[at];
      if (call !== undefined && wanted(call)) return call;
    }
    return undefined;
  }

  /** The first call, from the back, for which `wanted` holds. O(n). */
  findLast(wanted: (call: Call) => boolean): Call | undefined {
    for (let at = this.#places.length - 1; at >= this.#head; at--) {
      const call = this.#places[at];
      if (call !== undefined && wanted(call)) return call;
    }
    return undefined;
  }

  /**
   * How many calls would go in time if one goes every `everyMs` from `nowMs` on, in order. A call
   * that cannot go before `latestMs` is left out. O(n).
   */
  countInTime(latestMs: (call: Call) => number, everyMs: number, nowMs: number): number {
    let atMs = nowMs;
    let count = 0;
    for (let at = this.#head; at < this.#places.length; at++) {
      const call = this.#places[at];
      if (call === undefined || latestMs(call) < atMs) continue;
      count++;
      atMs += everyMs;
    }
    return count;
  }

  /** Removes all calls and returns them in order. */
  takeAll(): Call[] {
    const calls = this.#all();
    this.#places = [];
    this.#head = 0;
    this.#size = 0;
    return calls;
  }

  #all(): Call[] {
    return this.#places.slice(this.#head).filter((call) => call !== undefined);
  }

  #placeOf(call: Call): number {
    if (this.first === call) return this.#head;
    let low = this.#head;
    let high = this.#places.length;
    while (low < high) {
      let middle = (low + high) >> 1;
      const start = middle;
      while (middle < high && this.#places[middle] === undefined) middle++;
      if (middle === high) high = start;
      else if ((this.#places[middle] as Call).order < call.order) low = middle + 1;
      else high = start;
    }
    for (let at = low; at < this.#places.length; at++) {
      const other = this.#places[at];
      if (other === call) return at;
      if (other !== undefined && other.order > call.order) return -1;
    }
    return -1;
  }

  #compact(): void {
    if (this.#head < COMPACT_AFTER && this.#places.length - this.#head < 2 * this.#size + COMPACT_AFTER) return;
    this.#places = this.#all();
    this.#head = 0;
  }
}
