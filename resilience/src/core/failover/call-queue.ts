/**
 * Calls that wait for a station, the one that has least time left first. Time is counted to the
 * call's own deadline, or to the end of what its caller is believed to wait; calls without either
 * are in the order of their arrival. Serving by deadline is first come, first served among equals,
 * and lets nobody overtake who has less time (Liu and Layland, 1973); its one weakness, that under
 * overload everybody is served just too late, is met where calls are let go: those that cannot be
 * answered in time are refused instead (`dispatch.ts`).
 *
 * Calls mostly arrive in order, so a sorted array with a moving head costs next to nothing.
 */
import type { Call } from "./call.ts";

/** The array is cut down when this many places at its head are empty. */
const COMPACT_AFTER = 1_024;

export class CallQueue {
  #places: (Call | undefined)[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The call whose turn it is; it stays in the queue. */
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

  /** Puts `call` in by `order` (an instant); among equals it goes last. */
  add(call: Call, order: number): void {
    call.order = order;
    this.#compact();
    let low = this.#head;
    let high = this.#places.length;
    // Empty places keep no order; they are skipped towards the end.
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

  /** Takes `call` out; false where it is not in. */
  remove(call: Call): boolean {
    const place = this.#placeOf(call);
    if (place < 0) return false;
    this.#places[place] = undefined;
    this.#size--;
    return true;
  }

  /** The call that has most time left; it stays in the queue. O(1) as a rule. */
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
   * How many calls will go in time, if one goes every `everyMs` from `nowMs` on, in order, and
   * those that cannot go before `latestMs` do not go at all. O(n).
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

  /** Takes every call out, in order. */
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
