/**
 * The toxics that lose nothing and only make data, or the ending, later: latency, bandwidth,
 * slow_close and slicer. What they do on an update and on removal is Toxiproxy's: what is held
 * leaves at once. They differ from it where it is only an accident of its threads.
 */
import type { Random } from "ground-station-failover";
import { DELAY_DISTRIBUTIONS, type DelayShape, sampleDelayMs } from "../distribution.ts";
import type { Attributes } from "../toxic-type.ts";
import {
  type Data,
  DueItems,
  type Ending,
  type HeldRoom,
  type Item,
  type LinkMachine,
  numberOf,
} from "./link-machine.ts";

const NEVER = Number.POSITIVE_INFINITY;

/**
 * `latency`: each piece leaves at its arrival plus a delay. Pieces wait side by side, so that
 * twenty of them cost one latency, and keep their order. Several latencies add up.
 */
export class Latency implements LinkMachine {
  readonly #random: Random;
  readonly #maxHeldBytes: number;
  readonly #room: HeldRoom;
  readonly #held: DueItems = new DueItems();
  #shape: DelayShape = { latencyMs: 0, jitterMs: 0 };
  #lastAtMs = 0;
  #isRemoved = false;

  /** `maxHeldBytes`: above this it takes nothing more, and the sender waits. */
  constructor(random: Random, maxHeldBytes: number, room: HeldRoom) {
    this.#random = random;
    this.#maxHeldBytes = maxHeldBytes;
    this.#room = room;
  }

  get canTake(): boolean {
    if (this.#isRemoved) return false;
    // One piece is always taken, so that each connection goes on, be it slowly.
    return this.#held.isEmpty || (this.#held.heldBytes < this.#maxHeldBytes && !this.#room.isFull);
  }

  get isEmpty(): boolean {
    return this.#held.isEmpty;
  }

  get nextAtMs(): number {
    return this.#held.nextAtMs;
  }

  take(item: Item, nowMs: number): void {
    // An ending is not delayed: it follows the last piece.
    const dueAtMs = item.kind === "data" ? item.arrivedAtMs + sampleDelayMs(this.#random, this.#shape) : nowMs;
    this.#lastAtMs = Math.max(this.#lastAtMs, dueAtMs);
    this.#hold(() => this.#held.add(item, this.#lastAtMs));
  }

  give(nowMs: number): Item | undefined {
    const entry = this.#hold(() => this.#held.take(nowMs));
    if (entry?.item.kind !== "data") return entry?.item;
    // The next latency counts from here.
    return { ...entry.item, arrivedAtMs: Math.min(nowMs, Math.max(entry.item.arrivedAtMs, entry.atMs)) };
  }

  use(attributes: Attributes, nowMs: number, isRamp: boolean): void {
    const distribution = DELAY_DISTRIBUTIONS.find((name) => name === attributes["distribution"]) ?? "uniform";
    this.#shape = {
      latencyMs: numberOf(attributes, "latency"),
      jitterMs: numberOf(attributes, "jitter"),
      distribution,
    };
    if (!isRamp) this.#release(nowMs);
  }

  remove(nowMs: number): void {
    this.#isRemoved = true;
    this.#release(nowMs);
  }

  drop(): void {
    this.#room.take(-this.#held.heldBytes);
  }

  /** Tells the shared room how much a change of what is held took or gave back. */
  #hold<Result>(change: () => Result): Result {
    const before = this.#held.heldBytes;
    const result = change();
    this.#room.take(this.#held.heldBytes - before);
    return result;
  }

  #release(nowMs: number): void {
    this.#held.release();
    this.#lastAtMs = Math.min(this.#lastAtMs, nowMs);
  }
}

/** A piece is worth at most this much time, so that slow data flows instead of coming in lumps. */
const PIECE_MS = 100;
/** A timer that fires late is made up for, up to this much. */
const MAX_CATCH_UP_MS = 20;

/**
 * `bandwidth`: a piece of n bytes takes n / rate ms, where rate is in KB/s and a KB is 1000 bytes.
 * It holds one piece at a time: the sender is slowed down, as by a slow line. Rate 0 stalls.
 */
export class Bandwidth implements LinkMachine {
  #bytesPerMs = 0;
  #item: Item | undefined;
  /** The part of the item that is under way, and when it began and will have passed. */
  #pieceBytes = 0;
  #beganAtMs = 0;
  #dueAtMs: number = NEVER;
  #lateMs = 0;
  #isRemoved = false;
  #isReleased = false;

  get canTake(): boolean {
    return this.#item === undefined && !this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#item === undefined;
  }

  get nextAtMs(): number {
    if (this.#item === undefined) return NEVER;
    return this.#isReleased || this.#item.kind !== "data" ? 0 : this.#dueAtMs;
  }

  take(item: Item, nowMs: number): void {
    this.#item = item;
    this.#isReleased = false;
    if (item.kind === "data") this.#begin(item, nowMs - this.#lateMs);
    this.#lateMs = 0;
  }

  give(nowMs: number): Item | undefined {
    const item = this.#item;
    if (item === undefined || this.nextAtMs > nowMs) return undefined;
    if (item.kind !== "data" || this.#isReleased || this.#pieceBytes >= item.bytes.length) {
      if (item.kind === "data" && !this.#isReleased) this.#lateMs = Math.min(MAX_CATCH_UP_MS, nowMs - this.#dueAtMs);
      this.#item = undefined;
      return item;
    }
    const piece: Data = { ...item, bytes: item.bytes.subarray(0, this.#pieceBytes) };
    const rest: Data = { ...item, bytes: item.bytes.subarray(this.#pieceBytes) };
    this.#item = rest;
    this.#begin(rest, nowMs - Math.min(MAX_CATCH_UP_MS, nowMs - this.#dueAtMs));
    return piece;
  }

  use(attributes: Attributes, nowMs: number, isRamp: boolean): void {
    const before = this.#bytesPerMs;
    this.#bytesPerMs = numberOf(attributes, "rate");
    if (!isRamp) this.#isReleased = this.#item !== undefined;
    else if (this.#item?.kind === "data") this.#goOn(this.#item, before, nowMs);
  }

  remove(): void {
    this.#isRemoved = true;
    this.#isReleased = this.#item !== undefined;
  }

  #begin(data: Data, atMs: number): void {
    this.#pieceBytes = Math.min(data.bytes.length, Math.max(1, Math.floor(this.#bytesPerMs * PIECE_MS)));
    this.#beganAtMs = atMs;
    this.#dueAtMs = this.#bytesPerMs === 0 ? NEVER : atMs + this.#pieceBytes / this.#bytesPerMs;
  }

  /** The rate has changed a little: what has passed of the piece has passed. */
  #goOn(data: Data, before: number, nowMs: number): void {
    if (before === 0) return this.#begin(data, nowMs);
    if (this.#bytesPerMs === 0) {
      this.#dueAtMs = NEVER;
      return;
    }
    const leftBytes = Math.max(0, this.#pieceBytes - (nowMs - this.#beganAtMs) * before);
    this.#dueAtMs = nowMs + leftBytes / this.#bytesPerMs;
    this.#beganAtMs = this.#dueAtMs - this.#pieceBytes / this.#bytesPerMs;
  }
}

/** `slow_close`: data passes at once, the ending is passed on later. */
export class SlowClose implements LinkMachine {
  readonly #held: DueItems = new DueItems();
  #delayMs = 0;
  #endedAtMs: number | undefined;
  #ending: Ending | undefined;
  #isRemoved = false;

  get canTake(): boolean {
    return this.isEmpty && !this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#held.isEmpty && this.#ending === undefined;
  }

  get nextAtMs(): number {
    if (!this.#held.isEmpty) return this.#held.nextAtMs;
    if (this.#ending === undefined || this.#endedAtMs === undefined) return NEVER;
    return this.#isRemoved ? 0 : this.#endedAtMs + this.#delayMs;
  }

  take(item: Item, nowMs: number): void {
    if (item.kind === "data") return this.#held.add(item, nowMs);
    this.#ending = item.kind;
    this.#endedAtMs = nowMs;
  }

  give(nowMs: number): Item | undefined {
    if (this.nextAtMs > nowMs) return undefined;
    if (!this.#held.isEmpty) return this.#held.take(nowMs)?.item;
    const kind = this.#ending;
    this.#ending = undefined;
    return kind === undefined ? undefined : { kind };
  }

  use(attributes: Attributes, nowMs: number, isRamp: boolean): void {
    this.#delayMs = numberOf(attributes, "delay");
    // As in Toxiproxy, an update begins the wait anew.
    if (!isRamp && this.#endedAtMs !== undefined) this.#endedAtMs = nowMs;
  }

  remove(): void {
    this.#isRemoved = true;
  }
}

/**
 * `slicer`: cuts data into pieces of about the average size, by halving until a piece is small
 * enough, each cut moved by up to the variation. After each piece it pauses.
 */
export class Slicer implements LinkMachine {
  readonly #random: Random;
  #averageBytes = 0;
  #variationBytes = 0;
  #delayMs = 0;
  #item: Item | undefined;
  /** Lengths of the parts of the item that are still to be cut, the first one last. */
  #parts: number[] = [];
  #dueAtMs = 0;
  #isRemoved = false;
  #isReleased = false;

  constructor(random: Random) {
    this.#random = random;
  }

  get canTake(): boolean {
    return this.#item === undefined && !this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#item === undefined;
  }

  get nextAtMs(): number {
    if (this.#item === undefined) return NEVER;
    return this.#isReleased ? 0 : this.#dueAtMs;
  }

  take(item: Item, nowMs: number): void {
    this.#item = item;
    this.#isReleased = false;
    if (item.kind === "data") this.#parts = [item.bytes.length];
    this.#dueAtMs = Math.max(this.#dueAtMs, nowMs);
  }

  give(nowMs: number): Item | undefined {
    const item = this.#item;
    if (item === undefined || this.nextAtMs > nowMs) return undefined;
    const length = item.kind === "data" && !this.#isReleased ? this.#nextLength() : undefined;
    // The pause counts from when the piece was due, so that late timers do not add up; but pieces
    // that could not leave are not made up for in a burst.
    this.#dueAtMs = Math.max(this.#dueAtMs, nowMs - MAX_CATCH_UP_MS) + (item.kind === "data" ? this.#delayMs : 0);
    if (item.kind !== "data" || length === undefined || length >= item.bytes.length) {
      this.#item = undefined;
      return item;
    }
    this.#item = { ...item, bytes: item.bytes.subarray(length) };
    return { ...item, bytes: item.bytes.subarray(0, length) };
  }

  use(attributes: Attributes, nowMs: number, isRamp: boolean): void {
    this.#averageBytes = numberOf(attributes, "average_size");
    this.#variationBytes = numberOf(attributes, "size_variation");
    this.#delayMs = numberOf(attributes, "delay") / 1_000;
    if (isRamp) return;
    this.#isReleased = this.#item !== undefined;
    this.#dueAtMs = Math.min(this.#dueAtMs, nowMs);
  }

  remove(): void {
    this.#isRemoved = true;
    this.#isReleased = this.#item !== undefined;
  }

  /** Cuts the first part until it is small enough, and takes it off. */
  #nextLength(): number {
    let length = this.#parts.pop() ?? 0;
    while (length > 1 && length - this.#averageBytes > this.#variationBytes) {
      const shift = (2 * this.#random.next() - 1) * this.#variationBytes;
      const cut = Math.min(length - 1, Math.max(1, Math.floor(length / 2 + shift)));
      this.#parts.push(length - cut);
      length = cut;
    }
    return length;
  }
}
