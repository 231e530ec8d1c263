/**
 * What a toxic does to one direction of one connection, as a machine without sockets and timers: it
 * is given items, is told the time, and gives items back when they are due. The machines of a
 * direction form a chain; a link moves items along it. An item is a piece of data or the ending of
 * the direction; nothing comes behind an ending.
 */
import type { Attributes } from "../toxic-type.ts";

/**
 * How a direction ends. "end": the sender has finished (FIN), and the other direction goes on.
 * "close": the whole connection is closed. "reset": both peers see a reset (RST).
 */
export type Ending = "end" | "close" | "reset";

export interface Data {
  readonly kind: "data";
  readonly bytes: Buffer;
  /** When it arrived at the proxy, plus the latencies that it has waited since. */
  readonly arrivedAtMs: number;
}

export type Item = Data | { readonly kind: Ending };

export interface LinkMachine {
  /** Whether it takes another item now. If not, the sender is made to wait. */
  readonly canTake: boolean;
  readonly isEmpty: boolean;
  /** When it has an item to give; `Infinity`: not before it is given one. */
  readonly nextAtMs: number;
  /** Only while `canTake` is true. */
  take(item: Item, nowMs: number): void;
  /** The next item that is due. */
  give(nowMs: number): Item | undefined;
  /**
   * New attributes. What is held is released, as in Toxiproxy; with `isRamp` (one small step of
   * many) it keeps its place.
   */
  use(attributes: Attributes, nowMs: number, isRamp: boolean): void;
  /** The toxic is taken out of the chain: what is held is due now, and nothing more is taken. */
  remove(nowMs: number): void;
  /** The connection is over: gives back what it took of the room that connections share. */
  drop?(): void;
}

/** Room for held bytes that all connections of a proxy share. */
export class HeldRoom {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Negative: gives back. */
  take(bytes: number): void {
    this.#bytes += bytes;
  }
}

/** The number of a checked toxic's attribute. */
export function numberOf(attributes: Attributes, name: string): number {
  const value = attributes[name];
  if (typeof value !== "number") throw new TypeError(`the toxic has no number "${name}"`);
  return value;
}

/** What an item costs besides its bytes: objects, and an entry in the queue. */
const ITEM_BYTES = 256;

/** Items in order, each with the instant at which it is due. */
export class DueItems {
  heldBytes = 0;
  #items: Array<{ readonly item: Item; readonly atMs: number }> = [];
  /** The place of the first item; those before it are gone. */
  #first = 0;
  /** So many of the first items are due, whatever their instant. */
  #released = 0;

  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  get nextAtMs(): number {
    if (this.isEmpty) return Number.POSITIVE_INFINITY;
    return this.#released > 0 ? 0 : (this.#items[this.#first]?.atMs as number);
  }

  add(item: Item, atMs: number): void {
    this.#items.push({ item, atMs });
    this.heldBytes += costOf(item);
  }

  take(nowMs: number): { readonly item: Item; readonly atMs: number } | undefined {
    if (this.nextAtMs > nowMs) return undefined;
    const entry = this.#items[this.#first];
    if (entry === undefined) return undefined;
    this.#first++;
    this.#released = Math.max(0, this.#released - 1);
    if (this.#first > 1_024 || this.isEmpty) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    this.heldBytes -= costOf(entry.item);
    return entry;
  }

  /** Everything that is held now is due. */
  release(): void {
    this.#released = this.#items.length - this.#first;
  }
}

function costOf(item: Item): number {
  return ITEM_BYTES + (item.kind === "data" ? item.bytes.length : 0);
}
