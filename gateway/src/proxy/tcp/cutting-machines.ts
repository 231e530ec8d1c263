/**
 * The toxics that lose data or end the connection: timeout, reset_peer and limit_data. Once bytes
 * were dropped the connection cannot go on, so the removal of such a toxic ends it; the reference
 * does the same. A reset is a real one also on connections that were there before the toxic, where
 * the reference closes them politely.
 */
import type { Attributes } from "../toxic-type.ts";
import { DueItems, type Item, type LinkMachine, numberOf } from "./link-machine.ts";

const NEVER = Number.POSITIVE_INFINITY;

/**
 * `timeout`: drops everything, and closes the connection when no data has come for so long. 0: it
 * never closes.
 */
export class Timeout implements LinkMachine {
  #timeoutMs = 0;
  #silentSinceMs: number;
  #isRemoved = false;
  #isClosed = false;

  constructor(nowMs: number) {
    this.#silentSinceMs = nowMs;
  }

  get canTake(): boolean {
    return !this.#isRemoved && !this.#isClosed;
  }

  get isEmpty(): boolean {
    return this.#isClosed;
  }

  get nextAtMs(): number {
    if (this.#isClosed) return NEVER;
    if (this.#isRemoved) return 0;
    return this.#timeoutMs === 0 ? NEVER : this.#silentSinceMs + this.#timeoutMs;
  }

  take(item: Item, nowMs: number): void {
    // The ending is dropped too: nobody is to hear of it before the timeout.
    if (item.kind === "data") this.#silentSinceMs = nowMs;
  }

  give(nowMs: number): Item | undefined {
    if (this.nextAtMs > nowMs) return undefined;
    this.#isClosed = true;
    return { kind: "close" };
  }

  use(attributes: Attributes, nowMs: number, isRamp: boolean): void {
    this.#timeoutMs = numberOf(attributes, "timeout");
    if (!isRamp) this.#silentSinceMs = nowMs;
  }

  remove(): void {
    this.#isRemoved = true;
  }
}

/**
 * `reset_peer`: waits for the first data or the ending, drops it, waits for the timeout, then
 * resets the connection. Removed before the first data it leaves no trace; later it resets at once,
 * since data was dropped.
 */
export class ResetPeer implements LinkMachine {
  #timeoutMs = 0;
  #beganAtMs: number | undefined;
  #isRemoved = false;
  #isReset = false;

  get canTake(): boolean {
    return this.#beganAtMs === undefined && !this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#beganAtMs === undefined || this.#isReset;
  }

  get nextAtMs(): number {
    if (this.#beganAtMs === undefined || this.#isReset) return NEVER;
    return this.#isRemoved ? 0 : this.#beganAtMs + this.#timeoutMs;
  }

  take(_item: Item, nowMs: number): void {
    this.#beganAtMs = nowMs;
  }

  give(nowMs: number): Item | undefined {
    if (this.nextAtMs > nowMs) return undefined;
    this.#isReset = true;
    return { kind: "reset" };
  }

  use(attributes: Attributes): void {
    this.#timeoutMs = numberOf(attributes, "timeout");
  }

  remove(): void {
    this.#isRemoved = true;
  }
}

/**
 * `limit_data`: passes exactly so many bytes, then closes the connection; 0 closes it at the first
 * data. What has passed counts on after an update.
 */
export class LimitData implements LinkMachine {
  readonly #held: DueItems = new DueItems();
  #limitBytes = 0;
  #passedBytes = 0;
  #isClosed = false;
  #isRemoved = false;

  get canTake(): boolean {
    return this.isEmpty && !this.#isClosed && !this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#held.isEmpty;
  }

  get nextAtMs(): number {
    return this.#held.nextAtMs;
  }

  take(item: Item, nowMs: number): void {
    if (item.kind !== "data") return this.#held.add(item, nowMs);
    const bytes = item.bytes.subarray(0, Math.max(0, this.#limitBytes - this.#passedBytes));
    this.#passedBytes += bytes.length;
    if (bytes.length > 0) this.#held.add({ ...item, bytes }, nowMs);
    if (this.#passedBytes < this.#limitBytes) return;
    this.#isClosed = true;
    this.#held.add({ kind: "close" }, nowMs);
  }

  give(nowMs: number): Item | undefined {
    return this.#held.take(nowMs)?.item;
  }

  use(attributes: Attributes): void {
    this.#limitBytes = numberOf(attributes, "bytes");
  }

  remove(): void {
    this.#isRemoved = true;
  }
}
